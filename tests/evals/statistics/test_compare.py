"""The gate of `evals.statistics.compare`, against closed forms, slow twins and simulation."""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from evals.statistics.compare import ArmScores, accepts, compare, compare_to_model, non_inferior
from evals.statistics.difference import item_variance_at_loss
from evals.statistics.intervals import score_interval, wilson
from evals.statistics.paired import flips
from evals.statistics.run_variance import RunVariance, pool_runs, run_variance
from evals.statistics.spending import alpha_at

PAIR = (("fix", 0.1), ("continue", 0.0))
"""Arms whose runs differ alike, and how much the first is better."""


def arm(name: str, scores: NDArray[np.float64]) -> ArmScores:
    return ArmScores(name, tuple(f"task/{k}" for k in range(scores.shape[1])), scores)


def random_arm(name: str, seed: int, num_seeds: int = 4, num_items: int = 12) -> ArmScores:
    return arm(name, np.random.default_rng(seed).random((num_seeds, num_items)))


def slow_variance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The module's formula by loops over seeds and items."""
    n, squares, df = a.shape[1], 0.0, 0
    residual, residual_df = 0.0, 0
    for scores in (a, b):
        run_means = [sum(row) / n for row in scores]
        mean = sum(run_means) / len(run_means)
        squares += sum((m - mean) ** 2 for m in run_means)
        df += len(run_means) - 1
        for s, row in enumerate(scores):
            for i, score in enumerate(row):
                item_mean = sum(scores[r][i] for r in range(len(scores))) / len(scores)
                residual += (score - run_means[s] - item_mean + mean) ** 2
        residual_df += (len(scores) - 1) * (n - 1)
    d = [sum(a[:, i]) / len(a) - sum(b[:, i]) / len(b) for i in range(n)]
    d_mean = sum(d) / n
    s2_d = max(1 / n, sum((x - d_mean) ** 2 for x in d) / (n - 1))
    factor = 1 / len(a) + 1 / len(b)
    runs, items, shared = squares / df * factor, s2_d / n, residual / residual_df * factor / n
    return max(runs, items, runs + items - shared)


def test_the_standard_error_agrees_with_a_slow_twin() -> None:
    for seed in range(20):
        a, b = random_arm("a", seed, num_seeds=3 + seed % 3), random_arm("b", 100 + seed)
        result = compare(a, b)
        assert result.se**2 == pytest.approx(slow_variance(a.scores, b.scores), rel=1e-9)
        assert result.mean == pytest.approx(a.scores.mean() - b.scores.mean())


def test_with_identical_answers_to_every_item_the_gate_is_the_t_test_of_run_means() -> None:
    # No item differs from another, so only runs vary: the textbook pooled t test of run means.
    means_a, means_b = np.array([10.0, 11.0, 12.5]), np.array([9.0, 9.5, 10.0])
    a, b = (np.repeat(means[:, None], 50, axis=1) for means in (means_a, means_b))
    result = compare(arm("a", a), arm("b", b))
    expected = stats.ttest_ind(means_a, means_b, alternative="greater")
    assert result.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert result.df == pytest.approx(4)
    low, high = stats.ttest_ind(means_a, means_b).confidence_interval()
    assert (result.low, result.high) == pytest.approx((low, high))


def test_an_arm_that_draws_other_rows_each_time_is_compared_by_welch_s_t_test() -> None:
    means_a, means_b = np.array([10.0, 10.1, 10.2, 10.1, 10.05]), np.array([9.0, 9.9, 9.4, 8.8, 9.6])
    a, b = (np.repeat(means[:, None], 50, axis=1) for means in (means_a, means_b))
    result = compare(arm("a", a), replace(arm("b", b), is_by_chance=True))
    expected = stats.ttest_ind(means_a, means_b, equal_var=False, alternative="greater")
    assert result.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert result.df == pytest.approx(expected.df)


