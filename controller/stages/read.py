"""Stage that reads rows of a corpus or a pool."""

from dataclasses import dataclass
from pathlib import Path

from controller.data.mixes import save_pool
from controller.data.sources import Reading, read_pool


@dataclass(frozen=True, slots=True)
class PoolSize:
    num_rows: int


def read_data(folder: Path, reading: Reading) -> PoolSize:
    """Read rows of `corpus.train` or `corpus.pool` and store them, to be memory-mapped from then on."""
    pool = read_pool(reading)
    save_pool(pool, folder)
    return PoolSize(len(pool))
