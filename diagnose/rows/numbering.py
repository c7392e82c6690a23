"""Number rows through the corpus and then the pool, so that one array of numbers names rows of both."""

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool


def select_rows(corpus: TrainPool, pool: TrainPool | None, numbers: NDArray[np.int64]) -> list[TrainPool]:
    """Select the rows with these numbers, ascending: those of the corpus and, where there is one, those of the pool."""
    in_pool = numbers >= len(corpus)
    selected = [corpus.select(numbers[~in_pool])]
    return selected if pool is None else [*selected, pool.select(numbers[in_pool] - len(corpus))]
