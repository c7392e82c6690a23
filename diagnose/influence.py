"""What each training example does to the loss of failed items: damped influence in a projected space.

effect     the damped inverse product of query and training gradient (`diagnose.fisher`); predicts what more
           or less of an example would do
retrieval  cosine of the gradients; finds examples of the same skill and says nothing on how much they help

The two answer different questions and neither stands in for the other: the effect ranks rare, large gradients
first, among them wrong labels, which cosine does not.

Over several checkpoints both are averaged, in the manner of TracIn (arXiv 2002.08484): near the end of
training gradients are close to zero and slice totals cancel, so two checkpoints predict retraining better
than any one. TracIn weights them by learning rate. Here that is a setting and not the default: at the end of
a schedule the rate is near zero, and with it the weight of the model that is being diagnosed (rank correlation
with retraining, middle and last checkpoint: .24 with equal weights, .22 by rate; five: .27 either way). Each
checkpoint has a projection of its own, so that their errors average out too.

Costs one forward and backward pass without weight gradients over queries and training rows for each
checkpoint. Memory: `fisher_examples` projected gradients and one batch; nothing grows with rows times
dimension.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, PreTrainedModel

from diagnose.fisher import DampedFisher
from diagnose.projection import CALIBRATION_TOKENS, BatchGradients, ProjectedGradients, catch_gradients
from diagnose.tokens import TokenRows, collate
from evals.model_ref import ModelRef

log = logging.getLogger(__name__)

_CHUNK_ROWS = 256
"""Rows of the sample that are scored at a time."""

_BATCH_FLOATS = 16_000_000
"""Most numbers in the gradients of a batch (64 MB): short rows of a large model would fill the memory."""


class CheckpointWeights(StrEnum):
    EQUAL = "equal"
    LEARNING_RATE = "learning_rate"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    model: ModelRef
    learning_rate: float
    """At that step; its weight among the checkpoints where `checkpoint_weights` is `learning_rate`."""


@dataclass(frozen=True, slots=True)
class InfluenceScores:
    effect: NDArray[np.float32]
    """[num_train, num_queries], nats of the query's loss per unit of example weight, where training is on
    the sum over rows with weight 1 each; positive means that more of the example lowers the loss."""
    retrieval: NDArray[np.float32]
    """[num_train, num_queries], mean cosine to the query's rows, in [-1, 1]."""
    losses: NDArray[np.float32]
    """[num_checkpoints, num_train], nats, summed over the tokens with loss; 0 for left-out rows."""
    left_out: NDArray[np.int64]
    """Training rows whose loss or gradient is not finite at some checkpoint: their scores are 0."""
    left_out_queries: NDArray[np.int64]
    """Query rows of that kind: the other rows of their query speak for it."""
    num_truncated: int
    """Query and training rows."""
    num_tokens: int
    """Tokens through a forward and backward pass, over all checkpoints."""


