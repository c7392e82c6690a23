"""Training rows as slices read them, with what attribution says of them, a part at a time.

Texts of a corpus larger than memory are read in passes: one collects what candidates are made from, one sums the
effects of each candidate's rows (`diagnose.slice_effects`). Each pass costs what preparing the texts costs, a second
for 100,000 short rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.shards import ScoredRows
from diagnose.pool import TrainPool
from diagnose.slices import SliceTable, row_table

PART_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """Consecutive rows of the corpus or of the pool."""

    table: SliceTable
    in_pool: bool
    scored: NDArray[np.int64]
    """Which of its rows are scored, [num_scored], ascending places in the part."""
    order: NDArray[np.int64]
    """[num_scored]: their places among all scored rows."""
    effect: NDArray[np.float32]
    """[num_scored, num_queries]; positive means that more of the row helps."""
    retrieval: NDArray[np.float32]
    """[num_scored, num_queries], cosine."""


@dataclass(frozen=True, slots=True)
class ScoredParts:
    """Corpus and then pool; each pass over them reads anew."""

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
    """The rows with these metadata fields and `source`.

    Args:
        chosen: Rows that are scored, ascending, corpus first and then pool.
        scores: Gives the scores of `chosen`, in order, in any shards; left-out rows count as not scored.
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
                effect, retrieval, is_sound = buffer.take(high - low)
                yield ScoredPart(
                    table=row_table(source.select(range(start, stop)), fields),
                    in_pool=source is pool,
                    scored=chosen[low:high][is_sound] - first - start,
                    order=np.arange(low, high)[is_sound],
                    effect=effect[is_sound],
                    retrieval=retrieval[is_sound],
                )
            first += len(source)

    return ScoredParts(len(corpus), num_pool, len(chosen), read)


class _Buffer:
    """Takes so many scores at a time from shards of other sizes."""

    def __init__(self, shards: Iterator[ScoredRows]) -> None:
        self._shards = shards
        self._shard: ScoredRows | None = None
        self._used = 0

    def take(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Effect and retrieval, [number, num_queries], and whether they count."""
        taken: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]] = []
        while True:
            shard = self._shard
            if shard is not None:
                part = slice(self._used, self._used + number)
                taken.append((shard.effect[part], shard.retrieval[part], ~shard.is_left_out[part]))
                number -= len(taken[-1][0])
                self._used += len(taken[-1][0])
            if number == 0 and shard is not None:
                effect, retrieval, is_sound = zip(*taken, strict=True)
                return np.concatenate(effect), np.concatenate(retrieval), np.concatenate(is_sound)
            self._shard, self._used = next(self._shards), 0
