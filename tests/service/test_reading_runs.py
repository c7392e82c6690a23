"""What a run directory says at every moment, half-written files included."""

import fcntl
import json
import time
from pathlib import Path

import pytest

from controller.engine.journal.approvals import ask, decide
from service.runs.reading import Gain, is_asked, is_decided, is_locked, read_run

VERDICT = {
    "decision": "accepted",
    "reason": "it holds",
    "gain": {"mean": 0.2, "ci": [0.1, 0.3], "p": 0.01, "control": "random"},
}
RESULT = {
    "status": "running",
    "stopped_because": "",
    "rounds": [{"verdict": {"decision": "rejected", "gain": None}}, {"verdict": VERDICT}],
    "costs": {
        "train": {"seconds": 10.5, "tokens": 100, "flops": 2e9},
        "overhead": {"seconds": 1.5, "tokens": 0, "flops": 0.0},
    },
}
OTHER_FORMS = [
    "[]",
    "3",
    '{"rounds": 3}',
    '{"rounds": [{"verdict": []}]}',
    '{"costs": [1]}',
    "[" * 99999,
    '{"costs": {"a": {"seconds": NaN, "tokens": 1e999, "flops": 1' + "0" * 400 + "}}}",
]


def write_run(folder: Path) -> Path:
    now = time.time()
    lines = [
        {"time": now - 100, "event": "started", "stage": "read-1", "pid": 1},
        {"time": now - 90, "event": "finished", "stage": "read-1", "pid": 1},
        {"time": now - 80, "event": "started", "stage": "train-1", "pid": 1},
        {"time": now - 50, "event": "reused", "stage": "read-1", "pid": 2},
        {"time": now - 40, "event": "started", "stage": "train-1", "pid": 2},
        {"time": now - 30, "event": "started", "stage": "train-2", "pid": 2},
    ]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "loop.json").write_text(json.dumps(RESULT))
    (folder / "stages" / "train-1.partial").mkdir(parents=True)
    (folder / "stages" / "train-1.partial" / "progress").write_text("50 200")
    return folder


def test_rounds_verdict_costs_and_progress_are_read(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path))
    assert (run.is_over, run.num_rounds, run.decision, run.reason) == (False, 2, "accepted", "it holds")
    assert run.gain == Gain(0.2, 0.1, 0.3, "random")
    assert (run.seconds, run.tokens, run.flops, run.num_stages) == (12.0, 100, 2e9, 1)
    assert [(stage.stage, stage.share) for stage in run.under_way] == [("train-1", 0.25), ("train-2", 0.0)]
    # A quarter took 40 s, so three quarters take 120; of the other no pace is known.
    assert run.remaining_s == pytest.approx(120, abs=2)
    assert run.under_way[1].remaining_s is None


def test_an_empty_or_missing_folder_has_done_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        run = read_run(folder)
        assert (run.is_over, run.num_rounds, run.num_stages, run.seconds, run.under_way) == (False, 0, 0, 0.0, ())


def test_files_cut_off_at_any_byte_stop_no_reader(tmp_path: Path) -> None:
    write_run(tmp_path)
    for name in ("loop.json", "journal.jsonl"):
        whole = (tmp_path / name).read_bytes()
        for end in range(0, len(whole), 7):
            (tmp_path / name).write_bytes(whole[:end])
            read_run(tmp_path)
        (tmp_path / name).write_bytes(whole)
    assert read_run(tmp_path).num_rounds == 2


@pytest.mark.parametrize("text", OTHER_FORMS)
def test_another_form_says_less_and_stops_no_reader(tmp_path: Path, text: str) -> None:
    (tmp_path / "loop.json").write_text(text)
    (tmp_path / "journal.jsonl").write_text(f'{text}\n{{"event": 1, "stage": 2, "time": "x"}}\n\x00\n')
    run = read_run(tmp_path)
    assert (run.decision, run.gain, run.num_stages, run.seconds, run.tokens) == ("", None, 0, 0.0, 0)


def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with (tmp_path / "lock").open("w") as file:
        assert not is_locked(tmp_path)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_a_proposal_is_decided_once_its_answer_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "approvals.jsonl"
    assert not is_decided(tmp_path)
    ask(tmp_path, 0, "5f0e1d2c3b4a5968", "a plan")
    assert is_asked(tmp_path)
    assert not is_decided(tmp_path)
    path.write_text(path.read_text() + '{"event": "decided", "rou')
    assert not is_decided(tmp_path)
    decide(tmp_path, "approved", "anna")
    assert is_decided(tmp_path)
    assert not is_asked(tmp_path)
    ask(tmp_path, 1, "6a7b8c9d0e1f2a3b", "another plan")
    assert not is_decided(tmp_path)
    path.write_text("no line of ours\n")
    assert not is_asked(tmp_path)
    assert not is_decided(tmp_path)


def test_a_run_of_a_megabyte_is_read_in_a_moment(tmp_path: Path) -> None:
    write_run(tmp_path)
    long = RESULT | {"more": [{"id": k, "text": "x" * 50} for k in range(14_000)]}
    (tmp_path / "loop.json").write_text(json.dumps(long))
    assert (tmp_path / "loop.json").stat().st_size > 1_000_000
    started = time.process_time()
    read_run(tmp_path)
    assert time.process_time() - started < 0.2
