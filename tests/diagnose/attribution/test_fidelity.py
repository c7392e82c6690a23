"""Predictions against retrainings: closed forms and simulated coverage."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from diagnose.attribution.fidelity import calibrate, calibrate_score, datamodeling_score
from evals.statistics.intervals import Estimate, Interval


def linear(noise: float, num_seeds: int, num_parts: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, kept rows, and losses that are a sum over these and seed noise."""
    rng = np.random.default_rng(0)
    effect = rng.normal(size=(200, 5))
    kept = rng.random((num_parts, 200)) < 0.5
    losses = 100 - (kept @ effect)[:, None] + noise * rng.normal(size=(num_parts, num_seeds, 5))
    return effect, kept, losses


def test_true_effects_of_a_linear_world_score_one() -> None:
    effect, kept, losses = linear(0.0, 2)
    found = datamodeling_score(effect, kept, losses)
    assert found.lds.mean == pytest.approx(1)
    assert found.ceiling == pytest.approx(1)
    assert datamodeling_score(-effect, kept, losses).lds.mean == pytest.approx(-1)


def test_the_score_is_scipys_rank_correlation_averaged_over_queries() -> None:
    effect, kept, losses = linear(8.0, 1)
    slow = [spearmanr((kept @ effect)[:, q], -losses[:, 0, q]).statistic for q in range(effect.shape[1])]
    found = datamodeling_score(effect, kept, losses)
    assert found.lds.mean == pytest.approx(np.mean(slow))
    assert found.ceiling is None
    assert found.lds.low < found.lds.mean < found.lds.high


@pytest.mark.parametrize("num_seeds", [2, 4])
def test_true_effects_reach_the_noise_ceiling_and_no_more(num_seeds: int) -> None:
    noise = 7.0  # a half of 200 rows deviates by 7
    effect, kept, losses = linear(noise, num_seeds, num_parts=2000)
    found = datamodeling_score(effect, kept, losses)
    assert found.ceiling == pytest.approx(1 / math.sqrt(1 + 1 / num_seeds), abs=0.03)
    assert found.lds.mean == pytest.approx(found.ceiling, abs=0.03)


def test_prediction_intervals_cover_at_their_nominal_rate() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(2000):
        predicted = np.exp(rng.normal(size=13))
        real = np.exp(0.7 + 1.3 * np.log(predicted) + 0.5 * rng.normal(size=13))
        calibration = calibrate(predicted[:-1].tolist(), real[:-1].tolist())
        assert calibration is not None
        interval = calibration.change(float(predicted[-1]))
        covered.append(interval.low <= real[-1] <= interval.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_where_nothing_can_be_calibrated_nothing_is_said() -> None:
    assert calibrate([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]) is None
    assert calibrate([-1.0] * 9, [1.0] * 9) is None
    calibration = calibrate([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 8.0, 10.0])
    assert calibration is not None
    assert calibration.change(7.0).mean == pytest.approx(14)
    assert calibration.change(-1.0) == Estimate(0.0, -math.inf, math.inf)


def test_score_intervals_cover_at_their_nominal_rate() -> None:
    rng = np.random.default_rng(2)
    anything = Interval(-math.inf, math.inf)
    covered = []
    for _ in range(2000):
        predicted = np.exp(rng.normal(size=11))
        real = -0.2 - 0.1 * np.log(predicted) + 0.03 * rng.normal(size=11)
        calibration = calibrate_score(predicted[:-1].tolist(), real[:-1].tolist())
        assert calibration is not None
        interval = calibration.change(float(predicted[-1]), anything)
        covered.append(interval.low <= real[-1] <= interval.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_a_score_falls_by_the_same_amount_for_each_factor_and_never_beyond_its_range() -> None:
    predicted = [1.0, 2.0, 4.0, 8.0, 16.0]
    calibration = calibrate_score(predicted, [0.0, -0.1, -0.2, -0.3, -0.4])
    assert calibration is not None
    possible = Interval(-0.55, 0.45)
    assert calibration.change(32.0, possible).mean == pytest.approx(-0.5)
    lowest = calibration.change(128.0, possible)
    assert (lowest.mean, lowest.low, lowest.high) == pytest.approx((-0.55, -0.55, -0.55))
    assert calibration.change(0.0, possible) == Estimate(0.0, *possible)
    assert calibrate_score(predicted[:4], [0.0, -0.1, -0.2, -0.3]) is None


def test_retrainings_that_ran_away_calibrate_nothing() -> None:
    predicted, nan = [1.0, 2.0, 3.0, 4.0, 5.0], math.nan
    assert calibrate(predicted, [1.0, 2.0, 3.0, 4.0, math.inf]) is None
    assert calibrate(predicted, [1.0, 2.0, 3.0, 4.0, nan]) is None
    assert calibrate_score([*predicted[:4], nan], [-0.1] * 5) is None
