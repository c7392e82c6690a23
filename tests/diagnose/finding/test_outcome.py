"""Conclusions from small trainings whose truth is known: drawn from effects, or a closed form."""

from dataclasses import replace

import numpy as np
import pytest
from builders.findings import finding

from diagnose.finding.finding import Cause
from diagnose.finding.outcome import Contrast, experiments, least_effect, rising, settled
from diagnose.finding.outcome import concluded as concluded_in_words
from diagnose.finding.trials import Trials, Tried

LENGTH = 0.1
GAP = 0.5
ADD = Contrast(Cause.MISSING_DATA, "add", ("same",), "rows added", ("the same data",), LENGTH)
CLEAN = Contrast(Cause.WRONG_LABELS, "clean", ("random-removal",), "rows left out", ("as many at random",), LENGTH)
ON = Contrast(Cause.TRAINING_SETUP, "same", ("",), "trained on", ("the model as it is",), LENGTH)


def trials(
    gains: dict[str, float],
    *,
    seed: int = 0,
    num_items: int = 40,
    num_seeds: int = 2,
    item_sd: float = 0.1,
    run_sd: float = 0.01,
    of_seeds: float = 0.05,
) -> Trials:
    """Arms that raise the likelihood by so much of the gap; items, runs and seeds differ by chance."""
    rng = np.random.default_rng(seed)
    before = 0.2 + item_sd * rng.standard_normal(num_items)
    common = of_seeds * rng.standard_normal(num_seeds)[:, None]
    arms = {
        name: before
        + GAP * gain
        + common
        + run_sd * rng.standard_normal((num_seeds, 1))
        + item_sd * rng.standard_normal((num_seeds, num_items)) / 4
        for name, gain in gains.items()
    }
    tried = Tried(before, arms)
    is_failed = np.arange(num_items) < num_items // 2
    return Trials(tried, is_failed, tried, is_failed, 0.5, GAP)


def concluded(of: Trials, *tested: Contrast) -> dict[Cause, float]:
    made = experiments(of, tested, np.random.default_rng(1))
    return {one.cause: one.works for one in made}


def test_a_small_training_has_to_close_what_a_constant_rate_needs_for_half_of_the_gap() -> None:
    assert least_effect(1.0) == 0.5
    assert least_effect(0.5) == pytest.approx(1 - 0.5**0.5)  # twice: 1 - (1 - e)^2 = 1/2
    assert (1 - least_effect(0.1)) ** 10 == pytest.approx(0.5)


def test_a_repair_of_several_slices_is_not_refuted_for_one_of_them_by_what_its_part_of_the_dose_cannot_do() -> None:
    shared = replace(ADD, part=0.2)
    assert shared.needed_of_part == pytest.approx(1 - 0.5**0.02)
    alone, part = [], []
    for seed in range(20):
        little = trials({"same": 0.0, "add": 0.05}, seed=seed, num_items=120, num_seeds=4, of_seeds=0.0)
        alone.append(concluded(little, ADD)[Cause.MISSING_DATA])
        part.append(concluded(little, shared)[Cause.MISSING_DATA])
    assert np.mean(alone) <= 0.35
    assert 0.45 <= np.median(part) <= 0.65


def test_a_repair_counts_by_the_control_over_which_it_does_least() -> None:
    of = trials({"same": 0.0, "own": 0.3, "add": 0.31}, num_items=400, num_seeds=6, of_seeds=0.0, run_sd=0.001)
    both = replace(ADD, controls=("same", "own"), control_says=("the same data", "as many draws of own rows"))
    over_same, over_both = (experiments(of, [one], np.random.default_rng(0))[0] for one in (ADD, both))
    assert over_same.effect.mean == pytest.approx(0.31, abs=0.01)
    assert over_same.works > 0.95
    assert over_both.effect.mean == pytest.approx(0.01, abs=0.01)
    assert over_both.works < 0.05
    assert (over_same.control, over_both.control) == ("the same data", "as many draws of own rows")


