"""What a fix must beat: the same training without it, and with random data in its place.

The random control answers whether it was the right data. It gets as many rows with the same share of the
draws through the same gate, but may repeat rows of the corpus: where the pool contains the corpus, the
rest of it is just what is missing, and leaving the known rows out would be a diagnosis by subtraction.
"""

import numpy as np
from numpy.typing import NDArray

from diagnose.pool import TrainPool
from interventions.compose import Draw, compose
from interventions.mix import TrainingMix
from interventions.plan import Plan
from interventions.quality import EvaluationIndex, Stock, admit, take_stock

KIND = "random"


def continue_mix(corpus: TrainPool, index: EvaluationIndex) -> TrainingMix:
    """The corpus without evaluation items, every row alike."""
    return compose((), take_stock(corpus, None, index))


def random_mix(plan: Plan, corpus: TrainPool, pool: TrainPool | None, index: EvaluationIndex, seed: int) -> TrainingMix:
    """Random rows in the place of those of the plan: as many, with the same shares.

    Added rows come from the pool, or are rows of the corpus once more where there is none; raised rows are a
    random part of the corpus.
    """
    rng = np.random.default_rng(seed)
    stock = take_stock(corpus, pool, index)
    draws: list[Draw] = []
    adding = [action for action in plan.actions if action.num_added]
    if adding:
        rows = _random_rows(stock, sum(action.num_added for action in adding), rng)
        share = sum(action.share for action in adding)
        draws.append(Draw(KIND, True, rows, share, "drawn at random, as many as the fix adds"))
    raising = [action for action in plan.actions if action.num_reweighted]
    if raising:
        number = min(sum(action.num_reweighted for action in raising), len(stock.kept))
        rows = np.sort(rng.choice(stock.kept, number, replace=False))
        share = sum(action.share for action in raising)
        draws.append(Draw(KIND, False, rows, share, "raised at random, as many as the fix raises"))
    return compose(draws, stock)


def _random_rows(stock: Stock, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows that pass the gate, uniformly; as many as there are, if fewer.

    Gated in growing blocks of a random order, so that a large pool is not normalised as a whole.
    """
    source = stock.pool if stock.pool is not None else stock.corpus
    order = rng.permutation(len(source)) if stock.pool is not None else rng.permutation(stock.kept)
    size = 2 * number
    while True:
        rows = admit(source, order[:size].astype(np.int64), stock.index, frozenset()).rows
        if len(rows) >= number or size >= len(order):
            break
        size *= 4
    if not len(rows):
        raise ValueError(
            "no row of corpus.pool may be trained on: all are near copies of evaluation items; give a pool "
            "that does not contain the evaluation"
        )
    return np.sort(rows[:number])
