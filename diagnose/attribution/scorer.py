"""One model with its queries and its Fisher matrix, ready to score any training rows.

Made from one pass over the queries and over a sample of the training rows. The sample waits for the Fisher matrix that
it makes and is then scored without a second pass, so that all of it costs one pass over queries and training rows, and
half of one more over the sample.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from diagnose.attribution.fisher import DampedFisher
from diagnose.attribution.gradients import BatchGradients, ProjectedGradients, catch_gradients
from diagnose.attribution.influence import Influence
from diagnose.attribution.projection import CALIBRATION_TOKENS, random_projections
from diagnose.attribution.queries import Queries
from diagnose.attribution.shards import Preparation, ScoredRows
from diagnose.tokens import TokenRows, TokenSource, collate

_BATCH_FLOATS = 16_000_000
"""Most numbers in the gradients of a batch (64 MB): short rows of a large model would fill the memory."""

_CHUNK_ROWS = 256
"""Rows of the sample that are scored at a time."""

Told = Callable[[int], None]
"""Is told how many rows were done since it was last told."""


@dataclass(frozen=True, slots=True)
class _QueryGradients:
    effect: Tensor
    """Gradient of each query, [num_queries, dim]."""
    retrieval: Tensor
    """Weighted mean of its gold answers' gradients, each of length 1, [num_queries, dim]."""
    hidden: Tensor
    """The same of their hidden states, [num_queries, width]."""
    left_out: NDArray[np.int64]