def test_arms_that_draw_other_rows_leave_the_run_variance_of_the_others_alone() -> None:
    steady = [arm(name, np.repeat(np.array([[0.5], [0.51], [0.52]]) + shift, 40, axis=1)) for name, shift in PAIR]
    wild = replace(arm("random", np.repeat([[0.2], [0.5], [0.4]], 40, axis=1)), is_by_chance=True)
    both = accepts(steady[0], [steady[1], wild], 0.025)
    alone = accepts(steady[0], [steady[1]], 0.025)
    assert both.comparisons[0] == alone.comparisons[0]
    assert both.comparisons[1].se > 3 * both.comparisons[0].se


def test_what_earlier_judgements_know_of_draws_adds_degrees_of_freedom_and_takes_no_variance_away() -> None:
    fix, old = (arm(name, np.repeat(np.array([[0.5], [0.51], [0.52]]) + shift, 40, axis=1)) for name, shift in PAIR)
    wild = replace(arm("random", np.repeat([[0.3], [0.35], [0.4]], 40, axis=1)), is_by_chance=True)  # variance .0025
    alone, quiet, loud = (
        accepts(fix, [old, wild], 0.025, of_chance=known).comparisons[1]
        for known in (None, RunVariance(0.0001, 8), RunVariance(0.01, 8))
    )
    assert quiet.se == pytest.approx(alone.se)
    assert quiet.df > 2 * alone.df
    assert quiet.p < alone.p
    pooled = (2 * 0.0025 + 8 * 0.01) / 10
    assert loud.se**2 - alone.se**2 == pytest.approx((pooled - 0.0025) / 3, rel=1e-6)


def test_at_the_level_of_a_tenth_look_what_the_looks_before_have_seen_of_draws_keeps_it() -> None:
    rng, level, beaten = np.random.default_rng(0), 0.01, []
    for _ in range(3000):
        means = 0.6 + 0.015 * rng.standard_normal((3, 3))
        means[2] += 0.06 * rng.standard_normal(3)
        names = ("fix", "continue", "random")
        arms = [arm(name, np.repeat(own[:, None], 400, axis=1)) for name, own in zip(names, means, strict=True)]
        known = RunVariance((0.015**2 + 0.06**2) * rng.chisquare(18) / 18, 18)
        arms[1] = replace(arms[1], scores=arms[1].scores - 0.5)
        arms[2] = replace(arms[2], is_by_chance=True)
        beaten.append(accepts(arms[0], arms[1:], level, of_chance=known).is_accepted)
    assert np.mean(beaten) <= 0.015


@pytest.mark.parametrize("draw_sd", [0.0, 0.03, 0.06])
def test_of_fixes_that_are_no_better_than_random_rows_no_more_beat_them_than_the_level_says(draw_sd: float) -> None:
    """Pooled with the others, the last draws' rows would let .05 of them pass."""
    rng, level, beaten = np.random.default_rng(0), 0.0152, []
    for _ in range(4000):
        means = 0.6 + 0.015 * rng.standard_normal((3, 3))
        means[2] += draw_sd * rng.standard_normal(3)
        names = ("fix", "continue", "random")
        arms = [arm(name, np.repeat(own[:, None], 400, axis=1)) for name, own in zip(names, means, strict=True)]
        arms[2] = replace(arms[2], is_by_chance=True)
        arms[1] = replace(arms[1], scores=arms[1].scores - 0.5)  # beaten for sure
        beaten.append(accepts(arms[0], arms[1:], level).is_accepted)
    assert np.mean(beaten) <= 0.03


def test_without_any_variation_between_runs_the_gate_is_a_paired_t_test_over_items() -> None:
    rng = np.random.default_rng(0)
    a, b = 10 * rng.random(40) + 1, 10 * rng.random(40)
    result = compare(arm("a", np.tile(a, (3, 1))), arm("b", np.tile(b, (3, 1))))
    expected = stats.ttest_rel(a, b, alternative="greater")
    assert result.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert result.df == pytest.approx(39)


