"""Score all training rows at all checkpoints, shard by shard.

Costs one forward and backward pass without weight gradients over queries and training rows for each checkpoint.
Memory: `fisher_examples` projected gradients, one shard of tokens and one batch; nothing grows with the number of rows
but files. A killed pass continues: preparation is repeated, and at most one shard.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.influence import Influence
from diagnose.attribution.scorer import prepared
from diagnose.attribution.shards import Preparation, ScoredRows, ScoreShards, gathered, mean_of
from diagnose.model.checkpoint import Checkpoint, Load, load_model
from diagnose.model.queries import Queries
from diagnose.rows.tokens import TokenSource

log = logging.getLogger(__name__)

ReportProgress = Callable[[int, int], None]
"""Called with the number of rows that are done and the total, over all checkpoints."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Scores of all training rows, in shards."""

    shards: ScoreShards
    num_shards: int
    num_rows: int
    shares: Sequence[float]
    """Weight of each checkpoint, sum 1."""

    @property
    def left_out_queries(self) -> NDArray[np.int64]:
        """Items whose loss or gradient is not finite at some checkpoint; the others of their query replace them."""
        return np.unique(np.concatenate([one.left_out_queries for one in self._preparations]))

    @property
    def num_tokens(self) -> int:
        """Tokens through a forward and backward pass, over all checkpoints."""
        return sum(one.num_tokens for one in self._preparations) + sum(part.num_tokens for part in self.parts())

    @property
    def _preparations(self) -> list[Preparation]:
        return [self.shards.get(Preparation, checkpoint) for checkpoint in range(len(self.shares))]

    def parts(self) -> Iterator[ScoredRows]:
        """Yield the shards in order, averaged over all checkpoints."""
        for shard in range(self.num_shards):
            yield mean_of([self.shards.get(ScoredRows, k, shard) for k in range(len(self.shares))], self.shares)

    def extreme_rows(self, share: float) -> NDArray[np.int64]:
        """Rows of highest and of lowest effect on each query, this share of all at either end; ascending."""
        best = [_Extremes(share, self.num_rows) for _ in range(2)]
        for part in self.parts():
            for kept, effect in zip(best, (part.effect, -part.effect), strict=True):
                kept.add(part.rows, effect)
        return np.unique(np.concatenate([kept.rows.ravel() for kept in best]))

    def whole(self) -> ScoredRows:
        """Join all rows in memory."""
        return gathered(list(self.parts()))


class _Extremes:
    """The rows of highest effect on each query so far."""

    def __init__(self, share: float, num_rows: int) -> None:
        self._most = max(1, round(share * num_rows))
        self.rows = np.zeros((0, 0), np.int64)
        self._effect = np.zeros((0, 0), np.float32)

    def add(self, rows: NDArray[np.int64], effect: NDArray[np.float32]) -> None:
        """Add rows, [num_rows], with effects, [num_rows, num_queries]."""
        of_query = np.repeat(rows[:, None], effect.shape[1], axis=1)
        if self.rows.size:
            of_query, effect = np.concatenate([self.rows, of_query]), np.concatenate([self._effect, effect])
        best = np.argsort(-effect, axis=0, kind="stable")[: self._most]
        self.rows, self._effect = np.take_along_axis(of_query, best, 0), np.take_along_axis(effect, best, 0)


def attribute(
    influence: Influence,
    checkpoints: Sequence[Checkpoint],
    queries: Queries,
    train: TokenSource,
    seed: int,
    *,
    folder: Path | None = None,
    report_progress: ReportProgress = lambda _done, _total: None,
    load: Load = load_model,
) -> Attribution:
    """Compute effect and retrieval of each training row for each query.

    Args:
        checkpoints: Models of the same training; one is loaded at a time.
        train: Rows of corpus and pool.
        seed: Seeds the projection and the Fisher sample.
        folder: Keeps the scores of this call as they come; without it they stay in memory.
        report_progress: Called after each batch.
        load: Gives the model of a checkpoint, as it was loaded.

    Raises:
        ValueError: no checkpoint has a weight, or no training row has anything to attribute to.
    """
    shares = influence.shares([checkpoint.learning_rate for checkpoint in checkpoints])
    shards = ScoreShards(folder)
    starts = range(0, len(train), influence.shard_rows)
    ranges = [range(start, min(start + influence.shard_rows, len(train))) for start in starts]
    seeds = np.random.default_rng(seed).integers(2**31, size=len(checkpoints)).tolist()
    missing = [
        [shard for shard in range(len(ranges)) if not shards.has(number, shard)] for number in range(len(checkpoints))
    ]
    total = len(checkpoints) * len(train)
    done = total - sum(len(ranges[shard]) for of_checkpoint in missing for shard in of_checkpoint)

    def add_done(num_rows: int) -> None:
        nonlocal done
        done += num_rows
        report_progress(done, total)

    for number, checkpoint in enumerate(checkpoints):
        if not missing[number] and shards.has(number):
            continue
        start = time.perf_counter()
        with prepared(load(checkpoint.model), queries, train, influence, seeds[number]) as scorer:
            shards.put(scorer.preparation, number)
            for shard in missing[number]:
                rows = train.select(np.array(ranges[shard]))
                shards.put(scorer.score(rows, ranges[shard].start, add_done), number, shard)
        log.info(
            "influence of %d rows on %d queries at checkpoint %d of %d: %.1f s",
            sum(len(ranges[shard]) for shard in missing[number]),
            len(queries),
            number + 1,
            len(checkpoints),
            time.perf_counter() - start,
        )
    return Attribution(shards, len(ranges), len(train), shares)
