"""Read a part of a source that is too large to be read as a whole: a stream of its rows, of which some are kept."""

import zlib
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import datasets
import pyarrow as pa
from datasets import Dataset, Features, IterableDataset

Row = Mapping[str, Any]

_BUFFER = 10_000
"""Rows of a hub data set among which those that are taken are shuffled, beside the order of its files."""


def sample_file(kind: str, path: str, most: int, seed: str) -> Dataset:
    """Draw at most `most` rows of a file, each as likely as any other, in the file's order; costs a pass over it.

    Args:
        kind: Builder of `datasets` that reads the file: json or parquet.
        path: The file.
        most: Most rows.
        seed: What the draw depends on; the same rows are drawn again.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    stream = datasets.load_dataset(kind, data_files=path, split="train", streaming=True)
    return _stored(draw(iter(stream), most, Random(seed)), stream.features)


def sample_hub(name: str, config: str | None, split: str, most: int, seed: str) -> Dataset:
    """Take at most `most` rows of a hub data set, whose files come in random order, and no more of it than is needed.

    Raises:
        OSError, ValueError, RuntimeError: there is no such data set, or it cannot be reached.
    """
    stream: IterableDataset = datasets.load_dataset(name, config, split=split, streaming=True)
    shuffled = stream.shuffle(seed=zlib.crc32(seed.encode()), buffer_size=_BUFFER)
    return _stored(list(shuffled.take(most)), stream.features)


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


def _stored(rows: list[Row], features: Features | None) -> Dataset:
    """Rows as a table, with the types of the whole source where it says them: a part may have nulls alone."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    try:
        return Dataset.from_dict(columns, features=features)
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(f"its rows have values of several types: {error}") from error
