"""A part of a source that is too large: which rows are taken, and that no more is kept."""

from collections import Counter
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.corpora import read_train, write_lines

from controller.data.corpus import Corpus
from controller.data.sources import read_pool, reading
from controller.data.streams import draw, sample_hub

ROWS = [{"prompt": f"say {k}", "completion": str(k), "kind": "odd" if k % 2 else "even"} for k in range(200)]


def test_every_row_of_a_stream_is_as_likely_as_any_other_to_be_drawn() -> None:
    counts = Counter(
        row["k"] for seed in range(4000) for row in draw(iter([{"k": k} for k in range(20)]), 5, Random(seed))
    )
    expected, deviation = 4000 * 5 / 20, (4000 * 5 / 20 * (1 - 5 / 20)) ** 0.5
    assert sum(counts.values()) == 4000 * 5
    assert all(abs(counts[k] - expected) < 4 * deviation for k in range(20))


def test_rows_that_are_drawn_keep_their_order_and_a_short_stream_is_taken_whole() -> None:
    drawn = [row["k"] for row in draw(iter([{"k": k} for k in range(1000)]), 50, Random(0))]
    assert drawn == sorted(set(drawn))
    assert [row["k"] for row in draw(iter([{"k": k} for k in range(3)]), 50, Random(0))] == [0, 1, 2]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_corpus_of_a_part_of_a_file_holds_rows_of_it_with_their_fields_and_the_same_ones_again(
    tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"rows.{ending}"
    if ending == "jsonl":
        write_lines(file, ROWS)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    whole, part, again = (read_train(Corpus(train=str(file), max_rows=most)) for most in (None, 40, 40))
    assert len(part) == 40
    assert part.rows["id"][:] == again.rows["id"][:]
    ids = dict(zip(whole.rows["id"][:], whole.rows["kind"][:], strict=True))
    assert [ids[row_id] for row_id in part.rows["id"][:]] == part.rows["kind"][:]
    assert len({int(prompt.split()[1]) // 50 for prompt in part.rows["prompt"][:]}) == 4  # of each quarter of the file


def test_each_source_may_have_a_bound_of_its_own_and_each_file_of_a_folder_has_it(tmp_path: Path) -> None:
    for shard in range(3):
        write_lines(tmp_path / "web" / f"{shard}.jsonl", ROWS[shard::3])
    books = write_lines(tmp_path / "books.jsonl", ROWS)
    pool = read_train(Corpus(train={"web": {"path": str(tmp_path / "web"), "max_rows": 10}, "books": books}))
    assert Counter(pool.rows["source"][:]) == {"web": 30, "books": 200}


def test_of_a_hub_data_set_no_more_rows_are_taken_than_were_asked_for(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", ROWS)
    rows = sample_hub(str(tmp_path), None, "train", 25, seed="")
    assert len(rows) == 25
    assert len(set(rows["completion"])) == 25


def test_shards_of_one_length_and_corpus_and_pool_of_one_file_give_rows_of_different_places(tmp_path: Path) -> None:
    for shard in range(3):
        write_lines(tmp_path / "web" / f"{shard}.jsonl", ROWS)
    places = read_train(Corpus(train={"web": {"path": str(tmp_path / "web"), "max_rows": 20}})).rows["prompt"][:]
    assert len({tuple(places[k : k + 20]) for k in (0, 20, 40)}) == 3
    one = str(tmp_path / "web" / "0.jsonl")
    sides = [read_pool(reading(Corpus(train=one, pool=one, max_rows=20), side)) for side in ("train", "pool")]
    assert sides[0].rows["id"][:] != sides[1].rows["id"][:]


def test_a_part_of_a_parquet_file_keeps_the_types_of_the_whole(tmp_path: Path) -> None:
    rows = [{**row, "year": 2000 if k == 0 else None, "tags": ["a"] if k == 0 else []} for k, row in enumerate(ROWS)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    whole, part = (read_train(Corpus(train=str(tmp_path / "rows.parquet"), max_rows=most)) for most in (None, 5))
    assert part.rows.features["year"] == whole.rows.features["year"]
    assert part.rows.features["tags"] == whole.rows.features["tags"]


@pytest.mark.parametrize("most", [0, -1, "many", True])
def test_a_bound_that_is_no_number_of_rows_is_refused(tmp_path: Path, most: object) -> None:
    path = write_lines(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(ValueError, match=f"corpus.max_rows must be a number of rows, at least 1, got {most!r}"):
        Corpus(train={"web": {"path": path, "max_rows": most}})


def test_a_broken_line_of_a_part_of_a_file_is_named_like_one_of_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        read_train(Corpus(train=str(file), max_rows=5))