def test_two_repairs_that_shared_their_doses_stay_as_open_as_each_other() -> None:
    raised = Contrast(
        Cause.UNDERWEIGHTED, "raise", ("same",), "rows drawn more often", ("the same data",), LENGTH, part=0.2
    )
    of = trials({"same": 0.0, "add": 0.05, "raise": 0.05}, num_items=400, num_seeds=6, of_seeds=0.0, run_sd=0.001)
    made = {one.cause: one for one in experiments(of, [raised, replace(ADD, part=0.2)], np.random.default_rng(0))}
    assert all(one.is_part for one in made.values())
    assert all(one.works == pytest.approx(0.5, abs=0.05) for one in made.values())
    assert made[Cause.MISSING_DATA].is_first == pytest.approx(0.25, abs=0.05)  # as of two coins
    says = concluded_in_words(replace(finding(Cause.MISSING_DATA), experiments=tuple(made.values())))
    assert says.startswith("What helps was tried for several slices at once, and had a part of the dose: rows")


def test_a_repair_of_several_slices_that_does_nothing_for_one_of_them_is_refuted_there() -> None:
    shared = replace(ADD, part=0.2)
    found = [concluded(trials({"same": 0.0, "add": 0.0}, seed=seed), shared)[Cause.MISSING_DATA] for seed in range(40)]
    assert np.mean([works >= 0.4 for works in found]) <= 0.1
    assert np.median(found) <= 0.1
    enough = concluded(trials({"same": 0.0, "add": 0.3}), shared)[Cause.MISSING_DATA]
    assert enough >= 0.95


def test_effects_are_shares_of_the_gap_and_what_all_arms_of_a_seed_share_is_no_noise_between_arms() -> None:
    of = trials({"same": 0.0, "add": 0.6, "random-removal": 0.0, "clean": 0.0}, of_seeds=1.0)
    add, clean = sorted(experiments(of, [ADD, CLEAN], np.random.default_rng(0)), key=lambda one: -one.effect.mean)
    assert add.cause is Cause.MISSING_DATA
    assert add.effect.mean == pytest.approx(0.6, abs=0.06)
    assert clean.effect.mean == pytest.approx(0.0, abs=0.06)
    assert add.effect.high - add.effect.low < 0.3  # a thirtieth of what the seeds share
    assert add.works > 0.99
    assert clean.works < 0.15


def test_intervals_of_effects_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(200):
        of = trials({"same": 0.0, "add": 0.3, "random": 0.1, "clean": 0.2}, seed=seed, run_sd=0.03)
        [one] = experiments(of, [ADD], np.random.default_rng(seed))
        held.append(one.effect.low <= 0.3 <= one.effect.high)
    assert 0.9 <= np.mean(held) <= 1.0


def test_more_seeds_of_some_arms_narrow_these_alone() -> None:
    few = trials({"same": 0.0, "add": 0.3, "random": 0.0, "clean": 0.0}, num_seeds=4, run_sd=0.05)
    arms = {name: runs if name in ("same", "add") else runs[:2] for name, runs in few.likelihood.arms.items()}
    mixed = replace(few, likelihood=Tried(few.likelihood.before, arms), score=Tried(few.likelihood.before, arms))
    two = {name: runs[:2] for name, runs in few.likelihood.arms.items()}
    only = replace(few, likelihood=Tried(few.likelihood.before, two), score=Tried(few.likelihood.before, two))
    [wide], [narrow] = (experiments(one, [ADD], np.random.default_rng(0)) for one in (only, mixed))
    assert (wide.num_seeds, narrow.num_seeds) == (2, 4)
    assert narrow.effect.high - narrow.effect.low < wide.effect.high - wide.effect.low


def test_failed_and_passing_items_weigh_as_much_as_they_are_of_the_slice() -> None:
    before = np.zeros(30)
    after = np.where(np.arange(30) < 10, 1.0, 0.0)  # the ten failed items are mended, nothing else changes
    tried = Tried(before, {"same": np.tile(before, (2, 1)), "add": np.tile(after, (2, 1))})
    is_failed = np.arange(30) < 10
    [one] = experiments(Trials(tried, is_failed, tried, is_failed, 0.8, 1.0), [ADD], np.random.default_rng(0))
    assert one.score is not None
    assert one.score.mean == pytest.approx(0.8)


