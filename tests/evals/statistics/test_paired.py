"""Changes between two given models."""

import numpy as np
import pytest
from scipy import stats

from evals.statistics.paired import paired_difference


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random(40), rng.random(40) + 0.2
    found = paired_difference(before, after)
    known = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_the_order_of_the_items_does_not_matter_and_the_models_change_sides_with_the_sign() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.integers(0, 2, 60).astype(float), rng.integers(0, 2, 60).astype(float)
    order = rng.permutation(60)
    whole, shuffled, turned = (
        paired_difference(*pair) for pair in ((before, after), (before[order], after[order]), (after, before))
    )
    assert (shuffled.mean, shuffled.low, shuffled.high) == pytest.approx((whole.mean, whole.low, whole.high))
    assert (-turned.mean, -turned.high, -turned.low) == pytest.approx((whole.mean, whole.low, whole.high))


def test_two_models_that_answer_thirty_items_alike_are_not_shown_to_be_alike_on_all() -> None:
    found = paired_difference(np.ones(30), np.ones(30))
    assert found.mean == 0
    assert found.high == -found.low == pytest.approx(stats.t.ppf(0.975, 29) / 30)  # as if one item had turned


def test_models_of_the_same_skill_are_told_apart_in_one_of_twenty_draws_of_items() -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(1000):
        skill = rng.beta(2, 2, 100)
        before, after = ((rng.random(100) < skill).astype(float) for _ in range(2))
        found = paired_difference(before, after)
        missed += not found.low <= 0 <= found.high
    assert missed / 1000 == pytest.approx(0.05, abs=0.02)  # three standard errors


def test_rows_of_different_items_are_refused() -> None:
    with pytest.raises(ValueError, match="pair them by item"):
        paired_difference([0.0, 1.0], [1.0])
