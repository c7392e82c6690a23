"""Pages of tables are those that a loop over all rows would find."""

import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.runs.tables import Search, Unreadable, page

NUM_ROWS = 10_000
TEXTS = ("Alpha", "beta", "GAMMA delta", None, "", "Ünï", "a.b", "100%")


def write_table(path: Path, seed: int) -> list[dict[str, object]]:
    """Rows with empty cells, in groups that batches do not fit."""
    chance = random.Random(seed)
    rows: list[dict[str, object]] = [
        {
            "place": place,
            "round": chance.randrange(3),
            "flag": chance.choice([True, False, None]),
            "one": chance.choice(TEXTS),
            "two": chance.choice(TEXTS),
            "empty": None,
        }
        for place in range(NUM_ROWS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3333)
    return rows


@pytest.mark.parametrize(
    "search",
    [
        Search((), "", ("one",)),
        Search((("round", 1),), "", ()),
        Search((("round", 7),), "", ()),
        Search((("flag", True), ("round", 2)), "", ()),
        Search((("flag", False),), "ALPHA", ("one", "two")),
        Search((), "a.b", ("one", "two")),  # a text, and no pattern
        Search((), "%", ("two",)),
        Search((), "ÜNÏ", ("one", "empty", "place", "none")),
        Search((("one", "beta"),), "gamma", ("two",)),
        Search((("empty", True),), "", ()),
        Search((("none", "x"),), "", ()),
        Search((), "x", ("none",)),
    ],
)
def test_a_page_is_what_a_loop_over_all_rows_finds(tmp_path: Path, search: Search) -> None:
    rows = write_table(tmp_path / "t.parquet", 0)
    wanted = [
        row
        for row in rows
        if all(name in row and row[name] is not None and row[name] == value for name, value in search.equal)
        and (
            not search.text
            or any(search.text.casefold() in str(row.get(name) or "").casefold() for name in search.searched[:2])
        )
    ]
    for offset, limit in [(0, 1), (0, 100), (3300, 100), (6600, 70), (9990, 100), (20_000, 5)]:
        found = page(tmp_path / "t.parquet", search, offset, limit)
        assert found.num_rows == len(wanted)
        assert found.rows == wanted[offset : offset + limit]


def test_a_table_that_is_written_again_is_searched_again(tmp_path: Path) -> None:
    path, search = tmp_path / "t.parquet", Search((("n", 1),), "", ())
    for count in (3, 5):
        pq.write_table(pa.table({"n": [1] * count + [2] * (10 - count)}), tmp_path / "new")
        os.replace(tmp_path / "new", path)
        assert page(path, search, 0, 100).num_rows == count
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(Unreadable, match=r"t\.parquet cannot be read"):
        page(path, search, 0, 100)
    path.unlink()
    with pytest.raises(Unreadable):
        page(path, search, 0, 100)
