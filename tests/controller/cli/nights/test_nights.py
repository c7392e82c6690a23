"""What the summary of a night says of the night before."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from controller.cli.nights.compared import Answered, Pair, changes, compare_nights, night_of
from controller.cli.nights.folders import earlier_nights, forget_stages, night_name
from controller.cli.nights.lines import since_lines
from controller.cli.nights.night_json import Night, TaskChange
from controller.cli.nights.night_json import write_night as write_json
from controller.engine.artifacts import Data
from controller.loop.models import write_champion
from controller.stages.model import Model
from evals.model_ref import ModelRef

RIGHT, WRONG, ALPHA = 1.0, 0.0, 0.01


def write_night(folder: Path, scores: dict[str, float], task: str = "sums") -> Path:
    """A night whose first model scored this on probe items; its next round, and another arm, scored otherwise."""
    folder.mkdir()
    rows = [
        {
            "round": round_number,
            "arm": arm,
            "task": task,
            "id": item,
            "prompt": f"what is {item}",
            "answer": f"answer of {folder.name}",
            "score": score if (round_number, arm) == (0, "champion") else 1 - score,
            "is_failed": score < 0.5,
        }
        for round_number, arm in ((0, "champion"), (0, "other"), (1, "champion"))
        for item, score in scores.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "items-probe.parquet")
    return folder


def test_items_that_turned_are_counted_and_shown_in_any_order_of_the_file(tmp_path: Path) -> None:
    before = {f"item {k}": RIGHT if k < 4 else WRONG for k in range(10)}
    now = before | {"item 8": RIGHT, "item 9": RIGHT, "item 0": WRONG}
    first = write_night(tmp_path / "2030-01-01", before)
    second = write_night(tmp_path / "2030-01-02", dict(reversed(now.items())))
    lines = since_lines(compare_nights([first], second, ALPHA))
    assert lines[0] == "## Since 2030-01-01"
    (row,) = [line for line in lines if line.startswith("| sums")]
    # Two of ten won, one lost: +.1, standard deviation .5676, t of 9 degrees 2.262.
    assert row == "| sums | 10 | 0.400 | 0.500 | +0.100 [-0.306, +0.506] | 2 | 1 |"
    turned_right = lines[lines.index("Turned right:") + 2 : lines.index("Turned wrong:") - 1]
    assert sorted(turned_right) == [
        "- sums: `what is item 8` gave `answer of 2030-01-02`",
        "- sums: `what is item 9` gave `answer of 2030-01-02`",
    ]
    assert "- sums: `what is item 0` gave `answer of 2030-01-02`" in lines


def test_items_of_one_night_alone_are_left_out_and_counted(tmp_path: Path) -> None:
    first = write_night(tmp_path / "2030-01-01", {"a": RIGHT, "b": WRONG, "old": RIGHT})
    second = write_night(tmp_path / "2030-01-02", {"a": RIGHT, "b": RIGHT, "new": WRONG, "newer": WRONG})
    lines = since_lines(compare_nights([first], second, ALPHA))
    assert any(line.startswith("| sums | 2 | 0.500 | 1.000 |") for line in lines)
    assert "3 items that only one of the two answered are left out." in lines


def test_nights_without_items_in_common_are_not_compared(tmp_path: Path) -> None:
    first = write_night(tmp_path / "2030-01-01", {"a": RIGHT})
    assert compare_nights([first], write_night(tmp_path / "2030-01-02", {"a": RIGHT}, "words"), ALPHA) is None
    (tmp_path / "2030-01-03").mkdir()
    assert compare_nights([first], tmp_path / "2030-01-03", ALPHA) is None
    assert compare_nights([], first, ALPHA) is None


def test_only_finished_nights_before_this_one_count_the_oldest_first(tmp_path: Path) -> None:
    for name in ("2030-01-03", "2030-01-01", "2030-01-02", "2030-01-04"):
        (tmp_path / name).mkdir()
        if name != "2030-01-02":
            (tmp_path / name / "champion.json").write_text("{}")
    assert [path.name for path in earlier_nights(tmp_path, "2030-01-04")] == ["2030-01-01", "2030-01-03"]


def pairs_of(before: "np.ndarray[Any, Any]", now: "np.ndarray[Any, Any]", task: str = "sums") -> list[Pair]:
    answered = [
        [Answered(task, str(k), "", "", float(score), bool(score < 0.5)) for k, score in enumerate(scores.tolist())]
        for scores in (before, now)
    ]
    return [Pair(*pair) for pair in zip(*answered, strict=True)]


def night_without_alarm(name: str, found: Sequence[TaskChange]) -> Night:
    return Night(name, "m", "x", tuple(replace(one, is_worse=False) for one in found), 0)


def test_the_p_value_is_that_of_a_paired_t_test_where_nights_do_not_differ() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(0, 1, 200)
    now = np.clip(before + rng.normal(-0.02, 0.2, 200), 0, 1)
    (one,) = changes(pairs_of(before, now), (), 0.05)
    assert one.p == pytest.approx(float(stats.ttest_rel(now, before, alternative="less").pvalue), rel=1e-6)
    assert changes(pairs_of(before, before), (), 0.05)[0].p == 0.5


def test_nights_that_differ_anyway_raise_no_more_alarms_than_alpha_once_some_are_known() -> None:
    """A model that is trained anew each night scores .7 with a deviation of .03 over nights; 300 items of 2 tasks."""
    rng = np.random.default_rng(1)
    alarms = {True: 0, False: 0}
    for _ in range(60):
        known = list[Night]()
        difficulty = {task: rng.uniform(0, 1, 300) for task in "ab"}
        last = {task: (difficulty[task] < 0.7).astype(float) for task in "ab"}
        for night in range(12):
            now = {task: (difficulty[task] < 0.7 + rng.normal(0, 0.03)).astype(float) for task in "ab"}
            pairs = [pair for task in "ab" for pair in pairs_of(last[task], now[task], task)]
            found = changes(pairs, known, 0.01)
            without = changes(pairs, (), 0.01)
            if night > 5:
                alarms[True] += any(one.is_worse for one in found)
                alarms[False] += any(one.is_worse for one in without)
            known, last = [*known, night_without_alarm(str(night), found)], now
    assert alarms[True] <= 0.03 * 360
    assert alarms[False] > 3 * alarms[True]


def test_of_many_tasks_that_stay_as_they_are_one_that_falls_is_named() -> None:
    rng = np.random.default_rng(2)
    pairs = []
    for task in range(10):
        before = (rng.uniform(0, 1, 100) < 0.8).astype(float)
        now = np.where(rng.uniform(0, 1, 100) < 0.02, 1 - before, before)
        if task == 3:
            now = np.where(rng.uniform(0, 1, 100) < 0.3, 0.0, now)
        pairs += pairs_of(before, now, f"task-{task}")
    found = changes(pairs, (), 0.01)
    assert [one.task for one in found if one.is_worse] == ["task-3"]
    assert found[0].task == "all"


def test_nights_of_another_name_and_other_folders_are_not_among_those_before(tmp_path: Path) -> None:
    for name in (
        "mine-2030-01-01",
        "mine-2030-01-02",
        "other-2030-01-01",
        "2030-01-01",
        "mine-notes",
        "mine-2030-01-05",
    ):
        (tmp_path / name).mkdir()
        write_json(night_of(name, "m", None, ()), tmp_path / name)
    tonight = night_name("mine", "2030-01-04")
    assert [path.name for path in earlier_nights(tmp_path, tonight)] == ["mine-2030-01-01", "mine-2030-01-02"]
    assert [path.name for path in earlier_nights(tmp_path, "2030-01-04")] == ["2030-01-01"]
    assert earlier_nights(tmp_path / "nowhere", tonight) == []


def test_stages_of_older_nights_go_but_for_one_that_holds_the_champion(tmp_path: Path) -> None:
    nights = [tmp_path / f"2030-01-0{day}" for day in range(1, 6)]
    for night in nights:
        (night / "stages" / "train").mkdir(parents=True)
        (night / "loop.json").write_text("{}")
    champion = Model(ModelRef(str(nights[0] / "stages" / "train")), "key", (), 1, Data(tmp_path, "corpus", 1, "rows"))
    write_champion(champion, nights[-1])
    assert [night.name for night in forget_stages(nights, 2)] == ["2030-01-02", "2030-01-03"]
    assert [(night / "stages").is_dir() for night in nights] == [True, False, False, True, True]
    assert all((night / "loop.json").is_file() for night in nights)
    assert list(forget_stages(nights, None)) == []
