"""Score training rows by one model with its queries and its Fisher matrix.

Costs one pass over queries and training rows, and half of one more over the Fisher sample; with an index that has the
rows, a pass over the queries alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.fisher import inverse_fisher_product
from diagnose.attribution.gradients.caught import BatchGradients, ProjectedGradients, catch_gradients
from diagnose.attribution.gradients.index import GradientIndex, IndexedGradients
from diagnose.attribution.gradients.of_queries import query_gradients, unit
from diagnose.attribution.gradients.of_rows import LiveGradients
from diagnose.attribution.gradients.projection import random_projections
from diagnose.attribution.gradients.sample import draw_sample
from diagnose.attribution.influence import Influence
from diagnose.attribution.shards import Preparation, ScoredRows
from diagnose.model.queries import Queries
from diagnose.rows.batches import num_loss_tokens
from diagnose.rows.tokens import TokenRows, TokenSource
from evals.model_ref import CausalModel

AddDone = Callable[[int], None]
"""Called with the number of rows done since the last call."""


class Scorer:
    """Scores rows for one model; made by `prepared` and valid within it."""

    def __init__(
        self,
        gradients: ProjectedGradients,
        queries: Queries,
        train: LiveGradients | IndexedGradients,
        num_train: int,
        settings: Influence,
    ) -> None:
        self._train = train
        self._queries = query_gradients(gradients, queries, settings.batch_tokens)
        self._solved = inverse_fisher_product(  # [num_queries, dim]
            self._queries.effect / num_train,
            train.drawn,
            gradients.projections,
            settings.damping,
            settings.kronecker,
        )
        left_out = np.array(sorted(self._queries.left_out), np.int64)
        self.preparation = Preparation(left_out, queries.rows.num_tokens + train.num_tokens)

    def score(self, rows: TokenRows, start: int, add_done: AddDone = lambda _: None) -> ScoredRows:
        """Score the training rows `start` to `start + len(rows)`."""
        gradients = self._train.of(rows, start)
        out = self._blank(rows, start, gradients.num_tokens)
        for places, batch in gradients.batches:
            self._score(out, places, batch)
            add_done(len(places))
        return out

    def _blank(self, rows: TokenRows, start: int, num_tokens: int) -> ScoredRows:
        shape = (len(rows), len(self._queries.effect))
        return ScoredRows(
            start=start,
            effect=np.zeros(shape, np.float32),
            retrieval=np.zeros(shape, np.float32),
            hidden=np.zeros(shape, np.float32),
            losses=np.zeros((1, len(rows)), np.float32),
            num_loss_tokens=num_loss_tokens(rows),
            is_left_out=np.zeros(len(rows), bool),
            num_truncated=rows.num_truncated,
            num_tokens=num_tokens,
        )

    def _score(self, out: ScoredRows, places: NDArray[np.int64], batch: BatchGradients) -> None:
        is_finite = batch.is_finite.cpu().numpy()
        out.losses[0, places] = np.where(is_finite, batch.losses.cpu().numpy(), 0)
        out.is_left_out[places] = ~is_finite
        out.effect[places] = (batch.grads @ self._solved.T).cpu().numpy()
        out.retrieval[places] = (unit(batch.grads) @ self._queries.retrieval.T).cpu().numpy()
        out.hidden[places] = (unit(batch.hidden) @ self._queries.hidden.T).cpu().numpy()


@contextmanager
def prepared(
    model: CausalModel, queries: Queries, train: TokenSource, settings: Influence, seed: int
) -> Iterator[Scorer]:
    """Prepare a scorer of the model, whose weights are frozen from now on.

    Raises:
        ValueError: no sampled training row has a token with loss, or none has a finite gradient.
    """
    sample = draw_sample(train, settings.fisher_examples, seed)
    index = None
    if settings.index is not None:
        index = GradientIndex(Path(settings.index), model, sample, settings, seed)
    if index is not None and index.is_begun:
        projections = index.projections(model)
    else:
        projections = random_projections(
            model, settings.projection_dim, sample.calibration, seed, settings.temperature, settings.last_blocks
        )
    with catch_gradients(model, projections, settings.temperature) as gradients:
        of_train: LiveGradients | IndexedGradients
        if index is None:
            of_train = LiveGradients(gradients, sample, settings.batch_tokens)
        else:
            of_train = IndexedGradients(index, gradients, sample, settings.batch_tokens)
        yield Scorer(gradients, queries, of_train, len(train), settings)
