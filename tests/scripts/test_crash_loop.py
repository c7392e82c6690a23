"""What the script that kills loops reads from a journal."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

KEY = "0123456789abcdef"


@pytest.fixture
def crash_loop(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("crash_loop")


def write_journal(run_dir: Path, *lines: tuple[float, str, str]) -> None:
    """Lines of time, event and name of the stage."""
    records = [{"time": time, "event": event, "stage": f"{name}-{KEY}"} for time, event, name in lines]
    (run_dir / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_stage_is_done_twice_where_it_begins_again_after_its_end_and_not_where_a_kill_cut_it_short(
    tmp_path: Path, crash_loop: ModuleType
) -> None:
    cut, again = "train-random-101", "train-continue-100"
    write_journal(
        tmp_path,
        (0, "started", cut),
        (1, "started", cut),
        (2, "finished", cut),
        (3, "reused", cut),
        (4, "started", again),
        (5, "finished", again),
        (6, "started", again),
    )
    assert crash_loop.stages_done_twice(tmp_path) == [f"{again}-{KEY}"]
    assert crash_loop.trainings(tmp_path) == "2 trainings of 2 arms and seeds"


def test_a_look_is_told_by_the_training_that_was_begun_last(tmp_path: Path, crash_loop: ModuleType) -> None:
    write_journal(tmp_path, (0, "started", "train-initial"))
    assert crash_loop.look_under_way(tmp_path, (3, 5, 8)) == ", train-initial"
    done = (1, "finished", "measure-x-3107")
    for place, seeds in ((0, 3), (2, 3), (3, 5), (4, 5), (5, 8), (7, 8)):
        begun = f"train-without-clean-{3100 + place}"
        write_journal(tmp_path, (0, "started", begun), done)
        assert crash_loop.look_under_way(tmp_path, (3, 5, 8)) == f", {begun} for {seeds} seeds"


def test_kills_wait_until_an_attempt_has_come_to_the_stage(tmp_path: Path, crash_loop: ModuleType) -> None:
    assert not crash_loop.is_under_way(tmp_path, "train-challenger", 0)
    write_journal(tmp_path, (10, "started", "diagnose"))
    assert not crash_loop.is_under_way(tmp_path, "train-challenger", 0)
    first = ((10, "started", "diagnose"), (12, "started", "train-challenger-100"), (19, "finished", "train-random-100"))
    write_journal(tmp_path, *first, (25, "reused", "diagnose"))
    assert crash_loop.is_under_way(tmp_path, "train-challenger", 0)
    assert not crash_loop.is_under_way(tmp_path, "train-challenger", 3)
    write_journal(tmp_path, *first, (25, "reused", "diagnose"), (26, "reused", "train-challenger-100"))
    assert crash_loop.is_under_way(tmp_path, "train-challenger", 3)
    assert crash_loop.time_since("train-challenger", tmp_path) == 19 - 12