class Scorer:
    """Valid within `prepared`."""

    def __init__(
        self,
        gradients: ProjectedGradients,
        queries: Queries,
        sampled: NDArray[np.int64],
        rows: TokenRows,
        seeds: NDArray[np.int64],
        num_train: int,
        settings: Influence,
        num_tokens: int,
    ) -> None:
        self._gradients = gradients
        self._settings = settings
        self._queries = self._query_gradients(queries)
        self.preparation = Preparation(tuple(self._queries.left_out.tolist()), num_tokens + queries.rows.num_tokens)
        waiting = torch.zeros(len(rows), gradients.dim, dtype=gradients.dtype, device=gradients.device)
        drawn = torch.zeros_like(waiting)
        self._sampled, self._sample = sampled, self._blank(rows, 0)
        order: list[int] = []
        for chosen, batch in self._batches(rows, seeds=seeds):
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
        for chosen, batch in self._batches(rows, without=places):
            self._note(out, chosen, batch)
            self._score(out, chosen, batch.grads)
            told(len(chosen))
        return out

    def _query_gradients(self, queries: Queries) -> _QueryGradients:
        left_out: set[int] = set()
        while True:
            found = self._try_queries(queries, left_out)
            bad = set(found.left_out.tolist()) - left_out
            if not bad:
                return found
            left_out |= bad

    def _try_queries(self, queries: Queries, left_out: set[int]) -> _QueryGradients:
        """Without the items `left_out`; names those and the ones found not to be finite."""
        like = {"dtype": self._gradients.dtype, "device": self._gradients.device}
        is_in = ~np.isin(np.arange(queries.weights.shape[1]), list(left_out))
        weights = queries.weights * is_in
        total = weights.sum(1, keepdims=True)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total != 0)[:, queries.item]
        signed = torch.tensor(np.where(queries.is_gold, weights, -weights), **like)
        gold = torch.tensor(np.where(queries.is_gold, weights, 0.0), **like)
        effect = torch.zeros(len(queries), self._gradients.dim, **like)
        retrieval = torch.zeros_like(effect)
        hidden = torch.zeros(len(queries), self._gradients.hidden_size, **like)
        bad = set(left_out)
        for chosen, batch in self._batches(queries.rows, without=np.flatnonzero(~is_in[queries.item])):
            columns = torch.from_numpy(chosen).to(self._gradients.device)
            effect += signed[:, columns] @ batch.grads
            retrieval += gold[:, columns] @ _unit(batch.grads)
            hidden += gold[:, columns] @ _unit(batch.hidden)
            bad.update(queries.item[chosen[~batch.is_finite.cpu().numpy()]].tolist())
        return _QueryGradients(effect, retrieval, hidden, np.array(sorted(bad), dtype=np.int64))

    def _batches(
        self,
        rows: TokenRows,
        without: NDArray[np.int64] | None = None,
        seeds: NDArray[np.int64] | None = None,
    ) -> Iterator[tuple[NDArray[np.int64], BatchGradients]]:
        chosen = num_loss_tokens(rows) > 0
        if without is not None:
            chosen[without] = False
        most_rows = max(1, _BATCH_FLOATS // self._gradients.dim)
        for places in length_batches(rows.lengths, np.flatnonzero(chosen), self._settings.batch_tokens, most_rows):
            batch = collate(rows, places, pad_id=0)
            yield places, self._gradients.of_batch(batch, None if seeds is None else seeds[places].tolist())

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
        out.hidden[chosen] = (_unit(batch.hidden) @ self._queries.hidden.T).cpu().numpy()

    def _score(self, out: ScoredRows, chosen: Sequence[int] | NDArray[np.int64], grads: Tensor) -> None:
        effect = self._fisher.effect(grads, self._whitened, self._settings.shrinkage)
        out.effect[chosen] = effect.cpu().numpy()
        out.retrieval[chosen] = (_unit(grads) @ self._queries.retrieval.T).cpu().numpy()


@contextmanager
def prepared(
    model: PreTrainedModel, queries: Queries, train: TokenSource, settings: Influence, seed: int
) -> Iterator[Scorer]:
    """A scorer of the model, whose weights are frozen from now on.

    Raises:
        ValueError: no sampled training row has a token with loss, or none has a finite gradient.
    """
    rng = np.random.default_rng(seed)
    sampled = np.sort(rng.permutation(len(train))[: settings.fisher_examples])
    rows = train.select(sampled)
    calibration = collate(rows, _calibration_rows(rows, rng), pad_id=0)
    seeds = _seeds(rows, rng)
    projections = random_projections(model, settings.projection_dim, calibration, seed)
    with catch_gradients(model, projections) as gradients:
        num_tokens = int(calibration["attention_mask"].sum())
        yield Scorer(gradients, queries, sampled, rows, seeds, len(train), settings, num_tokens)


def length_batches(
    lengths: NDArray[np.int64], indices: NDArray[np.int64], batch_tokens: int, most_rows: int
) -> list[NDArray[np.int64]]:
    """The rows at `indices` sorted by length, cut so that rows times longest is at most `batch_tokens`.

    Longest first: a batch that does not fit in memory fails at once.
    """
    order = indices[np.argsort(-lengths[indices], kind="stable")]
    batches = []
    start = 0
    while start < len(order):
        num_rows = min(most_rows, max(1, batch_tokens // int(lengths[order[start]])))
        batches.append(order[start : start + num_rows])
        start += num_rows
    return batches


def num_loss_tokens(rows: TokenRows) -> NDArray[np.int64]:
    """Tokens of each row that are predicted, [num_rows]; the first of a row never is."""
    has_loss = rows.has_loss.copy()
    has_loss[rows.offsets[:-1][rows.lengths > 0]] = False
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(has_loss, dtype=np.int64)])
    return np.diff(total[rows.offsets])


def _calibration_rows(rows: TokenRows, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows with loss that fill a batch of `CALIBRATION_TOKENS`, padding included."""
    order = rng.permutation(np.flatnonzero(num_loss_tokens(rows) > 0))
    if len(order) == 0:
        raise ValueError(
            f"none of {len(rows)} training rows has a token with loss, so there is nothing to attribute to; "
            "check corpus.completion or corpus.text, and train.max_length"
        )
    longest = np.maximum.accumulate(rows.lengths[order[:CALIBRATION_TOKENS]])
    num_rows = int((longest * np.arange(1, len(longest) + 1) <= CALIBRATION_TOKENS).sum())
    return order[: max(1, num_rows)]


def _seeds(rows: TokenRows, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random number for each row, [num_rows]; the same for the same rows in any order."""
    texts = [rows.ids[start:stop].tobytes() for start, stop in pairwise(rows.offsets.tolist())]
    seeds = np.zeros(len(rows), np.int64)
    seeds[sorted(range(len(rows)), key=texts.__getitem__)] = rng.integers(2**62, size=len(rows))
    return seeds


def _unit(vectors: Tensor) -> Tensor:
    norms = vectors.norm(dim=1, keepdim=True)
    return torch.where(norms > 0, vectors / norms, 0)
