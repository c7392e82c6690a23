"""What a judgement with looks is announced to do, against judgements on simulated answers, and against one look."""

from dataclasses import replace

import numpy as np
import pytest
from builders.answers import noise_share, simulated_arms
from scipy import stats

from evals.statistics.compare import ArmScores
from evals.statistics.looks import (
    LEAST_PREDICTIVE_POWER,
    Looks,
    gate_at,
    guard_at,
    guard_predictive_power,
    is_shown_harmed,
)
from evals.statistics.looks_power import gain_seen, prospect
from evals.statistics.power import Judgement, MeasuredOn

ITEMS = MeasuredOn(0.6, 500, 0.02, noise_share=noise_share(0.6))
JUDGEMENT = Judgement(ITEMS, num_seeds=3, alpha=0.0152)
GUARD = MeasuredOn(0.9, 600, 0.01, noise_share=noise_share(0.9))


def first(arm: ArmScores, num_seeds: int) -> ArmScores:
    return ArmScores(arm.name, arm.items, arm.scores[:num_seeds], arm.is_by_chance)


def played(rng: np.random.Generator, gain: float, guard: MeasuredOn | None) -> tuple[bool, int]:
    """One judgement on drawn answers: whether it accepts, and the seeds it takes."""
    looks = Looks.between(3, 8, JUDGEMENT.alpha)
    arms = simulated_arms(rng, ITEMS, 8, 3, gain)
    pair = simulated_arms(rng, guard, 8, 2, 0.0) if guard is not None else []
    for look, seeds in enumerate(looks.seeds):
        found = gate_at(first(arms[0], seeds), [first(arm, seeds) for arm in arms[1:]], looks, look)
        is_shown, ends = True, found.is_futile
        if pair:
            tested = guard_at(first(pair[0], seeds), first(pair[1], seeds), JUDGEMENT.margin, looks, look)
            foreseen = guard_predictive_power(tested.change, JUDGEMENT.margin, seeds, looks)
            is_shown = tested.is_shown
            ends |= not is_shown and foreseen < LEAST_PREDICTIVE_POWER
            ends |= is_shown_harmed(tested.change, JUDGEMENT.margin)
        if found.gate.is_accepted and is_shown:
            return True, seeds
        if ends:
            return False, seeds
    return False, seeds


@pytest.mark.parametrize(("gain", "guard"), [(0.0, None), (0.05, None), (0.08, None), (0.08, GUARD)])
def test_judgements_accept_as_often_and_take_as_many_seeds_as_announced(gain: float, guard: MeasuredOn | None) -> None:
    rng = np.random.default_rng(0)
    loops = [played(rng, gain, guard) for _ in range(300)]
    announced = prospect(replace(JUDGEMENT, guards=(guard,) if guard is not None else ()), 8, gain)
    assert np.mean([accepted for accepted, _ in loops]) == pytest.approx(announced.at_last, abs=0.08)
    assert np.mean([accepted and seeds == 3 for accepted, seeds in loops]) == pytest.approx(
        announced.at_first, abs=0.08
    )
    assert np.mean([seeds for _, seeds in loops]) == pytest.approx(announced.num_seeds, abs=0.35)


def test_with_one_look_and_endless_items_it_is_the_power_of_welch_s_test() -> None:
    base, gain, run_sd, num_seeds = 0.5, 0.02, 0.01, 5
    endless = MeasuredOn(base, 10**9, run_sd, noise_share=0.0)
    found = prospect(Judgement(endless, num_seeds, 0.05, num_controls=1), num_seeds, gain)
    assert found.at_first == found.at_last
    assert found.num_seeds == num_seeds
    shrunk = 1 - gain / (1 - base)  # what is mended no longer varies
    rng = np.random.default_rng(0)
    fix = gain + shrunk * run_sd * rng.normal(size=(20_000, num_seeds))
    control = run_sd * rng.normal(size=(20_000, num_seeds))
    p = stats.ttest_ind(fix, control, axis=1, equal_var=False, alternative="greater").pvalue
    assert found.at_last == pytest.approx((p < 0.05).mean(), abs=0.02)


def test_more_looks_see_more_and_take_fewer_seeds_than_the_last_look_alone() -> None:
    found = prospect(JUDGEMENT, 8, 0.08)
    assert found.at_first < found.at_last <= prospect(replace(JUDGEMENT, num_seeds=8), 8, 0.08).at_last
    assert 3 < found.num_seeds < 8
    assert prospect(JUDGEMENT, 8, 0.0).num_seeds < 3.6
    assert prospect(JUDGEMENT, 8, 0.0).at_last <= JUDGEMENT.alpha


def test_the_gain_that_is_seen_has_the_power_that_was_asked_for_and_falls_with_seeds() -> None:
    gain = gain_seen(JUDGEMENT, 8)
    assert gain is not None
    assert prospect(JUDGEMENT, 8, gain).at_last == pytest.approx(0.8, abs=0.01)
    alone = gain_seen(JUDGEMENT, 3)
    assert alone is not None
    assert gain < alone
    assert gain_seen(replace(JUDGEMENT, endpoint=MeasuredOn(0.99, 20)), 8) is None
    with pytest.raises(ValueError, match="power must be between 0 and 1"):
        gain_seen(JUDGEMENT, 8, 1.0)
