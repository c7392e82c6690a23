"""What the bench of wrong labels on SCAN plants, and how it reads the truth."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from builders.checkout import ROOT

from controller.results.verdict_json import Decision

SCRIPTS = ROOT / "scripts"


@pytest.fixture
def bench(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("bench_scan_noise")


@pytest.fixture
def results(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("scan_noise_results")


def _result(results: ModuleType, seed: int, decision: Decision, gain: float) -> Any:
    truth = results.Truth("select", 10, (0.49 + gain, 0.51 + gain), (0.49, 0.51))
    return results.NoiseResult(
        seed=seed,
        code_version="",
        cause="wrong_labels",
        probability=0.9,
        slice={},
        num_wrong=9,
        num_wrong_left=8,
        num_right=11,
        num_right_left=1,
        actions=("clean",),
        before=0.5,
        decision=decision,
        reason="",
        hardest="continue",
        looks=(),
        arms={},
        truths=(truth,),
    )


def test_nine_of_twenty_rows_of_the_skill_say_look_for_run_and_no_other_word_is_changed(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"command": f"run twice and walk {k}", "actions": "RUN RUN WALK"} for k in range(20)]
    rows += [{"command": f"turn left {k}", "actions": "TURN_LEFT"} for k in range(10)]
    (tmp_path / "scan").mkdir()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "scan" / "simple_train.jsonl").write_text(text)
    (tmp_path / "scan" / "simple_test.jsonl").write_text("")
    monkeypatch.setattr(bench, "NUM_ROWS", 30)
    ground = bench.mislabelled(tmp_path, 0)
    wrong = [row for place, row in enumerate(ground.train) if place in ground.wrong_rows]
    assert [row["completion"] for row in wrong] == ["LOOK LOOK WALK"] * 9
    right = [row["completion"] for place, row in enumerate(ground.train) if place not in ground.wrong_rows]
    assert sorted(right) == ["RUN RUN WALK"] * 11 + ["TURN_LEFT"] * 10
    assert bench.mislabelled(tmp_path, 1).wrong_rows != ground.wrong_rows


def test_the_true_gain_has_the_interval_of_welch(results: ModuleType) -> None:
    # Variances 2 and 2 over two trainings each: se sqrt(2), 2 degrees of freedom, t(.975) 4.30265.
    gain = results.Truth("select", 1, (1.0, 3.0), (0.0, 2.0)).gain
    assert (gain.mean, gain.low, gain.high) == pytest.approx((1, 1 - 6.08487, 1 + 6.08487), abs=1e-5)


def test_only_large_true_gains_have_to_be_accepted_and_small_ones_never(results: ModuleType) -> None:
    kept = [
        _result(results, 0, Decision.ACCEPTED, 0.1),
        _result(results, 1, Decision.REJECTED, 0.09),
        _result(results, 2, Decision.ACCEPTED, 0.05),
        _result(results, 3, Decision.REJECTED, 0.01),
        replace(_result(results, 4, Decision.ACCEPTED, 0.1), truths=()),
    ]
    (told,) = results.claims(kept)
    assert told == (
        "4 of 5 seeds with a measured truth. True gain of at least 0.08: 1 of 2 accepted (4 of 5 asked). "
        "Below 0.02: 0 of 1 accepted (none asked). Between: 1 of 1 accepted."
    )


def test_a_kept_seed_is_read_as_it_was_written(results: ModuleType, tmp_path: Path) -> None:
    result = _result(results, 3, Decision.REJECTED, 0.1)
    results.write_results({3: result}, tmp_path / "kept.jsonl")
    assert results.read_results(tmp_path / "kept.jsonl") == {3: result}