def test_items_that_were_not_answered_have_no_score_and_count_in_the_effect_all_the_same() -> None:
    of = trials({"same": 0.0, "add": 0.6})
    nothing = Tried(np.zeros(0), {name: runs[:, :0] for name, runs in of.score.arms.items()})
    [one] = experiments(
        replace(of, score=nothing, is_failed_of_scores=np.zeros(0, bool)), [ADD], np.random.default_rng(0)
    )
    assert one.score is None
    assert one.effect.mean == pytest.approx(0.6, abs=0.06)


def test_the_first_cause_in_the_order_of_causes_is_named_where_two_repairs_work() -> None:
    of = trials({"same": 0.0, "random-removal": 0.0, "clean": 0.4, "add": 0.7})
    made = experiments(of, [ADD, CLEAN, ON], np.random.default_rng(0))
    causes = settled({Cause.MISSING_DATA: 1.0}, made)
    assert max(causes, key=lambda cause: causes[cause]) is Cause.WRONG_LABELS
    assert sum(causes.values()) == pytest.approx(1.0)


def test_where_no_repair_works_the_cause_is_one_that_no_training_tested() -> None:
    made = experiments(
        trials({"same": 0.0, "random-removal": 0.0, "clean": 0.0, "add": 0.0}),
        [ADD, CLEAN, ON],
        np.random.default_rng(0),
    )
    for first in (Cause.CAPACITY, Cause.WRONG_GOLD):
        causes = settled({first: 0.9, Cause.WRONG_LABELS: 0.1}, made)
        assert max(causes, key=lambda cause: causes[cause]) is first
    causes = settled({Cause.WRONG_LABELS: 0.99, Cause.CAPACITY: 0.01}, made)
    assert max(causes, key=lambda cause: causes[cause]) is Cause.UNKNOWN


def test_where_nothing_helps_and_little_can_be_told_hardly_a_cause_is_named_for_certain() -> None:
    certain, named = [], []
    for seed in range(100):
        nothing = dict.fromkeys(("same", "random-removal", "clean", "add"), 0.0)
        of = trials(nothing, seed=seed, num_items=8, item_sd=0.4, run_sd=0.1)
        made = experiments(of, [ADD, CLEAN], np.random.default_rng(seed))
        causes = settled({Cause.CAPACITY: 0.4, Cause.MISSING_DATA: 0.3}, made)
        tested = max(causes.get(Cause.MISSING_DATA, 0.0), causes.get(Cause.WRONG_LABELS, 0.0))
        certain.append(tested >= 0.9)
        named.append(tested >= 0.5)
    assert np.mean(certain) <= 0.05
    assert np.mean(named) <= 0.5


def test_training_on_is_compared_with_the_model_as_it_is() -> None:
    assert concluded(trials({"same": 0.5, "add": 0.5}, of_seeds=0.01), ON, ADD)[Cause.TRAINING_SETUP] > 0.95
    assert concluded(trials({"same": -0.2, "add": 0.3}, of_seeds=0.01), ON, ADD)[Cause.TRAINING_SETUP] < 0.05


def test_a_repair_that_does_less_than_half_of_the_best_is_not_the_cause_though_it_comes_first() -> None:
    weigh = Contrast(Cause.UNDERWEIGHTED, "raise", ("same",), "rows raised", ("the same data",), LENGTH)
    for of_raise, first in ((0.2, Cause.MISSING_DATA), (0.5, Cause.UNDERWEIGHTED)):
        made = experiments(trials({"same": 0.0, "raise": of_raise, "add": 0.7}), [weigh, ADD], np.random.default_rng(0))
        assert all(one.works > 0.95 for one in made)
        causes = settled({}, made)
        assert max(causes, key=lambda cause: causes[cause]) is first


def test_trainings_of_other_lengths_are_compared_in_as_many_tokens() -> None:
    long = Contrast(Cause.TRAINING_SETUP, "longer", ("",), "trained on", ("the model as it is",), 0.3)
    for closed, first in ((1 - 0.9**3, Cause.TRAINING_SETUP), (0.14, Cause.MISSING_DATA)):  # .1 of the gap in a tenth
        of = trials({"same": 0.0, "longer": closed, "add": 0.15}, of_seeds=0.001, run_sd=0.001, item_sd=0.01)
        [one, _] = made = experiments(of, [long, ADD], np.random.default_rng(0))
        assert one.cause is Cause.TRAINING_SETUP
        causes = settled({}, made)
        assert max(causes, key=lambda cause: causes[cause]) is first


