"""Reading corpora: every form of the same rows is the same pool."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from controller.data.corpus import Corpus
from controller.data.named_corpora import ScanJumpCorpus, StarterCorpus
from controller.data.sources import check_sources, read_pool, reading
from diagnose.rows.pool import Rendering, TrainPool

ROWS = [{"prompt": f"say {i % 4}", "completion": f"{i % 4}", "kind": "even" if i % 2 == 0 else "odd"} for i in range(9)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def written(folder: Path) -> list[Path]:
    folder.mkdir()
    (folder / "rows.jsonl").write_text(LINES)
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet")
    parts = folder / "parts"
    parts.mkdir()
    half = LINES.splitlines(keepends=True)
    (parts / "a.jsonl").write_text("".join(half[:5]))
    (parts / "b.jsonl").write_text("".join(half[5:]))
    return [folder / "rows.jsonl", folder / "rows.jsonl.gz", folder / "rows.parquet", parts]


def read(path: Path, corpus: Corpus | None = None) -> TrainPool:
    return read_pool(reading(replace(corpus or Corpus(), train=str(path)), "train"))


def test_every_form_of_the_same_rows_gives_the_same_examples_and_ids(tmp_path: Path) -> None:
    pools = [read(path) for path in written(tmp_path / "forms")]
    expected, *others = [pool.rows.remove_columns("source").to_list() for pool in pools]
    assert [row["prompt"] for row in expected] == [row["prompt"] for row in ROWS]
    assert others == [expected] * 3


def test_copies_of_a_row_are_numbered_so_that_ids_differ(tmp_path: Path) -> None:
    ids = read(written(tmp_path / "forms")[0]).rows["id"][:]
    assert len(set(ids)) == len(ROWS)
    assert [identity.rsplit("-")[-1] for identity in ids] == ["0", "0", "0", "0", "1", "1", "1", "1", "2"]


def test_an_id_field_of_ones_own_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"key": 7, "prompt": "a", "completion": "b"}\n{"key": 9, "prompt": "a", "completion": "b"}\n')
    assert read(path, Corpus(id="key")).rows["id"][:] == ["7", "9"]


def test_plain_text_has_no_prompt_and_no_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    path.write_text('{"text": "all of it"}\n')
    pool = read(path, Corpus(text="text"))
    assert (pool[0].prompt, pool[0].completion, pool.rendering.delimiter) == ("", "all of it", "")


def test_the_template_shapes_the_prompt_only(tmp_path: Path) -> None:
    pool = read(written(tmp_path / "forms")[0], Corpus(prompt_template="Q: {prompt} A:"))
    assert (pool[0].prompt, pool[0].completion) == ("Q: say 0 A:", "0")


TALKS = [
    [{"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": "Four"}],
    [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Bye"},
    ],
]


def talks(folder: Path, rows: Sequence[object]) -> Path:
    path = folder / "talks.jsonl"
    path.write_text("".join(json.dumps({"messages": turns, "topic": "x"}) + "\n" for turns in rows))
    return path


def test_conversations_are_read_as_the_text_of_their_turns_with_the_last_as_the_answer(tmp_path: Path) -> None:
    pool = read(talks(tmp_path, TALKS), Corpus(messages="messages"))
    assert [(e.prompt, e.completion) for e in pool] == [
        ("Two and two?", "Four"),
        ("Be short.\nHello\nYes?\nBye", "Bye"),
    ]
    assert [json.loads(turns) for turns in pool.rows["messages"]] == TALKS
    assert pool.rendering == Rendering("", is_chat=True)
    assert pool.metadata_fields == ("topic",)


@pytest.mark.parametrize(
    ("settings", "rows", "message"),
    [
        ({}, TALKS, r"row 1 has no field 'prompt' .* set corpus.messages=messages to read conversations"),
        ({"prompt": "messages", "completion": "topic"}, TALKS, r"is a list and not text; for .* set corpus.messages="),
        ({"text": "messages"}, TALKS, r"field 'messages' \(corpus.text\) is a list and not text"),
        ({"messages": "topic"}, TALKS, r"row 1: 'topic' is no list of turns but 'x'"),
        ({"messages": "messages"}, [*TALKS, TALKS[0][:1]], r"row 3: 'messages' ends with a turn of the user"),
        ({"messages": "messages"}, [TALKS[0], TALKS[0][1:]], r"row 2: 'messages' has roles out of order: it begins"),
    ],
)
def test_what_cannot_be_read_as_a_conversation_is_told_with_its_row(
    settings: dict[str, str], rows: Sequence[object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        read(talks(tmp_path, rows), Corpus(**settings))


def test_text_without_turns_has_no_chat_template() -> None:
    with pytest.raises(ValueError, match=r"corpus.text=text has no turns .* or unset corpus.apply_chat_template"):
        Corpus(text="text", apply_chat_template=True)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hub:name", "must read hub:name:split or hub:name:config:split"),
        ("missing.jsonl", "does not exist"),
        ("rows.csv", "has an unknown ending; known are .jsonl"),
        ("nothing", "is a folder without any"),
    ],
)
def test_a_source_that_cannot_be_read_is_told_at_once(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a,b\n")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match=message):
        check_sources(Corpus(pool=source), "pool")


def test_the_starter_is_written_as_files_like_ones_own(tmp_path: Path) -> None:
    corpus = StarterCorpus().materialise(tmp_path)
    assert corpus.train is not None
    assert corpus.pool is not None
    assert len(read(Path(corpus.train))) == 9504
    assert len(read(Path(corpus.pool))) == 3800
    tasks = StarterCorpus().task_folder(tmp_path)
    assert tasks is not None
    assert len((tasks / "starter_descend.jsonl").read_text().splitlines()) == 1000


def test_scan_without_its_files_says_what_they_are_called(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"corpus.root .* holds no simple_train.jsonl"):
        ScanJumpCorpus(root=str(tmp_path)).materialise(tmp_path / "data")
