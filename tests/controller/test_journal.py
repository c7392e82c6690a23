"""The stage store, the lock of a run directory and the ledger of judgements."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from controller.engine.journal.lock import locked
from controller.engine.journal.store import StageKey, Store
from controller.verdict.ledger import look_at
from controller.verdict.run_noise import known_noises, note_noises
from evals.statistics.run_variance import RunNoise, RunVariance


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


def test_looks_at_the_same_items_are_counted_and_a_repeated_one_keeps_its_number(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    assert look_at(ledger, "items-a", "plan-1", "select").number == 1
    assert look_at(ledger, "items-a", "plan-2", "select").number == 2
    assert look_at(ledger, "items-b", "plan-3", "select").number == 1
    assert look_at(ledger, "items-a", "plan-1", "select").number == 1
    assert look_at(ledger, "items-a", "plan-4", "select").number == 3


def test_a_look_keeps_the_time_at_which_it_was_first_written_down(tmp_path: Path) -> None:
    first = look_at(tmp_path / "ledger.jsonl", "items-a", "plan-1", "select")
    later = look_at(tmp_path / "ledger.jsonl", "items-a", "plan-2", "select")
    assert look_at(tmp_path / "ledger.jsonl", "items-a", "plan-1", "select") == first
    assert (first.number, later.number) == (1, 2)
    assert first.time < later.time


def test_run_variances_of_earlier_judgements_are_pooled_by_their_degrees_of_freedom(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    note_noises(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 6), 0.1, 0.2)})
    note_noises(file, "items", "plan-2", {"a": RunNoise(RunVariance(4.0, 3), 0.4, 0.5)})
    note_noises(file, "others", "plan-3", {"a": RunNoise(RunVariance(9.0, 6), 0.9, 0.9)})
    (pooled,) = known_noises(file, "items", time.time() + 1).values()
    assert pooled.run == RunVariance(variance=2.0, df=9)
    assert (pooled.item_noise, pooled.noise_share) == pytest.approx((0.2, 0.3))
    assert pooled.run_sd == pytest.approx(1.8**0.5)


def test_a_resumed_judgement_notes_its_variance_once(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    for _ in range(3):
        note_noises(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 6), 0.1, 0.2)})
    assert len(file.read_text().splitlines()) == 1


def test_fewer_than_four_degrees_of_freedom_are_not_known_yet(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    note_noises(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 3), 0.1, 0.2)})
    assert known_noises(file, "items", time.time() + 1) == {}
    assert known_noises(tmp_path / "none", "items", time.time()) == {}


def test_a_resumed_promise_does_not_read_what_was_noted_after_it(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    look = look_at(tmp_path / "ledger.jsonl", "items", "plan-1", "select")
    note_noises(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 6), 0.1, 0.2)})
    assert known_noises(file, "items", look.time) == {}
    assert known_noises(file, "items", time.time() + 1) != {}
