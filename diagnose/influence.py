"""What each training example does to the loss of failed items: damped influence in a projected space.

effect     `g_query^T (F + damping * mean eigenvalue)^-1 g_train / num_train`, F the empirical Fisher matrix of one layer's
           projected gradients (`diagnose.projection`), summed over layers: influence functions (Koh and Liang 2017,
           arXiv 1703.04730) with the block-wise Fisher in place of the Hessian (TRAK, arXiv 2303.14186; LoGra,
           arXiv 2405.13954). Predicts what more or less of an example would do.
retrieval  cosine of the gradients. Finds examples of the same skill; says nothing on how much they would help.

The two answer different questions and neither stands in for the other: the preconditioned product ranks rare,
large gradients first, among them wrong labels, which cosine does not.

Over several checkpoints both are averaged with their learning rates as weights, as TracIn sums them (arXiv
2002.08484): near the end of training gradients are close to zero and slice totals cancel, so two checkpoints
predict retraining better than any one.

Costs one forward and backward pass without weight gradients over queries and training rows for each checkpoint.
Memory: `fisher_examples` projected gradients and one batch; nothing grows with rows times dimension.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, PreTrainedModel

from diagnose.projection import BatchGradients, LayerProjection, ProjectedGradients, catch_gradients
from diagnose.tokens import TokenRows, collate
from evals.model_ref import ModelRef

log = logging.getLogger(__name__)

_BATCH_FLOATS = 16_000_000
"""Most numbers in the gradients of a batch (64 MB): short rows of a large model would fill the memory."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    model: ModelRef
    learning_rate: float
    """At that step; its weight among the checkpoints."""


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
    fisher_examples: int = 1024
    """Training rows, drawn at random, that the Fisher matrices are estimated on."""
    batch_tokens: int = 8192
    """Most tokens in a batch, padding included; a longer row is a batch of its own."""

    def __post_init__(self) -> None:
        if self.damping <= 0:
            raise ValueError(
                f"diagnose.influence.damping must be positive, got {self.damping}; an undamped inverse "
                "Fisher amplifies its near-zero eigenvalues"
            )
        for key in ("projection_dim", "fisher_examples", "batch_tokens"):
            if getattr(self, key) < 1:
                raise ValueError(
                    f"diagnose.influence.{key} must be at least 1, got {getattr(self, key)}; leave it out for "
                    "the default"
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
        if not checkpoints or any(checkpoint.learning_rate <= 0 for checkpoint in checkpoints):
            rates = [checkpoint.learning_rate for checkpoint in checkpoints]
            raise ValueError(
                f"influence needs checkpoints with positive learning rates, got rates {rates}; the rates are their "
                "weights, so leave out those of 0, and with a single checkpoint any rate will do"
            )
        total = sum(checkpoint.learning_rate for checkpoint in checkpoints)
        parts = []
        for checkpoint in checkpoints:
            model = load_model(checkpoint.model)
            parts.append(self.score_model(model, queries, query_weights, train, seed))
            del model
        shares = [checkpoint.learning_rate / total for checkpoint in checkpoints]
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
        with catch_gradients(model, self.projection_dim, seed) as gradients:
            query = self._query_gradients(gradients, queries, query_weights)
            scorer = _Scorer(len(train), query_weights.shape[0])
            has_loss = np.flatnonzero(_num_loss_tokens(train) > 0)
            order = np.random.default_rng(seed).permutation(has_loss)
            sample, rest = order[: self.fisher_examples], order[self.fisher_examples :]
            # The sample waits for the Fisher matrix that it makes, and is then scored without a second pass.
            kept = torch.zeros(len(sample), gradients.dim, dtype=gradients.dtype, device=gradients.device)
            num_kept = 0
            for rows, batch in self._batches(gradients, train, sample, "Fisher"):
                scorer.note(rows, batch)
                kept[num_kept : num_kept + len(rows)] = batch.grads
                sample[num_kept : num_kept + len(rows)] = rows
                num_kept += len(rows)
            directions = torch.cat(
                [precondition(query.effect, kept, gradients.layers, self.damping) / len(train), query.retrieval], 0
            ).T.contiguous()  # [dim, 2 * num_queries]
            for chunk in range(0, len(sample), 256):
                scorer.add(sample[chunk : chunk + 256], kept[chunk : chunk + 256], directions)
            del kept
            for rows, batch in self._batches(gradients, train, rest, "train"):
                scorer.note(rows, batch)
                scorer.add(rows, batch.grads, directions)
        seconds = time.perf_counter() - start
        num_tokens = queries.num_tokens + int(train.lengths[has_loss].sum())
        log.info(
            "influence of %s rows on %s queries through %s layers: %.1f s, %.0f tokens/s, %s rows left out",
            len(train),
            len(query_weights),
            len(gradients.layers),
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

    def _query_gradients(
        self, gradients: ProjectedGradients, queries: TokenRows, weights: NDArray[np.float64]
    ) -> "_QueryGradients":
        assert weights.shape[1] == len(queries), "query_weights needs a column for each query row"
        per_row = torch.tensor(weights, dtype=gradients.dtype, device=gradients.device)
        effect = torch.zeros(len(weights), gradients.dim, dtype=gradients.dtype, device=gradients.device)
        retrieval = torch.zeros_like(effect)
        finite_share = torch.zeros(len(weights), 1, dtype=gradients.dtype, device=gradients.device)
        left_out: list[int] = []
        for rows, batch in self._batches(gradients, queries, np.arange(len(queries)), "queries"):
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
    """The causal language model on the accelerator if there is one; with an adapter only that is trainable."""
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


def precondition(
    query: Tensor, sample: Tensor, layers: Sequence[LayerProjection], damping: float
) -> Tensor:
    """Query gradients times the inverse of each layer's damped Fisher matrix, [num_queries, dim].

    Args:
        query: [num_queries, dim].
        sample: Gradients of training rows that stand for all of them, [num_sample, dim].
        damping: Fraction of the mean eigenvalue, > 0.
    """
    out = torch.zeros_like(query)
    for layer in layers:
        block = sample[:, layer.columns]
        fisher = block.T @ block / max(1, len(sample))
        mean_eigenvalue = float(fisher.diagonal().mean())
        if mean_eigenvalue == 0:  # no row has a gradient here, as below a fresh adapter's zero matrix
            continue
        fisher.diagonal().add_(damping * mean_eigenvalue)
        out[:, layer.columns] = torch.cholesky_solve(query[:, layer.columns].T, torch.linalg.cholesky(fisher)).T
    return out


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

    def add(self, rows: NDArray[np.int64], grads: Tensor, directions: Tensor) -> None:
        """`directions` [dim, 2 * num_queries]: preconditioned for the effect, then those for retrieval."""
        products = grads @ directions
        num_queries = self.effect.shape[1]
        self.effect[rows] = products[:, :num_queries].cpu().numpy()
        norms = grads.norm(dim=1, keepdim=True)
        cosine = torch.where(norms > 0, products[:, num_queries:] / norms, 0)
        self.retrieval[rows] = cosine.cpu().numpy()


def _unit(grads: Tensor) -> Tensor:
    norms = grads.norm(dim=1, keepdim=True)
    return torch.where(norms > 0, grads / norms, 0)


def _num_loss_tokens(rows: TokenRows) -> NDArray[np.int64]:
    """Tokens of each row that are predicted, [num_rows]; the first of a row never is."""
    has_loss = rows.has_loss.copy()
    has_loss[rows.offsets[:-1][rows.lengths > 0]] = False
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(has_loss, dtype=np.int64)])
    return np.diff(total[rows.offsets])
