"""One model with its queries and its Fisher matrix, ready to score any training rows.

Made from one pass over the queries and over a sample of the training rows. The sample waits for the Fisher matrix that
it makes and is then scored without a second pass, so that all of it costs one pass over queries and training rows, and
half of one more over the sample.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from diagnose.attribution.batches import gradient_batches, num_loss_tokens
from diagnose.attribution.fisher import DampedFisher
from diagnose.attribution.fisher_sample import FisherSample, draw_sample
from diagnose.attribution.gradients import BatchGradients, ProjectedGradients, catch_gradients
from diagnose.attribution.influence import Influence
from diagnose.attribution.projection import random_projections
from diagnose.attribution.queries import Queries
from diagnose.attribution.query_gradients import query_gradients, unit
from diagnose.attribution.shards import Preparation, ScoredRows
from diagnose.tokens import TokenRows, TokenSource

_CHUNK_ROWS = 256
"""Rows of the sample that are scored at a time."""

Told = Callable[[int], None]
"""Is told how many rows were done since it was last told."""


class Scorer:
    """Valid within `prepared`."""

    def __init__(
        self,
        gradients: ProjectedGradients,
        queries: Queries,
        sample: FisherSample,
        num_train: int,
        settings: Influence,
    ) -> None:
        self._gradients = gradients
        self._settings = settings
        self._queries = query_gradients(gradients, queries, settings.batch_tokens)
        num_tokens = queries.rows.num_tokens + int(sample.calibration["attention_mask"].sum())
        self.preparation = Preparation(tuple(self._queries.left_out.tolist()), num_tokens)
        waiting = torch.zeros(len(sample.rows), gradients.dim, dtype=gradients.dtype, device=gradients.device)
        drawn = torch.zeros_like(waiting)
        self._sampled, self._sample = sample.places, self._blank(sample.rows, 0)
        order: list[int] = []
        for chosen, batch in gradient_batches(gradients, sample.rows, settings.batch_tokens, seeds=sample.seeds):
            self._note(self._sample, chosen, batch)
            places = slice(len(order), len(order) + len(chosen))
            assert batch.sampled is not None, "asked for with seeds"
            waiting[places], drawn[places] = batch.grads, batch.sampled
            order += chosen.tolist()
        self._fisher = DampedFisher(drawn[: len(order)], gradients.projections, settings.damping, settings.kronecker)
        self._whitened = self._fisher.whiten(self._queries.effect / num_train)
        for start in range(0, len(order), _CHUNK_ROWS):
            chunk = slice(start, min(start + _CHUNK_ROWS, len(order)))
            self._score(self._sample, order[chunk], waiting[chunk])

    def score(self, rows: TokenRows, start: int, told: Told = lambda _: None) -> ScoredRows:
        """Scores of the training rows `start` to `start + len(rows)`."""
        out = self._blank(rows, start)
        here = (self._sampled >= start) & (self._sampled < start + len(rows))
        of_sample, places = np.flatnonzero(here), self._sampled[here] - start
        for name in ("effect", "retrieval", "hidden", "is_left_out"):
            getattr(out, name)[places] = getattr(self._sample, name)[of_sample]
        out.losses[:, places] = self._sample.losses[:, of_sample]
        told(len(places))
        for chosen, batch in gradient_batches(self._gradients, rows, self._settings.batch_tokens, without=places):
            self._note(out, chosen, batch)
            self._score(out, chosen, batch.grads)
            told(len(chosen))
        return out

    def _blank(self, rows: TokenRows, start: int) -> ScoredRows:
        shape = (len(rows), len(self._queries.effect))
        num_loss = num_loss_tokens(rows)
        return ScoredRows(
            start=start,
            effect=np.zeros(shape, np.float32),
            retrieval=np.zeros(shape, np.float32),
            hidden=np.zeros(shape, np.float32),
            losses=np.zeros((1, len(rows)), np.float32),
            num_loss_tokens=num_loss,
            is_left_out=np.zeros(len(rows), bool),
            num_truncated=rows.num_truncated,
            num_tokens=int(rows.lengths[num_loss > 0].sum()),
        )

    def _note(self, out: ScoredRows, chosen: NDArray[np.int64], batch: BatchGradients) -> None:
        is_finite = batch.is_finite.cpu().numpy()
        out.losses[0, chosen] = np.where(is_finite, batch.losses.cpu().numpy(), 0)
        out.is_left_out[chosen] = ~is_finite
        out.hidden[chosen] = (unit(batch.hidden) @ self._queries.hidden.T).cpu().numpy()

    def _score(self, out: ScoredRows, chosen: Sequence[int] | NDArray[np.int64], grads: Tensor) -> None:
        effect = self._fisher.effect(grads, self._whitened, self._settings.shrinkage)
        out.effect[chosen] = effect.cpu().numpy()
        out.retrieval[chosen] = (unit(grads) @ self._queries.retrieval.T).cpu().numpy()


@contextmanager
def prepared(
    model: PreTrainedModel, queries: Queries, train: TokenSource, settings: Influence, seed: int
) -> Iterator[Scorer]:
    """A scorer of the model, whose weights are frozen from now on.

    Raises:
        ValueError: no sampled training row has a token with loss, or none has a finite gradient.
    """
    sample = draw_sample(train, settings.fisher_examples, seed)
    projections = random_projections(model, settings.projection_dim, sample.calibration, seed)
    with catch_gradients(model, projections) as gradients:
        yield Scorer(gradients, queries, sample, len(train), settings)
