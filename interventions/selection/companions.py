"""Companions: new rows of the other answers beside new rows of one answer, so that newness is no cue for the answer.

Where answers are labels and all that is added has one of them, whatever sets added rows apart from old ones becomes a
cue for that label: words that the corpus does not have, their pieces, the style of a source. On question classes a
model that had never met an unknown word learnt that unknown words mean the added class, and no dose, however small,
kept the other classes whole; as many rows of the other labels from the same pool did (docs/LOG.md, 2026-11-28). They
are drawn by chance in the proportions in which the measured items have their labels, pass the same gate, and count
among the rows that a fix may add.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.answer_labels import labels_of
from interventions.admission.gate import Stock, admit
from interventions.plan.fair import MOSTLY, commonest
from interventions.plan.step import Limits, Resources, Step, Supply

_TRIED = 4
"""Multiple of the wanted rows that is passed to the gate."""


def with_companions(steps: Sequence[Step], resources: Resources, limits: Limits) -> tuple[Step, ...]:
    """Add companions to the steps, for the supplies of each classification."""
    stock = resources.stock
    if not limits.is_fair or stock.pool is None:
        return tuple(steps)
    found: list[Step] = list(steps)
    alone = [step for step in steps if isinstance(step, Supply) and _is_of_one_label(step, stock)]
    for golds in dict.fromkeys(tuple(sorted(step.finding.golds)) for step in alone):
        own = [step for step in alone if tuple(sorted(step.finding.golds)) == golds]
        number = sum(len(step.rows) for step in own)
        if limits.num_examples is not None:
            number = min(number, limits.num_examples)
        rows = _rows(own, number, stock, np.random.default_rng(resources.seed))
        if len(rows):
            why = "new rows of the pool with the other answers, so that what is new does not tell the answer"
            found.append(Supply(own[0].finding, rows, why, {}))
    return tuple(found)


def _is_of_one_label(step: Supply, stock: Stock) -> bool:
    assert stock.pool is not None, "its rows are of the pool"
    label, part = commonest(stock.pool.select(step.rows))
    return label in step.finding.golds and part > MOSTLY


def _rows(own: Sequence[Supply], number: int, stock: Stock, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows with a label of the items that no supply has, at most `number`; the first of them are in proportion too."""
    assert stock.pool is not None, "they are rows of the pool"
    golds = own[0].finding.golds
    supplied = {commonest(stock.pool.select(step.rows))[0] for step in own}
    labels = np.array(labels_of(stock.pool), object)
    places, turns = [], []
    for label in sorted(golds.keys() - supplied):
        rows = rng.permutation(np.flatnonzero(labels == label))
        places.append(rows)
        turns.append((np.arange(len(rows)) + 0.5) / golds[label])
    if not places:
        return np.empty(0, np.int64)
    order = np.concatenate(places)[np.argsort(np.concatenate(turns), kind="stable")].astype(np.int64)
    return admit(stock.pool, order[: _TRIED * number], stock.gate, stock.said).rows[:number]