@dataclass
class Influence:
    """Settings of the attribution; every field is a key `diagnose.influence.<field>`."""

    projection_dim: int = 16
    """Each layer's gradient becomes the square of this many numbers; on a 148 k model 4, 8, 16 and 32 predict
    retraining with rank correlations .10, .15, .18 and .20."""
    damping: float = 0.3
    """Fraction of the mean eigenvalue of each layer's Fisher matrix; .1 to 1 is a broad optimum."""
    shrinkage: float = 0.1
    """How much less a row does for each unit of its leverage (`diagnose.fisher`); 0 for plain influence."""
    fisher_examples: int = 1024
    """Training rows, drawn at random, that the Fisher matrices are estimated on."""
    batch_tokens: int = 8192
    """Most tokens in a batch, padding included; a longer row is a batch of its own."""
    checkpoint_weights: CheckpointWeights = CheckpointWeights.EQUAL

    def __post_init__(self) -> None:
        if self.damping <= 0:
            raise ValueError(
                f"diagnose.influence.damping must be positive, got {self.damping}; an undamped inverse "
                "Fisher amplifies its near-zero eigenvalues"
            )
        if self.shrinkage < 0:
            raise ValueError(
                f"diagnose.influence.shrinkage must not be negative, got {self.shrinkage}; 0 is no shrinkage"
            )
        for key in ("projection_dim", "fisher_examples", "batch_tokens"):
            if getattr(self, key) < 1:
                raise ValueError(
                    f"diagnose.influence.{key} must be at least 1, got {getattr(self, key)}; leave it out "
                    "for the default"
                )

    def score(
        self,
        checkpoints: Sequence[Checkpoint],
        queries: TokenRows,
        query_weights: NDArray[np.float64],
        train: TokenRows,
        seed: int,
    ) -> InfluenceScores:
        """Effect and retrieval of each training row for each query, a weighted mean of query rows.

        Args:
            checkpoints: Earlier models of the same training; one is loaded at a time.
            queries: Rows with loss on what the model should have said.
            query_weights: [num_queries, len(queries)], rows sum to 1; the identity scores each row alone.
            train: Rows of corpus and pool alike.
            seed: Of the projection and the Fisher sample.
        """
        shares = self._shares(checkpoints)
        parts = []
        for number, checkpoint in enumerate(checkpoints):
            model = load_model(checkpoint.model)
            own_seed = int(np.random.default_rng([seed, number]).integers(2**31))
            parts.append(self.score_model(model, queries, query_weights, train, own_seed))
            del model
        left_out = np.unique(np.concatenate([part.left_out for part in parts]))
        effect = sum_weighted([part.effect for part in parts], shares)
        retrieval = sum_weighted([part.retrieval for part in parts], shares)
        losses = np.concatenate([part.losses for part in parts])
        for scores in (effect, retrieval, losses.T):
            scores[left_out] = 0
        return InfluenceScores(
            effect=effect,
            retrieval=retrieval,
            losses=losses,
            left_out=left_out,
            left_out_queries=np.unique(np.concatenate([part.left_out_queries for part in parts])),
            num_truncated=queries.num_truncated + train.num_truncated,
            num_tokens=sum(part.num_tokens for part in parts),
        )

    def score_model(
        self,
        model: PreTrainedModel,
        queries: TokenRows,
        query_weights: NDArray[np.float64],
        train: TokenRows,
        seed: int,
    ) -> InfluenceScores:
        """`score` of one model in memory. Its weights are frozen afterwards."""
        start = time.perf_counter()
        has_loss = np.flatnonzero(_num_loss_tokens(train) > 0)
        if len(has_loss) == 0:
            raise ValueError(
                f"none of the {len(train)} training rows has a token with loss, so there is nothing to "
                "attribute to; check corpus.completion or corpus.text, and train.max_length"
            )
        order = np.random.default_rng(seed).permutation(has_loss)
        calibration = collate(train, _calibration_rows(train, order), pad_id=0)
        scorer = _Scorer(len(train), len(query_weights))
        with catch_gradients(model, self.projection_dim, calibration, seed) as gradients:
            query = self._query_gradients(gradients, queries, query_weights)
            # The sample waits for the Fisher matrix that it makes, and is then scored without a second pass.
            sampled = min(self.fisher_examples, len(order))
            kept = torch.zeros(sampled, gradients.dim, dtype=gradients.dtype, device=gradients.device)
            kept_rows: list[int] = []
            for rows, batch in self._batches(gradients, train, order[:sampled], "Fisher"):
                scorer.note(rows, batch)
                kept[len(kept_rows) : len(kept_rows) + len(rows)] = batch.grads
                kept_rows += rows.tolist()
            fisher = DampedFisher(kept, gradients.projections, self.damping)
            whitened_queries = fisher.whiten(query.effect / len(train))
            for chunk in range(0, sampled, _CHUNK_ROWS):
                grads = kept[chunk : chunk + _CHUNK_ROWS]
                effect = fisher.effect(grads, whitened_queries, self.shrinkage, is_sample=True)
                scorer.add(kept_rows[chunk : chunk + _CHUNK_ROWS], effect, _unit(grads) @ query.retrieval.T)
            del kept
            for rows, batch in self._batches(gradients, train, order[sampled:], "train"):
                scorer.note(rows, batch)
                effect = fisher.effect(batch.grads, whitened_queries, self.shrinkage, is_sample=False)
                scorer.add(rows, effect, _unit(batch.grads) @ query.retrieval.T)
        seconds = time.perf_counter() - start
        num_tokens = queries.num_tokens + int(train.lengths[has_loss].sum() + calibration["attention_mask"].sum())
        log.info(
            "influence of %s rows on %s queries through %s layers: %.1f s, %.0f tokens/s, %s rows left out",
            len(train),
            len(query_weights),
            len(gradients.projections),
            seconds,
            num_tokens / seconds,
            len(scorer.left_out),
        )
        return InfluenceScores(
            effect=scorer.effect,
            retrieval=scorer.retrieval,
            losses=scorer.losses[None],
            left_out=np.array(sorted(scorer.left_out), dtype=np.int64),
            left_out_queries=query.left_out,
            num_truncated=queries.num_truncated + train.num_truncated,
            num_tokens=num_tokens,
        )

    def _shares(self, checkpoints: Sequence[Checkpoint]) -> list[float]:
        """Weight of each checkpoint, sum 1."""
        weights = [
            checkpoint.learning_rate if self.checkpoint_weights is CheckpointWeights.LEARNING_RATE else 1.0
            for checkpoint in checkpoints
        ]
        if not sum(weights) > 0:
            raise ValueError(
                f"influence needs a checkpoint of positive weight, got weights {weights}; give checkpoints, "
                "or set diagnose.influence.checkpoint_weights=equal"
            )
        return [weight / sum(weights) for weight in weights]

    def _query_gradients(
        self, gradients: ProjectedGradients, queries: TokenRows, weights: NDArray[np.float64]
    ) -> "_QueryGradients":
        assert weights.shape[1] == len(queries), "query_weights needs a column for each query row"
        per_row = torch.tensor(weights, dtype=gradients.dtype, device=gradients.device)
        effect = torch.zeros(len(weights), gradients.dim, dtype=gradients.dtype, device=gradients.device)
        retrieval = torch.zeros_like(effect)
        finite_share = torch.zeros(len(weights), 1, dtype=gradients.dtype, device=gradients.device)
        left_out: list[int] = []
        has_loss = np.flatnonzero(_num_loss_tokens(queries) > 0)
        for rows, batch in self._batches(gradients, queries, has_loss, "queries"):
            columns = per_row[:, torch.from_numpy(rows).to(gradients.device)]  # [num_queries, batch]
            effect += columns @ batch.grads
            retrieval += columns @ _unit(batch.grads)
            finite_share += columns @ batch.is_finite.to(columns)[:, None]
            left_out += rows[~batch.is_finite.cpu().numpy()].tolist()
        scale = torch.where(finite_share > 0, 1 / finite_share, 0)
        return _QueryGradients(effect * scale, retrieval * scale, np.array(sorted(left_out), dtype=np.int64))

    def _batches(
        self, gradients: ProjectedGradients, rows: TokenRows, indices: NDArray[np.int64], name: str
    ) -> Iterator[tuple[NDArray[np.int64], BatchGradients]]:
        most_rows = max(1, _BATCH_FLOATS // gradients.dim)
        batches = length_batches(rows.lengths, indices, self.batch_tokens, most_rows)
        for batch in tqdm(batches, desc=name, disable=None, leave=False):
            yield batch, gradients.of_batch(collate(rows, batch, pad_id=0))


def load_model(ref: ModelRef) -> PreTrainedModel:
    """The causal language model, on the accelerator if there is one; only an adapter is trainable."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(ref.path, revision=ref.revision, dtype=ref.dtype)
    if ref.adapter is not None:
        model = PeftModel.from_pretrained(model, ref.adapter, is_trainable=True)
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


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


def sum_weighted(parts: Sequence[NDArray[np.float32]], weights: Sequence[float]) -> NDArray[np.float32]:
    out = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        out += np.float32(weight) * part
    return out


@dataclass(frozen=True, slots=True)
class _QueryGradients:
    effect: Tensor
    """Weighted mean of the rows' gradients, [num_queries, dim]."""
    retrieval: Tensor
    """Weighted mean of the rows' gradients, each of length 1, [num_queries, dim]."""
    left_out: NDArray[np.int64]


class _Scorer:
    """The scores of one model, filled batch by batch."""

    def __init__(self, num_train: int, num_queries: int) -> None:
        self.effect = np.zeros((num_train, num_queries), dtype=np.float32)
        self.retrieval = np.zeros((num_train, num_queries), dtype=np.float32)
        self.losses = np.zeros(num_train, dtype=np.float32)
        self.left_out: list[int] = []

    def note(self, rows: NDArray[np.int64], batch: BatchGradients) -> None:
        self.losses[rows] = batch.losses.cpu().numpy()
        if not batch.is_finite.all():
            bad = rows[~batch.is_finite.cpu().numpy()]
            self.left_out += bad.tolist()
            self.losses[bad] = 0

    def add(self, rows: NDArray[np.int64] | list[int], effect: Tensor, retrieval: Tensor) -> None:
        self.effect[rows] = effect.cpu().numpy()
        self.retrieval[rows] = retrieval.cpu().numpy()


def _unit(grads: Tensor) -> Tensor:
    norms = grads.norm(dim=1, keepdim=True)
    return torch.where(norms > 0, grads / norms, 0)


def _num_loss_tokens(rows: TokenRows) -> NDArray[np.int64]:
    """Tokens of each row that are predicted, [num_rows]; the first of a row never is."""
    has_loss = rows.has_loss.copy()
    has_loss[rows.offsets[:-1][rows.lengths > 0]] = False
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(has_loss, dtype=np.int64)])
    return np.diff(total[rows.offsets])


def _calibration_rows(rows: TokenRows, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first rows of `order` that fill a batch of `CALIBRATION_TOKENS`, padding included."""
    longest = np.maximum.accumulate(rows.lengths[order[:CALIBRATION_TOKENS]])
    num_rows = int((longest * np.arange(1, len(longest) + 1) <= CALIBRATION_TOKENS).sum())
    return order[: max(1, num_rows)]