def test_the_order_of_items_and_of_seeds_does_not_matter() -> None:
    a, b = random_arm("a", 1), random_arm("b", 2)
    items, seeds = np.random.default_rng(3).permutation(12), [2, 0, 3, 1]
    shuffled = ArmScores("b", tuple(b.items[k] for k in items), b.scores[seeds][:, items])
    assert astuple(compare(a, shuffled))[2:8] == pytest.approx(astuple(compare(a, b))[2:8])


def test_swapping_the_arms_mirrors_the_result() -> None:
    a, b = random_arm("a", 1), random_arm("b", 2)
    there, back = compare(a, b), compare(b, a)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p + back.p == pytest.approx(1)


def simulate(rng: np.random.Generator, gain: float, num_seeds: int, num_arms: int = 2) -> list[ArmScores]:
    """Challenger and controls: difficulty 1 logit, seed deviation .015, control near .6, 900 items."""
    difficulty = rng.normal(size=900)
    control = 1 / (1 + np.exp(-(0.47 + difficulty)))
    arms = []
    for k in range(num_arms):
        p = control + (gain if k == 0 else 0)
        runs = np.clip(p + 0.015 * rng.normal(size=(num_seeds, 1)), 0, 1)
        arms.append(arm(str(k), (rng.random((num_seeds, 900)) < runs).astype(np.float64)))
    return arms


def test_without_an_effect_one_judgement_in_a_hundred_accepts() -> None:
    rng, level = np.random.default_rng(0), alpha_at(1)
    accepted = 0
    for _ in range(800):
        challenger, control = simulate(rng, gain=0.0, num_seeds=3)
        accepted += accepts(challenger, [control], level).is_accepted
    assert accepted / 800 <= level + 2.5 * math.sqrt(level / 800)


def test_intervals_of_a_true_gain_cover_it_as_often_as_they_say() -> None:
    # The shift is a constant, but for the few items near 1 that clip it: .0496 on average.
    rng = np.random.default_rng(1)
    results = [compare(*simulate(rng, gain=0.05, num_seeds=5)) for _ in range(500)]
    covered = sum(r.low <= 0.0497 <= r.high for r in results) / 500
    assert 0.92 <= covered <= 0.985


def test_all_controls_must_be_beaten() -> None:
    rng = np.random.default_rng(2)
    challenger, weak = simulate(rng, gain=0.2, num_seeds=3)
    equal = ArmScores("equal", challenger.items, challenger.scores)
    assert accepts(challenger, [weak], 0.015).is_accepted
    both = accepts(challenger, [weak, equal], 0.015)
    assert not both.is_accepted
    assert both.hardest.control == "equal"


def test_a_tie_is_rejected() -> None:
    a = random_arm("a", 1)
    result = accepts(a, [ArmScores("b", a.items, a.scores)], 0.025)
    assert (result.is_accepted, result.hardest.mean, result.hardest.p) == (False, 0.0, 0.5)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3, -7.0])
@pytest.mark.parametrize("num_items", [1, 2, 900])
def test_equal_scores_everywhere_show_nothing_and_give_no_nan(value: float, num_items: int) -> None:
    same = np.full((3, num_items), value)
    result = compare(arm("a", same), arm("b", same))
    assert all(math.isfinite(x) for x in (result.mean, result.se, result.df, result.p, result.low, result.high))
    assert (result.mean, result.p) == (0.0, 0.5)


@pytest.mark.parametrize("num_items", [1, 2, 900])
@pytest.mark.parametrize(("one", "other"), [(-1.0, -2.0), (1.0, 0.0), (7.5, 7.25), (-0.1, -0.3)])
def test_a_difference_without_any_variance_gives_finite_numbers_and_an_interval_around_it(
    one: float, other: float, num_items: int
) -> None:
    result = compare(arm("a", np.full((3, num_items), one)), arm("b", np.full((3, num_items), other)))
    shown = non_inferior(arm("a", np.full((3, num_items), other)), arm("b", np.full((3, num_items), one)), 0.01)
    assert all(math.isfinite(x) for x in (*astuple(result)[2:8], shown.lower))
    assert result.low < result.mean < result.high
    assert not shown.is_shown
    if not (other >= 0 and one <= 1):  # of 0/1 scores 900 items that all differ are proof
        assert result.p > 0.025


