"""Losses of groups: false alarms of all groups together, and ruins that are seen."""

import numpy as np
import pytest

from evals.statistics.compare import ArmScores
from evals.statistics.harm import LEVEL, group_changes, holm

LIMIT = 0.06


def arms(rng: np.random.Generator, loss: float, num_items: int = 200, num_arms: int = 3) -> list[ArmScores]:
    """Challenger first; items and runs are samples."""
    easy = np.clip(rng.beta(2, 1, num_items), 0.1, 0.9)
    items = tuple(map(str, range(num_items)))
    found = []
    for number in range(num_arms):
        shift = rng.normal(0, 0.015, (3, 1)) - (loss if number == 0 else 0)
        found.append(ArmScores(str(number), items, (rng.random((3, num_items)) < easy + shift).astype(float)))
    return found


def test_eight_small_groups_that_lose_nothing_raise_an_alarm_in_one_of_twenty_at_most() -> None:
    rng = np.random.default_rng(0)
    alarms = [
        any(c.is_harmed for c in group_changes({k: arms(rng, 0.0, num_items=60) for k in range(8)}, LIMIT).values())
        for _ in range(300)
    ]
    # Standard error of .013 at a rate of .05.
    assert np.mean(alarms) <= LEVEL + 2 * 0.013


def test_a_group_that_loses_half_of_its_score_is_seen_every_time() -> None:
    rng = np.random.default_rng(1)
    harmed = [
        [k for k, change in group_changes(groups, LIMIT).items() if change.is_harmed]
        for groups in ({k: arms(rng, 0.35 if k == 3 else 0.0, num_items=100) for k in range(8)} for _ in range(20))
    ]
    assert all(3 in found for found in harmed)
    assert sum(found != [3] for found in harmed) <= 3  # of 20, where one is expected


def test_a_loss_that_is_shown_but_within_the_limit_is_no_harm() -> None:
    rng = np.random.default_rng(2)
    found = group_changes({0: arms(rng, 0.045, num_items=20_000)}, LIMIT)[0]
    assert found.p < 0.05
    assert -LIMIT < found.change.mean < 0
    assert not found.is_harmed


def test_holm_rejects_step_by_step_and_stops_at_the_first_that_fails() -> None:
    # .001 < .05/4, .013 < .05/3, .03 > .05/2: the last two stay, though .04 is below .05.
    assert holm([0.03, 0.001, 0.04, 0.013], 0.05) == [False, True, False, True]


def test_a_limit_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="limit of a loss must be positive, got 0"):
        group_changes({0: arms(np.random.default_rng(0), 0.0)}, 0)


def test_what_training_on_costs_a_group_is_harm_against_the_model_before() -> None:
    """The control has lost as much, so that nothing is shown against it."""
    rng = np.random.default_rng(4)
    lost = {0: arms(rng, 0.0, num_items=400)}
    model = ArmScores("before", lost[0][0].items, np.minimum(lost[0][0].scores.mean(axis=0, keepdims=True) + 0.3, 1))
    alone, beside = group_changes(lost, LIMIT)[0], group_changes(lost, LIMIT, models={0: model})[0]
    assert (alone.is_harmed, beside.is_harmed) == (False, True)
    assert alone.change == beside.change
