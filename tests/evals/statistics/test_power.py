"""The power of the whole gate against closed forms, and against the gate itself on simulated answers."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from builders.answers import noise_share, simulated_arms
from scipy import stats

from evals.statistics.compare import accepts, non_inferior
from evals.statistics.power import (
    Judgement,
    MeasuredOn,
    detectable_gain,
    enough_items,
    enough_seeds,
    guard_power,
    power_at,
)

START = Judgement(MeasuredOn(0.7, 200), num_seeds=3, alpha=0.015)


@pytest.mark.parametrize(
    ("base", "num_items", "num_seeds", "num_controls", "gain", "run_sd"),
    [
        (0.6, 900, 5, 1, 0.05, 0.015),
        (0.6, 900, 3, 2, 0.06, 0.015),
        (0.3, 300, 3, 2, 0.1, 0.02),
        (0.9, 300, 3, 2, 0.06, 0.003),
        (0.6, 60, 3, 2, 0.2, 0.01),
    ],
)
def test_the_gate_accepts_a_gain_as_often_as_announced(
    base: float, num_items: int, num_seeds: int, num_controls: int, gain: float, run_sd: float
) -> None:
    items = MeasuredOn(base, num_items, run_sd, noise_share=noise_share(base))
    rng, level = np.random.default_rng(0), 0.0152
    loops = [simulated_arms(rng, items, num_seeds, num_controls + 1, gain) for _ in range(300)]
    accepted = np.mean([accepts(arms[0], arms[1:], level).is_accepted for arms in loops])
    announced = power_at(Judgement(items, num_seeds, level, num_controls), gain)
    assert accepted == pytest.approx(announced, abs=0.08)  # three standard errors of the simulation


@pytest.mark.parametrize(("draw_sd", "num_seeds", "gain"), [(0.0, 3, 0.08), (0.02, 3, 0.1), (0.04, 5, 0.1)])
def test_against_an_arm_by_chance_the_gate_accepts_a_gain_as_often_as_announced(
    draw_sd: float, num_seeds: int, gain: float
) -> None:
    items = MeasuredOn(0.6, 600, 0.015, noise_share=noise_share(0.6), draw_variance=draw_sd**2)
    rng, level = np.random.default_rng(0), 0.0152
    loops = [simulated_arms(rng, items, num_seeds, 3, gain, num_by_chance=1) for _ in range(300)]
    accepted = np.mean([accepts(arms[0], arms[1:], level).is_accepted for arms in loops])
    announced = power_at(Judgement(items, num_seeds, level, 2, num_by_chance=1), gain)
    assert accepted == pytest.approx(announced, abs=0.08)  # three standard errors of the simulation
    assert announced <= power_at(Judgement(items, num_seeds, level, 2), gain) + 0.01


@pytest.mark.parametrize(("base", "num_items", "run_sd"), [(0.95, 600, 0.004), (0.9, 300, 0.005), (0.8, 900, 0.01)])
def test_unharmed_guards_are_shown_as_often_as_announced(base: float, num_items: int, run_sd: float) -> None:
    items = MeasuredOn(base, num_items, run_sd, noise_share=noise_share(base))
    rng = np.random.default_rng(0)
    pairs = [simulated_arms(rng, items, 3, 2, 0.0) for _ in range(300)]
    shown = np.mean([non_inferior(*pair, 0.03).is_shown for pair in pairs])
    assert shown == pytest.approx(guard_power(replace(START, guards=(items,))), abs=0.08)


def test_figures_made_with_another_program_come_out() -> None:
    # One control, 900 items, seed deviation .015, level .015; there a repair shifted all items alike.
    for gain, num_seeds, share in ((0.05, 5, 0.86), (0.05, 3, 0.46), (0.04, 5, 0.65), (0.04, 8, 0.90)):
        judgement = Judgement(MeasuredOn(0.6, 900), num_seeds, 0.015, num_controls=1)
        assert power_at(judgement, gain) == pytest.approx(share, abs=0.04)


def test_with_endless_items_the_gate_is_a_t_test_of_run_means() -> None:
    # Against one control, known variance: noncentral t on 2 (S - 1) degrees of freedom; a repair of nothing else.
    base, gain, run_sd, num_seeds = 0.5, 0.02, 0.01, 5
    judgement = Judgement(MeasuredOn(base, 10**9, run_sd, noise_share=0.0), num_seeds, 0.05, num_controls=1)
    shrunk = 1 - gain / (1 - base)  # what is mended no longer varies
    spread = run_sd * np.sqrt((1 + shrunk**2) / num_seeds)
    df = 2 * (num_seeds - 1)
    expected = stats.nct.sf(stats.t.isf(0.05, df), df, gain / spread)
    assert power_at(judgement, gain) == pytest.approx(expected, abs=0.01)


def test_without_a_gain_no_more_than_the_level_is_accepted_and_less_against_two_controls() -> None:
    one = power_at(replace(START, num_controls=1), 0.0)
    two = power_at(START, 0.0)
    assert two < one <= START.alpha
    # The challenger is shared, so beating both is far likelier than beating two independent controls.
    assert two > 5 * one**2


def test_the_detectable_gain_has_the_power_that_was_asked_for() -> None:
    for power in (0.5, 0.8, 0.95):
        gain = detectable_gain(START, power)
        assert gain is not None
        assert power_at(START, gain) == pytest.approx(power, abs=5e-3)


def test_power_rises_with_the_gain_up_to_everything_mended() -> None:
    powers = [power_at(START, gain) for gain in np.linspace(0, 0.3, 31)]
    assert all(b >= a for a, b in pairwise(powers))
    assert powers[-1] > 0.99


def test_more_items_seeds_and_earlier_rounds_make_smaller_gains_visible() -> None:
    start = detectable_gain(START)
    assert start is not None
    for better in (
        replace(START, endpoint=MeasuredOn(0.7, 800)),
        replace(START, num_seeds=6),
        replace(START, num_controls=1),
        replace(START, earlier_df=12),
    ):
        gain = detectable_gain(better)
        assert gain is not None
        assert gain < start


def test_every_guard_multiplies_its_own_chance() -> None:
    guard = MeasuredOn(0.9, 400, 0.005)
    alone = guard_power(replace(START, guards=(guard,)))
    assert guard_power(replace(START, guards=(guard, guard))) == pytest.approx(alone**2)
    assert power_at(replace(START, guards=(guard,)), 0.2) == pytest.approx(power_at(START, 0.2) * alone)


def test_a_gain_that_cannot_exist_is_none() -> None:
    assert detectable_gain(Judgement(MeasuredOn(0.98, 10), 3, 0.015)) is None
    hopeless = replace(START, guards=(MeasuredOn(0.9, 30, 0.003),))  # thirty items never show a loss below .03
    assert detectable_gain(hopeless) is None
    assert enough_seeds(hopeless, 0.2) is None
    assert enough_items(hopeless, 0.2) is not None


def test_what_is_called_enough_is_just_enough() -> None:
    seeds = enough_seeds(START, 0.1)
    assert seeds is not None
    assert power_at(replace(START, num_seeds=seeds), 0.1) >= 0.8 > power_at(replace(START, num_seeds=seeds - 1), 0.1)
    items = enough_items(START, 0.1)
    assert items is not None
    assert power_at(replace(START, endpoint=MeasuredOn(0.7, items)), 0.1) >= 0.8
    assert power_at(replace(START, endpoint=MeasuredOn(0.7, int(0.9 * items))), 0.1) < 0.8


def test_a_gain_announced_on_an_estimated_variance_is_seen_in_80_percent_on_average() -> None:
    # Run variance dominates, so everything hangs on its estimate from three arms of three seeds.
    truth, rng = MeasuredOn(0.5, 5000, 0.02), np.random.default_rng(0)
    powers: dict[int | None, list[float]] = {6: [], None: []}
    for _ in range(40):
        estimate = 0.02 * np.sqrt(rng.chisquare(6) / 6)
        for df, found in powers.items():
            guess = Judgement(MeasuredOn(0.5, 5000, estimate, run_df=df), 3, 0.0152)
            gain = detectable_gain(guess)
            assert gain is not None
            found.append(power_at(replace(guess, endpoint=truth), gain))
    assert np.mean(powers[6]) == pytest.approx(0.8, abs=0.05)
    assert np.mean(powers[None]) < 0.77  # taken at its word the estimate promises too much


def test_fewer_seeds_than_the_gate_needs_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"power needs at least 3 seeds, 1 item and 1 control that .* got 2, 200 and 2;"
    ):
        replace(START, num_seeds=2)