def test_one_item_never_passes_the_gate() -> None:
    won = accepts(arm("a", np.ones((5, 1))), [arm("b", np.zeros((5, 1)))], 0.025)
    assert not won.is_accepted
    assert won.hardest.mean == 1.0


def test_a_guard_of_thirty_perfect_items_is_not_shown_and_one_of_three_hundred_is() -> None:
    # None broken among n leaves 3 / n possible (the rule of three): 10 % of 30, 1 % of 300.
    for num_items, is_shown in ((30, False), (300, True)):
        perfect = arm("a", np.ones((3, num_items)))
        assert non_inferior(perfect, perfect, margin=0.03).is_shown is is_shown


def test_the_guard_bound_of_scores_without_a_range_is_the_one_sided_five_percent_point() -> None:
    a, b = (ArmScores(x.name, x.items, 10 * x.scores) for x in (random_arm("a", 1), random_arm("b", 2)))
    result = non_inferior(a, b, margin=0.5)
    change = result.change
    assert stats.t.cdf((change.mean - result.lower) / change.se, change.df) == pytest.approx(0.95)


def lost(num_lost: int, num_items: int) -> tuple[ArmScores, ArmScores]:
    """A control that is always right, and a challenger that has lost some items in all seeds."""
    scores = np.ones((3, num_items))
    scores[:, :num_lost] = 0
    return arm("a", scores), arm("b", np.ones((3, num_items)))


