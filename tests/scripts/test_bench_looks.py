"""The bench of judgements with looks on a small bank of known properties."""

import json
import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from builders.checkout import ROOT


@pytest.fixture
def modules(module: Callable[[str], ModuleType]) -> dict[str, ModuleType]:
    return {name: module(name) for name in ("gate_worlds", "gate_looks", "bench_looks")}


def test_arms_that_vary_less_have_the_same_mean_score(modules: dict[str, ModuleType]) -> None:
    worlds = modules["gate_worlds"]
    (world,) = (bank for bank in worlds.load_banks(ROOT / "tests/data/gate_bank") if bank.name == "skills")
    model = worlds.FittedModel.of(world).varying({"challenger": 0.25})
    drawn = model.items(np.random.default_rng(0)).arms(np.random.default_rng(0), 400)["target"]
    means = {arm: scores.mean(axis=1) for arm, scores in drawn.items()}
    assert means["challenger"].mean() == pytest.approx(means["random"].mean(), abs=0.01)
    assert means["challenger"].std() < 0.5 * means["random"].std()


def test_an_e_value_of_no_flips_keeps_nothing_and_of_many_wins_keeps(modules: dict[str, ModuleType]) -> None:
    looks = modules["gate_looks"]
    none, all_won = np.zeros((1, 30)), np.ones((1, 30))
    assert not looks.e_value(none, none)
    assert not looks.e_value(none, all_won)
    assert looks.e_value(all_won, none)
    # One win alone: 2 * integral of 2 p over (1/2, 1) = 1.5, which is less than 40.
    assert not looks.e_value(np.eye(1, 30), none)


def test_the_bench_prints_a_rate_and_the_seeds_of_every_case(
    modules: dict[str, ModuleType], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = modules["bench_looks"]
    monkeypatch.setattr(bench, "NUM_RESAMPLED", 2)
    monkeypatch.setattr(
        sys,
        "argv",
        f"bench_looks.py --bank {ROOT}/tests/data/gate_bank --loops 5 --json --cases *gain_0.08* --workers 1".split(),
    )
    bench.main()
    outcomes = json.loads(capsys.readouterr().out)
    assert {"gain_0.08@skills", "today_gain_0.08_seeds_3@grammar", "random_varies_gain_0.08@skills"} <= outcomes.keys()
    for outcome in outcomes.values():
        assert 0 <= outcome["accepted"]["low"] <= outcome["accepted"]["rate"] <= outcome["accepted"]["high"] <= 1
        assert 3 <= outcome["num_seeds"] <= 8
    assert outcomes["gain_0.08@skills"]["announced"] == pytest.approx(0.55, abs=0.1)
