"""The bench of the gate on a small bank of known properties."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from builders.checkout import ROOT

SCRIPTS = ROOT / "scripts"
NUM_RUNS, NUM_TARGET, NUM_GUARD = 40, 150, 400


@pytest.fixture
def modules(module: Callable[[str], ModuleType]) -> dict[str, ModuleType]:
    return {name: module(name) for name in ("gate_worlds", "gate_loops", "bench_gate")}


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """Items of all difficulties; runs that deviate by a quarter of a logit in common and by as much in each slice."""
    rng = np.random.default_rng(0)
    common, parts = 0.25 * rng.normal(size=(NUM_RUNS, 1)), []
    for mean, num_items in ((0.0, NUM_TARGET), (4.0, NUM_GUARD)):
        logits = mean + 1.5 * rng.normal(size=num_items) + common + 0.25 * rng.normal(size=(NUM_RUNS, 1))
        parts.append(rng.random((NUM_RUNS, num_items)) < 1 / (1 + np.exp(-logits)))
    is_target = np.arange(NUM_TARGET + NUM_GUARD) < NUM_TARGET
    task = np.where(is_target, "skill", "others")
    np.savez(
        tmp_path / "world.npz",
        scores=np.hstack(parts).astype(np.uint8),
        task=task,
        is_target=is_target,
        is_guard=~is_target,
    )
    return tmp_path


def test_arms_of_a_round_share_no_run_and_no_answer_is_invented(modules: dict[str, ModuleType], bank: Path) -> None:
    worlds = modules["gate_worlds"]
    (world,) = worlds.load_banks(bank)
    assert world.guards == ("others",)
    rng = np.random.default_rng(0)
    arms = worlds.BankItems(world.slices).arms(rng, 8)  # the bank's own items
    rows = {row.tobytes() for row in world.slices["target"].astype(np.float64)}
    drawn = [row.tobytes() for scores in arms["target"].values() for row in scores]
    assert len(set(drawn)) == 24
    assert set(drawn) <= rows


def test_a_gain_has_the_wanted_size_in_expectation_and_a_loss_too(modules: dict[str, ModuleType]) -> None:
    worlds, rng = modules["gate_worlds"], np.random.default_rng(0)
    scores = (rng.random((3, 200_000)) < 0.7).astype(np.float64)
    assert worlds.add_gain(rng, scores, 0.1, 0.7).mean() - scores.mean() == pytest.approx(0.1, abs=0.004)
    assert worlds.add_loss(rng, scores, 0.06, 0.7).mean() - scores.mean() == pytest.approx(-0.06, abs=0.004)
    assert worlds.add_gain(rng, scores, 0.3, 0.7).min() == 1
    # Seeds mend the same items: two mended alike more often than by chance.
    turned = worlds.add_gain(rng, np.zeros((2, 200_000)), 0.2, 0.0)
    assert (turned[0] * turned[1]).mean() == pytest.approx(0.2**2 + 0.2 * 0.8 / 3, abs=0.004)


def test_the_fitted_model_finds_the_run_effects_again(modules: dict[str, ModuleType], bank: Path) -> None:
    worlds = modules["gate_worlds"]
    (world,) = worlds.load_banks(bank)
    model = worlds.FittedModel.of(world)
    # 40 runs leave a deviation uncertain by a ninth, and the split between common and own by more.
    assert np.hypot(model.common_sd, model.own_sd["target"]) == pytest.approx(np.hypot(0.25, 0.25), rel=0.35)
    assert model.base_score("target") == pytest.approx(world.base_score("target"), abs=0.02)
    drawn = model.items(np.random.default_rng(0)).arms(np.random.default_rng(0), 3)
    assert drawn["others"]["challenger"].shape == (3, NUM_GUARD)


def test_the_bench_repeats_itself_and_names_every_case(
    modules: dict[str, ModuleType], bank: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, printed = modules["bench_gate"], []
    monkeypatch.setattr(bench, "NUM_RESAMPLED", 2)
    monkeypatch.setattr(bench, "SEEDS", (3, 5))
    monkeypatch.setattr(bench, "GAINS", (0.05,))
    monkeypatch.setattr(modules["gate_loops"], "NUM_ROUNDS", 3)
    for workers in ("1", "2"):
        monkeypatch.setattr(
            sys, "argv", ["bench_gate.py", "--bank", str(bank), "--loops", "5", "--json", "--workers", workers]
        )
        bench.main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    rates = json.loads(printed[0])
    assert {"no_effect", "no_effect_30_rounds", "ours_gain_0.05_seeds_5", "mcnemar_no_effect_seeds_1"} <= rates.keys()
    for rate in rates.values():
        assert 0 <= rate["low"] <= rate["rate"] <= rate["high"] <= 1
        assert rate["num_loops"] >= 1
    assert rates["ours_sure_gain_harm_2_margin_seeds_3"]["rate"] == 0


def test_a_bank_that_is_not_there_is_told(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no <world>\.npz"):
        modules["gate_worlds"].load_banks(tmp_path)
