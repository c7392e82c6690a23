"""What is kept beside the runs: how often items were looked at, and how much runs of earlier judgements varied."""

import time
from pathlib import Path

import pytest

from controller.verdict.memory.ledger import look_at, planned_look
from controller.verdict.memory.run_noise import known_run_noise, note_run_noise
from evals.statistics.run_variance import RunNoise, RunVariance


def test_looks_at_the_same_items_are_counted_and_a_repeated_one_keeps_its_number(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    assert look_at(ledger, "items-a", "plan-1", "select").number == 1
    assert look_at(ledger, "items-a", "plan-2", "select").number == 2
    assert look_at(ledger, "items-b", "plan-3", "select").number == 1
    assert look_at(ledger, "items-a", "plan-1", "select").number == 1
    assert look_at(ledger, "items-a", "plan-4", "select").number == 3


def test_a_look_that_is_only_planned_spends_nothing(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    assert planned_look(ledger, "items-a", "plan-1").number == 1
    assert not ledger.exists()
    look_at(ledger, "items-a", "plan-1", "select")
    first = look_at(ledger, "items-a", "plan-2", "select")
    assert planned_look(ledger, "items-a", "plan-2") == first
    assert planned_look(ledger, "items-a", "plan-3").number == 3
    assert look_at(ledger, "items-a", "plan-4", "select").number == 3


def test_a_look_keeps_the_time_at_which_it_was_first_written_down(tmp_path: Path) -> None:
    first = look_at(tmp_path / "ledger.jsonl", "items-a", "plan-1", "select")
    later = look_at(tmp_path / "ledger.jsonl", "items-a", "plan-2", "select")
    assert look_at(tmp_path / "ledger.jsonl", "items-a", "plan-1", "select") == first
    assert (first.number, later.number) == (1, 2)
    assert first.time < later.time


def test_run_variances_of_earlier_judgements_are_pooled_by_their_degrees_of_freedom(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    note_run_noise(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 6), 0.1, 0.2)})
    note_run_noise(file, "items", "plan-2", {"a": RunNoise(RunVariance(4.0, 3), 0.4, 0.5)})
    note_run_noise(file, "others", "plan-3", {"a": RunNoise(RunVariance(9.0, 6), 0.9, 0.9)})
    (pooled,) = known_run_noise(file, "items", time.time() + 1).values()
    assert pooled.run == RunVariance(variance=2.0, df=9)
    assert (pooled.item_noise, pooled.noise_share) == pytest.approx((0.2, 0.3))
    assert pooled.run_sd == pytest.approx(1.8**0.5)


def test_a_resumed_judgement_notes_its_variance_once(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    for _ in range(3):
        note_run_noise(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 6), 0.1, 0.2)})
    assert len(file.read_text().splitlines()) == 1


def test_fewer_than_four_degrees_of_freedom_are_not_known_yet(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    note_run_noise(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 3), 0.1, 0.2)})
    assert known_run_noise(file, "items", time.time() + 1) == {}
    assert known_run_noise(tmp_path / "none", "items", time.time()) == {}


def test_a_resumed_promise_does_not_read_what_was_noted_after_it(tmp_path: Path) -> None:
    file = tmp_path / "run_variance.jsonl"
    look = look_at(tmp_path / "ledger.jsonl", "items", "plan-1", "select")
    note_run_noise(file, "items", "plan-1", {"a": RunNoise(RunVariance(1.0, 6), 0.1, 0.2)})
    assert known_run_noise(file, "items", look.time) == {}
    assert known_run_noise(file, "items", time.time() + 1) != {}
