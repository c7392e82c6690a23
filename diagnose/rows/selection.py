"""Select rows of corpus and pool, by number or evenly spaced, and read their texts."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool


def select_rows(corpus: TrainPool, pool: TrainPool | None, numbers: NDArray[np.int64]) -> list[TrainPool]:
    """Select rows by ascending numbers, which count through the corpus and then the pool.

    Returns:
        The rows of the corpus and, where there is a pool, those of the pool.
    """
    in_pool = numbers >= len(corpus)
    selected = [corpus.select(numbers[~in_pool])]
    return selected if pool is None else [*selected, pool.select(numbers[in_pool] - len(corpus))]


def evenly_spaced(number: int, most: int) -> NDArray[np.int64]:
    """Places among `number` rows, ascending: all of them, or `most` at equal distances, the first and last included."""
    return np.linspace(0, number - 1, min(number, most)).astype(np.int64)


def text_pairs(rows: TrainPool) -> Iterator[tuple[str, str]]:
    """Yield prompt and completion of each row."""
    return zip(rows.rows["prompt"][:], rows.rows["completion"][:], strict=True)
