"""The stage store and the lock of a run directory."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from controller.engine.journal.lock import locked
from controller.engine.journal.store import StageKey, Store


def test_a_finished_stage_is_found_again_by_a_new_process(tmp_path: Path) -> None:
    key = StageKey("measure", "v", [{"model": "a", "seed": 0}])
    store = Store(tmp_path)
    assert store.find(key) is None
    folder = store.open(key)
    (folder / "report.json").write_text("{}")
    store.finish(key, {"num": 3}, started=1.0, seconds=2.0)
    found = Store(tmp_path).find(StageKey("measure", "v", [{"seed": 0, "model": "a"}]))
    assert found is not None
    assert found.value == {"num": 3}
    assert (found.folder / "report.json").is_file()


def test_another_input_is_another_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = StageKey("measure", "v", [{"model": "a"}])
    store.open(key)
    store.finish(key, 1, started=0.0, seconds=0.0)
    assert store.find(StageKey("measure", "v", [{"model": "b"}])) is None


def test_what_a_killed_attempt_left_is_there_for_the_next(tmp_path: Path) -> None:
    key = StageKey("train", "v", [{"seed": 1}])
    (Store(tmp_path).open(key) / "checkpoint").write_text("half")
    assert Store(tmp_path).find(key) is None
    assert (Store(tmp_path).open(key) / "checkpoint").read_text() == "half"


def test_the_journal_has_a_line_for_each_start_and_finish(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in range(3):
        key = StageKey("train", "v", [{"seed": seed}])
        store.open(key)
        store.finish(key, None, started=0.0, seconds=0.0)
    events = [json.loads(line)["event"] for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert events == ["started", "finished"] * 3


def _hold(run_dir: Path) -> None:
    with locked(run_dir):
        time.sleep(60)


def test_a_second_loop_is_refused_with_the_pid_of_the_first_and_let_in_after_its_death(
    tmp_path: Path,
) -> None:
    first = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path,))
    first.start()
    try:
        for _ in range(600):
            if (tmp_path / "lock").is_file() and (tmp_path / "lock").read_text():
                break
            time.sleep(0.1)
        with pytest.raises(ValueError, match=f"in use by process {first.pid};"), locked(tmp_path):
            pass
    finally:
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        first.join()
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())
