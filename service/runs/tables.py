"""Pages of the tables that a run leaves, `items-<split>.parquet` and `mix-<round>.parquet`.

What matches is found in the columns that are asked about alone, and remembered for the next page of the same search; of
other columns only the rows of the page are kept. Tables are read batch by batch, so that a large one needs no more
memory than a small one, but for eight bytes a row that matches. pyarrow, which brings numpy, is imported when the first
table is read, as the server's first answer should not wait for it.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

BATCH_ROWS = 4096
REMEMBERED = 16
"""Searches whose matches are remembered."""
_LOCKS = tuple(Lock() for _ in range(64))
"""Of many who search for the same at once one searches, and the others wait for it."""


@dataclass(frozen=True, slots=True)
class Search:
    """Rows that are asked for."""

    equal: tuple[tuple[str, str | int | bool], ...]
    """Columns and the values that they have."""
    text: str
    """Text that one of the searched columns contains, in letters of either case; empty for any."""
    searched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a table."""

    rows: list[dict[str, Any]]
    num_rows: int
    """Number of all rows that match."""


class Unreadable(ValueError):  # noqa: N818
    """The file is no table of a run, or one that is only half there."""


def page(path: Path, search: Search, offset: int, limit: int) -> Found:
    """Read a page of the rows that match.

    Raises:
        Unreadable: the file is no table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stamp = path.stat()
        key = (path, (stamp.st_ino, stamp.st_mtime_ns, stamp.st_size), search)
        with _LOCKS[hash(key) % len(_LOCKS)]:
            matches = _matches(*key)
        wanted = matches[offset : offset + limit]
        with pq.ParquetFile(path) as file:
            return Found(list(_rows(file, wanted)), len(matches))
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"{path.name} cannot be read; it may be written just now") from error


@lru_cache(REMEMBERED)
def _matches(path: Path, stamp: tuple[int, int, int], search: Search) -> Sequence[int]:
    """Places of the rows that match, in order; a file that is written again has another stamp."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if not search.equal and not search.text:
            return range(file.metadata.num_rows)
        names = [name for name, _ in search.equal] + (list(search.searched) if search.text else [])
        known = [name for name in dict.fromkeys(names) if name in file.schema_arrow.names]
        found, start = array("q"), 0
        for batch in file.iter_batches(BATCH_ROWS, columns=known):
            found.extend(start + place for place in _places(batch, search))
            start += len(batch)
    return found


def _places(batch: Any, search: Search) -> list[int]:
    """Places in the batch of the rows that match."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kept, none = pa.array([True] * len(batch)), pa.array([False] * len(batch))
    for name, value in search.equal:
        column = batch.column(name) if name in batch.schema.names else pa.nulls(len(batch))
        is_empty = pa.types.is_null(column.type)
        kept = pc.and_(kept, none if is_empty else pc.fill_null(pc.equal(column, value), False))
    if search.text:
        has_any = none
        for name in search.searched:
            column = batch.column(name) if name in batch.schema.names else pa.nulls(len(batch))
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                has = pc.match_substring(column, search.text, ignore_case=True)
                has_any = pc.or_(has_any, pc.fill_null(has, False))
        kept = pc.and_(kept, has_any)
    places: list[int] = pc.indices_nonzero(kept).to_pylist()
    return places


def _rows(file: Any, wanted: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Rows at these places, which ascend; groups of rows that have none of them are not read."""
    left, start = list(wanted)[::-1], 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if left and left[-1] < start + size:
            first = start
            for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
                places = []
                while left and left[-1] < first + len(batch):
                    places.append(left.pop() - first)
                yield from batch.take(places).to_pylist() if places else []
                first += len(batch)
                if not left or left[-1] >= start + size:
                    break
        start += size
