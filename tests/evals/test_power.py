"""The power formula against simulated figures that were made with another program."""

import numpy as np
import pytest

from evals.compare import ArmScores, accepts, alpha_at
from evals.power import detectable_gain, power_at

SIMULATED = (
    # gain, seeds, share accepted with 900 items, seed deviation .015, level .015
    (0.05, 5, 0.86),
    (0.05, 3, 0.46),
    (0.04, 5, 0.65),
    (0.04, 8, 0.90),
)


@pytest.mark.parametrize(("gain", "num_seeds", "share"), SIMULATED)
def test_the_formula_gives_the_simulated_power(gain: float, num_seeds: int, share: float) -> None:
    assert power_at(gain, 900, num_seeds, alpha=0.015, base_score=0.6) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("gain", "num_seeds", "share"), SIMULATED)
def test_the_gate_accepts_as_often_as_the_formula_says(gain: float, num_seeds: int, share: float) -> None:
    # Right or wrong answers; difficulty 1 logit; control at .6; a shift in logits that gains `gain`.
    rng = np.random.default_rng(0)
    shift = {0.05: 0.2565, 0.04: 0.2042}[gain]
    accepted, items = 0, tuple(str(k) for k in range(900))
    for _ in range(400):
        difficulty = 0.4898 + rng.normal(size=900)
        arms = []
        for logits in (difficulty + shift, difficulty):
            runs = 1 / (1 + np.exp(-logits)) + 0.015 * rng.normal(size=(num_seeds, 1))
            arms.append(ArmScores("arm", items, (rng.random((num_seeds, 900)) < runs).astype(np.float64)))
        accepted += accepts(arms[0], arms[1:], alpha=0.015).is_accepted
    assert accepted / 400 == pytest.approx(share, abs=0.07)


def test_no_gain_is_accepted_at_the_level() -> None:
    assert power_at(0.0, 900, 3, alpha=alpha_at(1), base_score=0.6) == pytest.approx(alpha_at(1))


def test_the_detectable_gain_has_the_power_that_was_asked_for() -> None:
    for power in (0.5, 0.8, 0.95):
        gain = detectable_gain(300, 3, 0.015, 0.7, power=power)
        assert power_at(gain, 300, 3, 0.015, 0.7) == pytest.approx(power, abs=1e-3)


def test_more_items_seeds_and_arms_make_smaller_gains_visible() -> None:
    start = detectable_gain(200, 3, 0.015, 0.7)
    assert detectable_gain(800, 3, 0.015, 0.7) < start
    assert detectable_gain(200, 6, 0.015, 0.7) < start
    assert detectable_gain(200, 3, 0.015, 0.7, num_arms=4) < start


def test_with_endless_items_the_limit_is_the_seeds() -> None:
    # Then the gate is a t test of run means, whose power has a table: d = gain / deviation.
    gain = detectable_gain(10**9, 5, 0.05, 0.5, run_sd=0.01)
    assert gain / 0.01 == pytest.approx(1.7246, abs=0.01)


def test_a_gain_that_cannot_exist_says_that_nothing_can_be_seen() -> None:
    assert detectable_gain(10, 3, 0.015, 0.98) > 1 - 0.98
