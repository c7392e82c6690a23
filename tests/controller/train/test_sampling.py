"""The order in which rows of a mix are drawn."""

import numpy as np
import pytest

from controller.train.sampling import draw_order, num_draws_for_tokens


def test_equal_weights_give_every_row_once_in_each_epoch() -> None:
    order = draw_order(np.full(97, 1 / 97), 3 * 97, seed=0)
    for epoch in range(3):
        assert sorted(order[97 * epoch : 97 * (epoch + 1)]) == list(range(97))


@pytest.mark.parametrize("num_draws", [1, 50, 333, 5000])
def test_each_row_is_drawn_within_one_of_its_expected_count(num_draws: int) -> None:
    weights = np.random.default_rng(3).dirichlet(np.ones(200))
    counts = np.bincount(draw_order(weights, num_draws, seed=1), minlength=200)
    assert counts.sum() == num_draws
    # The time axis is in units of draws only on average, so one draw of slack stands beside the bound of one.
    assert np.abs(counts - num_draws * weights).max() <= 2


def test_a_longer_run_begins_with_the_draws_of_a_shorter_one() -> None:
    weights = np.random.default_rng(0).random(50)
    assert draw_order(weights, 1000, seed=5)[:137].tolist() == draw_order(weights, 137, seed=5).tolist()


def test_half_of_the_weight_is_close_to_half_of_every_batch() -> None:
    weights = np.concatenate([np.full(8000, 0.5 / 8000), np.full(400, 0.5 / 400)])
    added = draw_order(weights, 120 * 64, seed=2).reshape(120, 64) >= 8000
    assert abs(added.mean() - 0.5) < 0.01
    assert added.sum(axis=1).std() < 4.0  # independent draws would give sqrt(64) / 2


def test_a_row_of_no_weight_is_never_drawn() -> None:
    assert 1 not in draw_order(np.array([1.0, 0.0, 3.0]), 500, seed=0)


def test_draws_for_tokens_are_the_fewest_that_hold_them() -> None:
    rng = np.random.default_rng(0)
    weights, lengths = rng.random(300), rng.integers(3, 40, 300)
    weights /= weights.sum()
    num_draws = num_draws_for_tokens(lengths, weights, 10_000, seed=4)
    order = draw_order(weights, num_draws, seed=4)
    assert lengths[order].sum() >= 10_000 > lengths[order[:-1]].sum()
