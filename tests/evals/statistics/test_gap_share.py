"""Share of a gap, with an interval that holds."""

import math

import numpy as np
import pytest
from scipy import stats

from evals.statistics.gap_share import gap_share


def test_without_noise_in_the_ends_the_interval_is_the_fix_s_t_interval_in_units_of_the_gap() -> None:
    fix = [0.6, 0.7, 0.8]
    found = gap_share(fix, [0.4, 0.4, 0.4], [0.9, 0.9, 0.9])
    assert found is not None
    half = stats.t.ppf(0.975, 2) * np.std(fix, ddof=1) / math.sqrt(3) / 0.5
    assert found.share == pytest.approx(0.6)
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half))


def test_a_fix_as_good_as_the_oracle_closes_all_and_no_change_closes_nothing() -> None:
    low, high = [0.30, 0.32, 0.31], [0.90, 0.92, 0.91]
    all_of_it, none_of_it = gap_share(high, low, high), gap_share(low, low, high)
    assert all_of_it is not None
    assert none_of_it is not None
    assert all_of_it.share == pytest.approx(1)
    assert none_of_it.share == pytest.approx(0)
    assert all_of_it.low < 1 < all_of_it.high


def test_a_gap_below_a_tenth_has_no_share() -> None:
    assert gap_share([0.95, 0.96], [0.93, 0.94], [0.98, 0.99]) is None


def test_where_the_gap_is_not_told_from_zero_the_interval_is_unbounded() -> None:
    found = gap_share([0.2, 0.8], [0.1, 0.6], [0.3, 0.9])
    assert found is not None
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_the_interval_covers_the_true_share_95_times_in_a_hundred() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        fix, nothing, oracle = (rng.normal(mean, 0.03, size) for mean, size in ((0.75, 3), (0.35, 3), (0.85, 5)))
        found = gap_share(list(fix), list(nothing), list(oracle))
        assert found is not None
        covered += found.low <= 0.8 <= found.high
    assert 0.935 <= covered / 2000 <= 0.975


def test_one_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="two seeds of every arm"):
        gap_share([0.5], [0.1, 0.2], [0.9, 0.9])
