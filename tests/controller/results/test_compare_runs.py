"""A table of runs, each with the round that decided it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders.loop_results import idle_round, loop_result, rejected_round

from controller.results.compare_runs import compare_table
from controller.results.loop_json import LoopResult, write_loop
from controller.results.verdict_json import Decision


def stored(folder: Path, name: str, result: LoopResult) -> Path:
    path = folder / name
    path.mkdir()
    write_loop(result, path)
    return path


def runs(folder: Path) -> list[Path]:
    idle = loop_result(idle_round(0, Decision.NOTHING_TO_DO, "nothing stands out", ()))
    return [
        stored(folder, "seed-0", loop_result()),
        stored(folder, "seed-1", replace(loop_result(rejected_round()), seed=1)),
        stored(folder, "other|data", replace(idle, data_hash="ff00")),
    ]


def test_columns_stand_below_each_other_and_hold_the_deciding_round(tmp_path: Path) -> None:
    header, rule, *lines = compare_table(runs(tmp_path)).split("\n\n")[0].splitlines()
    assert rule.startswith("-" * len("other|data") + "  ")
    for column, cells in {
        "decision": ("Accepted", "Not accepted", "Nothing to do"),
        "cause": ("missing_data", "missing_data", ""),
        "gain [95 % interval]": ("+0.051 [+0.012, +0.090]", "+0.004 [−0.061, +0.069]", ""),
    }.items():
        start = header.index(column)
        for line, cell in zip(lines, cells, strict=True):
            assert line[start:].startswith(cell)
    tails = (("2.32 M", "7 min 34 s", "0"), ("1.83 M", "6 min 43 s", "1"))
    assert [tuple(re.split(r" {2,}", line)[-3:]) for line in lines[:2]] == list(tails)


def test_runs_of_other_data_are_named_as_not_comparable(tmp_path: Path) -> None:
    paths = runs(tmp_path)
    remark = "Not comparable with the rest, for data or items differ: other|data."
    assert compare_table(paths).splitlines()[-1] == remark
    assert "Not comparable" not in compare_table(paths[:2])


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no loop\.json"):
        compare_table([tmp_path])
    with pytest.raises(ValueError, match="at least one run directory"):
        compare_table([])


def test_what_else_lies_beside_the_runs_is_left_out_and_named(tmp_path: Path) -> None:
    paths = runs(tmp_path)[:2]
    (tmp_path / "mlartifacts").mkdir()
    table = compare_table([tmp_path / "mlartifacts", *paths])
    assert table.splitlines()[:4] == compare_table(paths).splitlines()[:4]
    assert table.splitlines()[-1] == "Left out, for there is no loop.json: mlartifacts."


def test_a_path_that_is_no_folder_is_refused_beside_good_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no_such_run is no folder"):
        compare_table([*runs(tmp_path), tmp_path / "no_such_run"])
