"""The group-sequential gate, against published boundaries, closed forms, slow twins and simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from builders.answers import noise_share, simulated_arms
from numpy.typing import NDArray
from scipy import integrate, special, stats

from evals.statistics.compare import ArmScores, Comparison, compare, non_inferior
from evals.statistics.looks import (
    GUARD_LEVEL,
    LEAST_PREDICTIVE_POWER,
    Looks,
    by_own_runs,
    gate_at,
    guard_at,
    is_beaten,
    is_shown_harmed,
    nominal_levels,
    predictive_power,
)
from evals.statistics.power import MeasuredOn

THREE = (3, 5, 8)


def obrien_fleming_like(share: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Lan and DeMets 1983, for a two-sided test of 2 alpha."""
    return np.asarray(2 * special.ndtr(special.ndtri(alpha / 2) / np.sqrt(share)))


def pocock_like(share: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    return np.asarray(alpha * np.log(1 + (np.e - 1) * share))


def arms_of_means(means: NDArray[np.float64], num_items: int = 20) -> list[ArmScores]:
    """Arms whose runs answer all items alike, [num_arms, num_seeds]; item noise is none."""
    names = tuple(map(str, range(num_items)))
    return [
        ArmScores(str(k), names, np.repeat(of_arm[:, None], num_items, axis=1) + 10) for k, of_arm in enumerate(means)
    ]


def first(arm: ArmScores, num_seeds: int) -> ArmScores:
    return ArmScores(arm.name, arm.items, arm.scores[:num_seeds])


@pytest.mark.parametrize(
    ("spending", "boundaries"),
    [
        # One-sided .025 at equally spaced looks, as Lan and DeMets's program and its successors print them.
        (obrien_fleming_like, (2.9626, 1.9686)),
        (obrien_fleming_like, (3.7103, 2.5114, 1.9930)),
        (obrien_fleming_like, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        (pocock_like, (2.1570, 2.2010)),
        (pocock_like, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_published_boundaries_come_out(
    spending: Callable[[NDArray[np.float64], float], NDArray[np.float64]], boundaries: tuple[float, ...]
) -> None:
    shares = np.arange(1, len(boundaries) + 1) / len(boundaries)
    levels = nominal_levels(shares.tolist(), spending(shares, 0.025).tolist())
    assert -special.ndtri(levels) == pytest.approx(boundaries, abs=2e-4)


@pytest.mark.parametrize(("num_looks", "constant"), [(2, 2.178), (3, 2.289), (5, 2.413)])
def test_equal_levels_of_pocock_s_test_spend_what_is_published(num_looks: int, constant: float) -> None:
    # Jennison and Turnbull 2000, table 2.1: C_P for a two-sided .05, here .025 on one side.
    shares = np.arange(1, num_looks + 1) / num_looks
    roots = np.sqrt(shares)
    correlations = np.minimum.outer(roots, roots) / np.maximum.outer(roots, roots)
    spent = [
        1 - float(stats.multivariate_normal(cov=correlations[:k, :k], seed=0).cdf(np.full(k, constant)))
        for k in range(1, num_looks + 1)
    ]
    assert spent[-1] == pytest.approx(0.025, abs=3e-4)
    assert -special.ndtri(nominal_levels(shares.tolist(), spent)) == pytest.approx(constant, abs=0.02)


def test_with_one_look_the_nominal_level_is_alpha() -> None:
    looks = Looks.between(5, 5, 0.0152)
    assert looks.levels == (0.0152,)
    assert looks.guard_levels == (GUARD_LEVEL,)
    assert nominal_levels([0.3], [0.0152]) == pytest.approx([0.0152])


def test_levels_spend_alpha_by_another_program_s_integral() -> None:
    looks = Looks(THREE, 0.0152)
    roots = np.sqrt(THREE)
    correlations = np.minimum.outer(roots, roots) / np.maximum.outer(roots, roots)
    none = stats.multivariate_normal(cov=correlations, abseps=1e-8, seed=0).cdf(-special.ndtri(looks.levels))
    assert 1 - none == pytest.approx(looks.alpha, rel=0.01)
    assert looks.levels[0] == pytest.approx(looks.alpha * (3 / 8) ** 2)


@pytest.mark.parametrize("alpha", [0.0152, 1e-6])
def test_what_the_second_of_two_looks_spends_is_a_textbook_integral_at_small_levels_too(alpha: float) -> None:
    looks = Looks((3, 8), alpha)
    boundaries, correlation = -special.ndtri(looks.levels), np.sqrt(3 / 8)

    def of_first(z: float) -> float:
        beyond = special.ndtr((correlation * z - boundaries[1]) / np.sqrt(1 - correlation**2))
        return float(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * beyond)

    second, _ = integrate.quad(of_first, -12, boundaries[0], epsabs=1e-14, limit=500)
    assert looks.levels[0] + second == pytest.approx(alpha, rel=1e-6)


@pytest.mark.parametrize("of_items", [0.0, 0.25, 1.0, 4.0, 1000.0])
def test_whatever_share_items_have_in_the_variance_alpha_is_not_passed(of_items: float) -> None:
    looks = Looks(THREE, 0.0152)
    variances = 8 / np.array(THREE) + of_items
    roots = np.sqrt(1 / variances)  # of the information
    correlations = np.minimum.outer(roots, roots) / np.maximum.outer(roots, roots)
    none = stats.multivariate_normal(cov=correlations, abseps=1e-8, seed=0, allow_singular=True).cdf(
        -special.ndtri(looks.levels)
    )
    assert 1 - none <= looks.alpha * 1.01
    assert 1 - none >= 0.75 * looks.alpha


def test_in_the_crossed_model_the_covariance_of_two_looks_is_the_variance_of_the_later() -> None:
    rng, num_draws, num_items = np.random.default_rng(0), 20_000, 4
    run_sds = np.array([1.0, 3.0])  # arms that vary unequally
    runs = rng.normal(size=(num_draws, 2, 8)) * run_sds[:, None]
    of_items = rng.normal(size=(num_draws, 2, num_items))  # arm x item; what arms share drops out
    residual = rng.normal(size=(num_draws, 2, 8, num_items))
    means = runs + (of_items[:, :, None, :] + residual).mean(axis=3)  # [num_draws, arms, seeds]
    looks = np.stack([means[:, 0, :s].mean(axis=1) - means[:, 1, :s].mean(axis=1) for s in THREE])
    found = np.cov(looks)
    variances = [(run_sds**2).sum() / s + 2 / num_items + 2 / (s * num_items) for s in THREE]
    expected = np.minimum.outer(variances, variances)
    assert found == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("deviations", "most"), [((1.0, 1.0), 1.0), ((1.0, 4.0), 1.5), ((4.0, 1.0), 1.5)])
def test_without_effect_no_more_than_alpha_is_accepted_though_futility_is_ignored(
    deviations: tuple[float, float], most: float
) -> None:
    rng, num_loops = np.random.default_rng(1), 1000
    looks = Looks(THREE, 0.05)
    accepted = 0
    for _ in range(num_loops):
        fix, control = arms_of_means(rng.normal(size=(2, 8)) * np.array(deviations)[:, None])
        accepted += any(
            gate_at(first(fix, seeds), [first(control, seeds)], looks, look).gate.is_accepted
            for look, seeds in enumerate(THREE)
        )
    assert accepted / num_loops <= most * looks.alpha + 2 * np.sqrt(looks.alpha / num_loops)
    assert accepted / num_loops >= 0.4 * looks.alpha


def test_on_items_and_runs_without_effect_no_more_than_alpha_is_accepted() -> None:
    items = MeasuredOn(0.6, 80, 0.02, noise_share=noise_share(0.6))
    rng, looks, num_loops = np.random.default_rng(2), Looks(THREE, 0.05), 600
    accepted = 0
    for _ in range(num_loops):
        fix, control = simulated_arms(rng, items, 8, 2, 0.0)
        accepted += any(
            gate_at(first(fix, seeds), [first(control, seeds)], looks, look).gate.is_accepted
            for look, seeds in enumerate(THREE)
        )
    assert accepted / num_loops <= looks.alpha + 2 * np.sqrt(looks.alpha / num_loops)


def test_a_control_that_counts_as_beaten_once_it_was_lets_no_more_than_alpha_pass() -> None:
    """The fix is no better than one control; two others lie far below and leave after their first look."""
    rng, looks, num_loops = np.random.default_rng(7), Looks(THREE, 0.05), 2000
    accepted = num_left = 0
    for _ in range(num_loops):
        fix, *controls = arms_of_means(rng.normal(size=(4, 8)) - np.array([[0.0], [0.0], [6.0], [6.0]]))
        beaten: tuple[Comparison, ...] = ()
        for look, seeds in enumerate(THREE):
            left = [first(arm, seeds) for arm in controls if arm.name not in {one.control for one in beaten}]
            if not left:
                break
            found = gate_at(first(fix, seeds), left, looks, look, beaten)
            beaten = tuple(one for one in found.gate.comparisons if is_beaten(one, found.level))
            if found.gate.is_accepted:
                accepted += 1
                break
        num_left += len(beaten)
    assert accepted / num_loops <= looks.alpha + 2 * np.sqrt(looks.alpha / num_loops)
    assert accepted / num_loops >= 0.4 * looks.alpha
    assert num_left > 1.9 * num_loops


def test_what_was_beaten_is_not_asked_again_and_what_is_left_decides() -> None:
    means = np.array([[10.0, 10.1, 10.2, 10.1, 10.05], [9.0, 9.1, 9.0, 9.1, 9.0], [10.0, 10.1, 10.2, 10.0, 10.1]])
    fix, low, high = arms_of_means(means)
    looks = Looks(THREE, 0.025)
    (beaten,) = gate_at(first(fix, 3), [first(low, 3)], looks, 0).gate.comparisons
    alone, beside = gate_at(fix, [high], looks, 1), gate_at(fix, [high], looks, 1, (beaten,))
    assert beside.gate.comparisons == (beaten, *alone.gate.comparisons)
    assert beside.gate.is_accepted is alone.gate.is_accepted is False
    assert beside.predictive_power == alone.predictive_power
    assert beside.gate.hardest == alone.gate.hardest


def test_a_guard_that_loses_exactly_the_margin_passes_at_any_look_in_at_most_five_percent() -> None:
    rng, looks, num_loops, margin = np.random.default_rng(3), Looks(THREE, 0.0152), 1000, 0.3
    passed = harmed = 0
    for _ in range(num_loops):
        fix, control = arms_of_means(rng.normal(size=(2, 8)) * 0.1 + np.array([[-margin], [0.0]]))
        tested = [
            guard_at(first(fix, seeds), first(control, seeds), margin, looks, look) for look, seeds in enumerate(THREE)
        ]
        passed += any(one.is_shown for one in tested)
        harmed += is_shown_harmed(tested[0].change, margin)
    assert passed / num_loops <= GUARD_LEVEL + 2 * np.sqrt(GUARD_LEVEL / num_loops)
    assert harmed / num_loops == pytest.approx(GUARD_LEVEL, abs=0.025)


def test_an_arm_s_own_runs_make_the_comparison_welch_s() -> None:
    means = np.array([[10.0, 10.1, 10.2, 10.1, 10.05], [9.0, 9.9, 9.4, 8.8, 9.6]])
    fix, control = arms_of_means(means)
    (found,) = gate_at(fix, [control], Looks((5,), 0.025), 0).gate.comparisons
    expected = stats.ttest_ind(*means, equal_var=False, alternative="greater")
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert non_inferior(by_own_runs(fix), by_own_runs(control), 0.03).lower == pytest.approx(
        stats.ttest_ind(*means, equal_var=False).confidence_interval(0.9).low
    )


def test_the_boundary_is_the_gain_whose_p_value_is_the_look_s_level() -> None:
    rng = np.random.default_rng(4)
    fix, control = arms_of_means(rng.normal(size=(2, 5)))
    found = gate_at(fix, [control], Looks(THREE, 0.025), 1)
    (comparison,) = found.gate.comparisons
    assert special.stdtr(comparison.df, -found.boundary / comparison.se) == pytest.approx(found.level)
    assert found.gate.is_accepted is (comparison.mean > found.boundary)


def test_the_standard_error_of_more_seeds_is_foreseen_without_bias() -> None:
    items = MeasuredOn(0.4, 300, 0.03, noise_share=noise_share(0.4))
    rng, foreseen, found = np.random.default_rng(5), [], []
    for _ in range(400):
        arms = simulated_arms(rng, items, 8, 2, 0.3)
        early = compare(first(arms[0], 3), first(arms[1], 3))
        foreseen.append(early.se_at(8 / 3) ** 2)
        found.append(compare(*arms).se ** 2)
        assert early.se_at(1.0) == pytest.approx(early.se)
        assert early.se_at(1e12) == pytest.approx(early.lasting**0.5, abs=1e-6)
    assert np.mean(foreseen) == pytest.approx(np.mean(found), rel=0.06)


@pytest.mark.parametrize(("mean", "lasting"), [(0.04, 0.0), (0.02, 0.0002), (0.0, 0.0)])
def test_predictive_power_is_the_share_of_drawn_judgements_that_pass_the_last_look(mean: float, lasting: float) -> None:
    looks, variance, rng = Looks(THREE, 0.025), 0.0006, np.random.default_rng(6)
    last = (variance - lasting) * 3 / 8 + lasting
    shown = Comparison("control", mean, variance**0.5, 1e9, 0.5, 0.0, 0.0, 100, lasting)
    truth = mean + variance**0.5 * rng.normal(size=400_000)
    # Given the truth and this look, the last look is normal about the weighted mean of both (independent increments).
    weight = last / variance
    at_last = weight * mean + (1 - weight) * truth + np.sqrt(last * (1 - weight)) * rng.normal(size=400_000)
    expected = (at_last > np.sqrt(last) * -special.ndtri(looks.levels[-1])).mean()
    assert predictive_power(shown, 3, looks) == pytest.approx(expected, abs=0.003)


def test_a_judgement_whose_variance_is_all_of_items_is_decided_at_the_first_look() -> None:
    for mean, power in ((0.01, 0.0), (0.1, 1.0)):
        shown = Comparison("control", mean, 0.02, 1e9, 0.5, 0.0, 0.0, 100, lasting=0.02**2)
        assert predictive_power(shown, 3, Looks(THREE, 0.025)) == power


def test_a_judgement_is_futile_where_the_last_look_would_hardly_pass_and_not_where_the_gain_is_shown() -> None:
    looks = Looks(THREE, 0.025)
    spread = np.array([-0.1, 0.0, 0.1])
    for gain, is_futile in ((-0.1, True), (0.0, True), (0.1, False), (5.0, False)):
        found = gate_at(*_one_control(gain + spread, spread), looks, 0)
        assert found.is_futile is is_futile
        assert found.is_futile is (found.predictive_power < LEAST_PREDICTIVE_POWER)
    assert gate_at(*_one_control(5.0 + spread, spread), looks, 0).gate.is_accepted


def _one_control(fix: NDArray[np.float64], control: NDArray[np.float64]) -> tuple[ArmScores, list[ArmScores]]:
    challenger, rival = arms_of_means(np.stack([fix, control]))
    return challenger, [rival]


@pytest.mark.parametrize(
    ("ends", "seeds"),
    [((3, 8), THREE), ((3, 3), (3,)), ((3, 4), (3, 4)), ((5, 8), (5, 8)), ((3, 20), (3, 5, 8, 12, 20))],
)
def test_each_look_has_about_eight_fifths_of_the_seeds_before(ends: tuple[int, int], seeds: tuple[int, ...]) -> None:
    assert Looks.between(*ends, 0.025).seeds == seeds


@pytest.mark.parametrize("seeds", [(), (2, 5), (3, 3), (5, 3)])
def test_looks_that_do_not_rise_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="looks need rising numbers of seeds from 3 on"):
        Looks(seeds, 0.025)


def test_levels_that_do_not_rise_and_arms_of_other_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="information and spent levels that rise"):
        nominal_levels([0.5, 0.4], [0.01, 0.02])
    fix, control = arms_of_means(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="look 1 of the judgement has 3 seeds of each arm, got 5 of arm '0'"):
        gate_at(fix, [control], Looks(THREE, 0.025), 0)
    with pytest.raises(ValueError, match="controls must hold at least one arm"):
        gate_at(fix, [], Looks(THREE, 0.025), 1)