@pytest.mark.parametrize("num_items", [100, 200, 300, 1000])
def test_items_lost_with_a_chance_of_exactly_the_margin_pass_as_unharmed_once_in_twenty(num_items: int) -> None:
    # The number of lost items is binomial, so the share of such experiments that pass is a sum. By the variance of
    # the sample itself .20, .15, .11 and .08 of them would pass.
    shown = [k for k in range(num_items // 10) if non_inferior(*lost(k, num_items), margin=0.03).is_shown]
    assert shown == list(range(len(shown)))
    assert 0.02 < stats.binom.cdf(shown[-1], num_items, 0.03) <= 0.062


def test_the_variance_at_the_margin_is_that_of_the_likeliest_wins_and_losses() -> None:
    # Poisson counts of items won and lost with lost - won = margin, maximised by search instead of by formula.
    n, margin = 200, 0.03

    def deviance(win: float, won: int, broken: int) -> float:
        return -float(stats.poisson.logpmf([won, broken], (win * n, (win + margin) * n)).sum())

    for won, broken in ((0, 3), (4, 9), (10, 10), (0, 0)):
        tight = {"xatol": 1e-10}
        found = optimize.minimize_scalar(
            deviance, bounds=(1e-9, 0.3), args=(won, broken), method="bounded", options=tight
        )
        mean, square = np.asarray((won - broken) / n), np.asarray((won + broken) / n)
        variance = 2 * found.x + margin - margin**2
        assert float(item_variance_at_loss(mean, square, margin)) == pytest.approx(variance, abs=1e-6)


def test_a_guard_that_gained_is_judged_by_its_own_variance() -> None:
    rng = np.random.default_rng(0)
    control, better = simulate(rng, 0.0, 3, 1)[0], simulate(rng, 0.2, 3, 1)[0]
    assert non_inferior(better, control, 0.03).is_shown
    assert non_inferior(control, better, 0.03).lower < -0.2


def test_a_fixed_model_brings_no_run_variance() -> None:
    means = np.array([3.0, 4.0, 5.0, 8.0])
    scores = np.repeat(means[:, None], 20, axis=1)
    result = compare_to_model(arm("a", scores), arm("model", np.full((1, 20), 2.0)))
    expected = stats.ttest_1samp(means, 2.0, alternative="greater")
    assert (result.p, result.df) == pytest.approx((expected.pvalue, 3))


def test_run_variance_is_the_pooled_within_arm_variance() -> None:
    pooled = run_variance([[1.0, 2.0, 3.0], [10.0, 14.0], [99.0]])
    assert pooled == RunVariance(variance=(2 + 8) / 3, df=3)
    assert pool_runs([pooled, RunVariance(1.0, 7)]) == RunVariance(variance=1.7, df=10)


def test_the_looks_spend_the_level_and_no_more() -> None:
    assert alpha_at(1) == pytest.approx(0.0151982, rel=1e-5)
    assert alpha_at(2) == pytest.approx(alpha_at(1) / 4)
    assert 0.0249 < sum(alpha_at(k) for k in range(1, 2000)) < 0.025


def test_wilson_agrees_with_scipy_and_stays_inside() -> None:
    for successes, n in ((0, 10), (10, 10), (3, 7), (450, 900)):
        expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
        interval = wilson(successes, n)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert 0 <= interval.low <= interval.mean <= interval.high <= 1


def test_scores_that_are_not_right_or_wrong_get_a_t_interval() -> None:
    values = np.random.default_rng(0).random(60)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    interval = score_interval(values)
    assert interval.low == pytest.approx(expected.low)
    assert interval.high == pytest.approx(expected.high)
    assert score_interval([1.0, 0.0, 1.0]) == wilson(2, 3)
    assert score_interval([0.5]).low == 0.0
    assert score_interval([0.5]).high == 1.0


def test_flips_are_counted_by_direction() -> None:
    counts = flips([True, False, False, True, False], [False, True, True, True, False])
    assert (counts.fixed, counts.broken) == (2, 1)
    assert counts.p == pytest.approx(1.0)
    assert flips([False] * 6, [True] * 6).p == pytest.approx(2 / 2**6)


def test_where_runs_differ_most_the_gate_keeps_its_level_with_three_seeds() -> None:
    # Item noise next to nothing: exactly a t test on the 6 degrees of freedom of three arms.
    rng, level, p = np.random.default_rng(0), 0.05, []
    for _ in range(600):
        arms = [arm(str(k), np.repeat(0.5 + 0.02 * rng.normal(size=(3, 1)), 400, axis=1)) for k in range(3)]
        p.append(accepts(arms[0], arms[1:], level).comparisons[0].p)
    share = float(np.mean(np.array(p) < level))
    assert share == pytest.approx(level, abs=3 * math.sqrt(level / 600))


def test_near_perfect_scores_keep_the_level_too() -> None:
    # Of 60 items about two fail, so differences are a handful of thirds of an item.
    rng, level, accepted = np.random.default_rng(0), 0.025, 0
    for _ in range(600):
        arms = [arm(str(k), (rng.random((3, 60)) < 0.97).astype(np.float64)) for k in range(2)]
        accepted += accepts(arms[0], arms[1:], level).is_accepted
    assert accepted / 600 <= level


def test_bad_arms_are_refused_by_name() -> None:
    a = random_arm("a", 1)
    with pytest.raises(ValueError, match=r"different items: a has 12, b has 11 \(first missing: task/11\)"):
        compare(a, random_arm("b", 2, num_items=11))
    unscored = np.zeros((3, 4))
    unscored[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"got nan for item task/2 of seed number 1"):
        arm("a", unscored)
    with pytest.raises(ValueError, match=r"verify\.seeds must be at least 3, got 2 for arm 'a'"):
        compare(random_arm("a", 1, num_seeds=2), a)
    with pytest.raises(ValueError, match="task/x twice"):
        ArmScores("a", ("task/x", "task/x"), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"verify\.margin must be positive, got 0"):
        non_inferior(a, a, margin=0.0)
