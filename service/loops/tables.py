"""Pages of the tables that a run leaves, `items-<split>.parquet` and `mix-<round>.parquet`.

A table is read batch by batch, so that a page of a large one needs no more memory than that of a small one; counting
what matches reads it to the end. pyarrow, which brings numpy, is imported when the first table is read, as the server's
first answer should not wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows that are asked for."""

    equal: Mapping[str, str | int | bool]
    """Value that a column has, by column."""
    text: str
    """Text that one of the searched columns contains, in letters of either case; empty for any."""
    searched: Sequence[str]
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a table."""

    rows: list[dict[str, Any]]
    num_rows: int
    """Number of all rows that match."""


class Unreadable(ValueError):  # noqa: N818
    """The file is no table of a run, or one that is only half there."""


def page(path: Path, wanted: Wanted) -> Found:
    """Read a page.

    Raises:
        Unreadable: the file is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    num_rows = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                matching = _matching(batch, wanted)
                first = max(0, wanted.offset - num_rows)
                rows += matching.slice(first, wanted.limit - len(rows)).to_pylist() if first < len(matching) else []
                num_rows += len(matching)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"{path.name} cannot be read; it may be written just now") from error
    return Found(rows, num_rows)


def _matching(batch: Any, wanted: Wanted) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kept, none = pa.array([True] * len(batch)), pa.array([False] * len(batch))
    for name, value in wanted.equal.items():
        column = batch.column(name) if name in batch.schema.names else pa.nulls(len(batch))
        is_empty = pa.types.is_null(column.type)
        has = none if is_empty else pc.fill_null(pc.equal(column, value), False)
        kept = pc.and_(kept, has)
    if wanted.text:
        texts = [batch.column(name) for name in wanted.searched if name in batch.schema.names]
        any_has = none
        for column in texts:
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                has = pc.match_substring(column, wanted.text, ignore_case=True)
                any_has = pc.or_(any_has, pc.fill_null(has, False))
        kept = pc.and_(kept, any_has)
    return batch.filter(kept)