def test_what_items_of_other_labels_lose_is_subtracted_and_what_they_gain_is_not_added() -> None:
    same = trials({"same": 0.0, "add": 0.6})
    for change, expected in ((-0.1, 0.4), (0.3, 0.6)):  # two other items for each of the slice
        others = trials({"same": 0.0, "add": change}, seed=1, run_sd=0.001, item_sd=0.01, of_seeds=0.001)
        of = replace(same, rest=others.likelihood, rest_weight=2.0)
        [one] = experiments(of, [ADD], np.random.default_rng(0))
        assert one.effect.mean == pytest.approx(expected, abs=0.06)


def test_as_many_rows_at_random_are_told_beside_rows_that_are_added_and_change_no_conclusion() -> None:
    of = trials({"same": 0.0, "add": 0.6, "random": 0.4})
    [beside] = experiments(of, [replace(ADD, at_random="random")], np.random.default_rng(0))
    [alone] = experiments(of, [ADD], np.random.default_rng(0))
    assert beside.at_random is not None
    assert beside.at_random.mean == pytest.approx(0.4, abs=0.06)
    assert replace(beside, at_random=None) == alone


def of_likelihoods(before: float, arms: dict[str, float]) -> Trials:
    """Failed and passing items with these likelihoods; passing ones stay at .9."""
    rng = np.random.default_rng(0)
    is_failed = np.arange(40) < 20

    def read(value: float, shape: tuple[int, ...]) -> np.ndarray:
        return np.where(is_failed, value, 0.9) * np.exp(0.05 * rng.standard_normal(shape))

    tried = Tried(read(before, (40,)), {name: read(value, (2, 40)) for name, value in arms.items()})
    return Trials(tried, is_failed, tried, is_failed, 1.0, 0.9 - before)


LONGER = replace(ADD, arm="add-longer", controls=("same-longer",), length=0.3, shorter=("add", ("same",), LENGTH))


def test_a_repair_whose_likelihood_comes_late_is_neither_shown_nor_refuted() -> None:
    arms = {"same": 1e-4, "same-longer": 1e-4, "add": 8e-3, "add-longer": 4e-2}
    of = of_likelihoods(1e-4, arms)
    [one] = experiments(of, [LONGER], np.random.default_rng(0))
    assert one.effect.mean < least_effect(0.3) / 2
    assert (one.is_rising, one.works) == (True, 0.5)
    assert rising(of, [ADD], np.random.default_rng(0))[Cause.MISSING_DATA] > 0.99


def test_a_model_that_only_becomes_less_sure_at_once_is_not_rising_still() -> None:
    of = of_likelihoods(0.02, {"same": 0.02, "same-longer": 0.02, "add": 0.05, "add-longer": 0.05})
    [one] = experiments(of, [LONGER], np.random.default_rng(0))
    assert not one.is_rising
    assert one.works < 0.01


def test_training_on_is_held_against_as_many_tokens_as_the_model_was_trained_for() -> None:
    of = trials({"same": 0.06}, of_seeds=0.0)
    arm, own = (replace(ON, of_full=of_full) for of_full in (LENGTH, LENGTH / 4))
    assert arm.needed == least_effect(LENGTH) > 0.06 > own.needed == least_effect(LENGTH / 4)
    assert concluded(of, own)[Cause.TRAINING_SETUP] > 0.9 > concluded(of, arm)[Cause.TRAINING_SETUP]


def test_cleaning_that_works_comes_before_rows_that_do_more_and_drawing_rows_more_often_does_not() -> None:
    raised = replace(ADD, cause=Cause.UNDERWEIGHTED, arm="raise")
    of = trials({"same": 0.0, "add": 0.6, "raise": 0.2, "random-removal": 0.0, "clean": 0.2})
    first = {one.cause: one.is_first for one in experiments(of, [ADD, CLEAN], np.random.default_rng(0))}
    assert first[Cause.WRONG_LABELS] > 0.9
    second = {one.cause: one.is_first for one in experiments(of, [ADD, raised], np.random.default_rng(0))}
    assert second[Cause.MISSING_DATA] > 0.9
