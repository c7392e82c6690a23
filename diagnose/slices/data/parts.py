"""Read training rows in parts, as slices need them, with their attribution.

Texts of a corpus larger than memory are read in passes: one collects what candidates are made from, one sums the
effects of each candidate's rows (`diagnose.slices.data.effects`). Each pass costs what preparing the texts costs, a
second for 100,000 short rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.shards import ScoredRows
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import SliceTable, row_table

PART_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """Consecutive rows of the corpus or of the pool."""

    table: SliceTable
    in_pool: bool
    scored: NDArray[np.int64]
    """Places in the part of the rows that are scored, [num_scored], ascending."""
    order: NDArray[np.int64]
    """Place of each among all scored rows, [num_scored]."""
    effect: NDArray[np.float32]
    """Effect of each row on each query, [num_scored, num_queries]; positive means that more of the row helps."""
    retrieval: NDArray[np.float32]
    """Mean cosine of a row's gradient with those of a query's gold answers, [num_scored, num_queries]."""
    losses: NDArray[np.float32]
    """Loss of each row, [num_scored, num_checkpoints], nats per token with loss, oldest checkpoint first."""


@dataclass(frozen=True, slots=True)
class ScoredParts:
    """Parts of the corpus and then of the pool; each pass reads anew."""

    num_corpus: int
    num_pool: int
    num_scored: int
    read: Callable[[], Iterable[ScoredPart]]

    def __iter__(self) -> Iterator[ScoredPart]:
        return iter(self.read())


def scored_parts(
    corpus: TrainPool,
    pool: TrainPool | None,
    fields: Sequence[str],
    chosen: NDArray[np.int64],
    scores: Callable[[], Iterator[ScoredRows]],
) -> ScoredParts:
    """Read the rows with these metadata fields and `source`.

    Args:
        chosen: Rows that are scored, ascending, corpus first and then pool.
        scores: Yields the scores of `chosen`, in order, in any shards; rows left out count as not scored.
    """
    num_pool = 0 if pool is None else len(pool)

    def read() -> Iterator[ScoredPart]:
        buffer = _Buffer(scores())
        first = 0
        for source in (corpus, pool):
            if source is None:
                continue
            for start in range(0, len(source), PART_ROWS):
                stop = min(start + PART_ROWS, len(source))
                low, high = np.searchsorted(chosen, [first + start, first + stop]).tolist()
                shards = buffer.take(high - low)
                is_sound = ~np.concatenate([shard.is_left_out for shard in shards])
                yield ScoredPart(
                    table=row_table(source.select(range(start, stop)), fields),
                    in_pool=source is pool,
                    scored=chosen[low:high][is_sound] - first - start,
                    order=np.arange(low, high)[is_sound],
                    effect=np.concatenate([shard.effect for shard in shards])[is_sound],
                    retrieval=np.concatenate([shard.retrieval for shard in shards])[is_sound],
                    losses=np.concatenate([shard.losses_per_token for shard in shards])[is_sound],
                )
            first += len(source)

    return ScoredParts(len(corpus), num_pool, len(chosen), read)


class _Buffer:
    """Takes any number of scores from shards of other sizes."""

    def __init__(self, shards: Iterator[ScoredRows]) -> None:
        self._shards = shards
        self._shard: ScoredRows | None = None
        self._used = 0

    def take(self, number: int) -> list[ScoredRows]:
        """Take the next `number` rows, in one or more pieces."""
        taken: list[ScoredRows] = []
        while True:
            if self._shard is not None:
                piece = self._shard.part(slice(self._used, self._used + number))
                taken.append(piece)
                number -= len(piece)
                self._used += len(piece)
                if number == 0:
                    return taken
            self._shard, self._used = next(self._shards), 0
