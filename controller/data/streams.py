"""Read a part of a source that is too large to be read as a whole: a stream of its rows, of which some are kept."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import datasets
from datasets import Dataset, IterableDataset

Row = Mapping[str, Any]

_BUFFER = 10_000
"""Rows of a hub data set among which those that are taken are shuffled, beside the order of its files."""
_SEED = 0
"""The same rows are taken at every start."""


def sample_file(kind: str, path: str, most: int) -> Dataset:
    """Draw at most `most` rows of a file, each as likely as any other, in the file's order; costs a pass over it.

    Raises:
        datasets.exceptions.DatasetGenerationError, OSError, ValueError: the file cannot be read.
    """
    stream = datasets.load_dataset(kind, data_files=path, split="train", streaming=True)
    return _stored(draw(iter(stream), most, Random(_SEED)))


def sample_hub(name: str, config: str | None, split: str, most: int) -> Dataset:
    """Take at most `most` rows of a hub data set, whose files come in random order, and no more of it than is needed.

    Raises:
        OSError, ValueError, RuntimeError: there is no such data set, or it cannot be reached.
    """
    stream: IterableDataset = datasets.load_dataset(name, config, split=split, streaming=True)
    return _stored(list(stream.shuffle(seed=_SEED, buffer_size=_BUFFER).take(most)))


def draw(rows: Iterator[Row], most: int, rng: Random) -> list[Row]:
    """Draw at most `most` rows of a stream of unknown length, each as likely as any other, in its order (algorithm R,
    Vitter 1985, ACM Transactions on Mathematical Software 11, 37)."""
    kept: list[tuple[int, Row]] = []
    for place, row in enumerate(rows):
        if place < most:
            kept.append((place, row))
        elif (instead := rng.randrange(place + 1)) < most:
            kept[instead] = (place, row)
    return [row for _, row in sorted(kept, key=lambda one: one[0])]


def _stored(rows: list[Row]) -> Dataset:
    names = dict.fromkeys(name for row in rows for name in row)
    return Dataset.from_dict({name: [row.get(name) for row in rows] for name in names})
