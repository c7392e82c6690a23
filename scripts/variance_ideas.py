"""Ways to narrow a comparison of two arms that the gate does not go, each as a test of one look.

Scores are [num_seeds, num_items], the challenger's first. `by_own_runs` is the gate's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gate_looks import MAX_SEEDS
from gate_loops import SETTINGS
from numpy.typing import NDArray
from scipy import special

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from evals.statistics.compare import ArmScores, Comparison
from evals.statistics.difference import difference_variance
from evals.statistics.looks import LEAST_PREDICTIVE_POWER, Looks, compare_by_own_runs, predictive_power
from evals.statistics.run_variance import residual_variance

LEAST_HARDEST = 0.05
"""Probability to be the hardest control at the last look below which a control is trained no more, where that is the
rule."""


@dataclass(frozen=True, slots=True)
class Tested:
    mean: float
    se: float
    df: float

    @property
    def p(self) -> float:
        """One-sided p-value of no gain."""
        return float(special.stdtr(self.df, -self.mean / self.se)) if self.se > 0 else 0.5

    def half_width(self, level: float) -> float:
        """Distance from the mean to its one-sided bound."""
        return self.se * float(special.stdtrit(self.df, 1 - level))


def by_own_runs(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> Tested:
    """Each arm with the variance of its own runs (Welch 1947)."""
    found = compare_by_own_runs(_arm(CHALLENGER, challenger), _arm(CONTINUE, control))
    return Tested(found.mean, found.se, found.df)


def by_pairs(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> Tested:
    """Runs of one seed as a pair: the variance of the seeds' differences takes the place of the arms' own."""
    num_seeds, num_items = challenger.shape
    differences = challenger - control
    residual, residual_df = residual_variance([differences])
    variance, df = difference_variance(
        np.asarray(differences.mean(axis=1).var(ddof=1) / num_seeds),
        np.asarray(differences.mean(axis=0).var(ddof=1) / num_items),
        np.asarray(residual / num_seeds / num_items),
        (num_seeds - 1, num_items - 1, max(residual_df, 1)),
    )
    return Tested(float(differences.mean()), float(np.sqrt(variance)), float(df))


def by_covariates(
    challenger: NDArray[np.float64],
    control: NDArray[np.float64],
    covariates: NDArray[np.float64],
    of_all: NDArray[np.float64],
) -> Tested:
    """Items' differences regressed on what is known of items before training, whose mean is known of more of them.

    With the same items alone nothing is gained: the regression goes through their means. The part of the items'
    variance that covariates explain is left to the extent that the mean of the covariates over more items is unsure.

    Args:
        challenger: As in all.
        control: As in all.
        covariates: Of each item, [num_items, num_covariates].
        of_all: Of all items for which they are known, these among them, [num_known, num_covariates].
    """
    plain = by_own_runs(challenger, control)
    differences = challenger.mean(axis=0) - control.mean(axis=0)
    num_items = len(differences)
    centred = covariates - covariates.mean(axis=0)
    slopes, *_ = np.linalg.lstsq(centred, differences - differences.mean(), rcond=None)
    gained = explained_variance(differences, covariates) / num_items * (1 - num_items / len(of_all))
    mean = plain.mean - float((covariates.mean(axis=0) - of_all.mean(axis=0)) @ slopes)
    return Tested(mean, float(np.sqrt(max(plain.se**2 - gained, plain.se**2 / 100))), plain.df)


def explained_variance(differences: NDArray[np.float64], covariates: NDArray[np.float64]) -> float:
    """Variance of items' differences that covariates explain, less what as many random ones would."""
    centred = covariates - covariates.mean(axis=0)
    slopes, *_ = np.linalg.lstsq(centred, differences - differences.mean(), rcond=None)
    left = differences - differences.mean() - centred @ slopes
    unexplained = float((left**2).sum()) / (len(differences) - covariates.shape[1] - 1)
    explained: float = max(float(differences.var(ddof=1)) - unexplained, 0.0)
    return explained


def features(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the champion says of items: whether it is right, how surely, and how near it is to the border."""
    near = np.clip(margin, -6, 6)
    return np.stack([near, near**2, margin > 0, np.exp(-np.abs(near))], axis=1).astype(np.float64)


# Controls that are trained no more


@dataclass(frozen=True, slots=True)
class Ended:
    is_accepted: bool
    num_seeds: int
    """Seeds of the challenger."""
    num_trainings: int
    """Of all arms."""
    num_dropped: int


def judged_with_drops(
    arms: dict[str, NDArray[np.float64]], alpha: float, rule: str, kept: Sequence[str] = (CONTINUE, RANDOM)
) -> Ended:
    """Judge an endpoint over looks where controls may be trained no more.

    Args:
        arms: Scores by arm, of the seeds of the last look.
        alpha: Level of the judgement.
        rule: `none` trains all; `beaten` trains no more what a look has shown beaten, which counts as beaten from then
            on; `not hardest` trains no more what is hardly the hardest at the last look, which still has to be beaten
            with the seeds that it has.
        kept: Controls that are always trained on: guards are held against the old data, and random rows may be enough.
    """
    looks = Looks.between(SETTINGS.seeds, MAX_SEEDS, alpha)
    seeds = dict.fromkeys(arms, 0)
    controls = [name for name in arms if name != CHALLENGER]
    dropped: set[str] = set()
    for look, num_seeds in enumerate(looks.seeds):
        seeds = {name: before if name in dropped else num_seeds for name, before in seeds.items()}
        found = {
            name: compare_by_own_runs(
                _arm(CHALLENGER, arms[CHALLENGER][:num_seeds]), _arm(name, arms[name][: seeds[name]])
            )
            for name in controls
        }
        beaten = {name for name, one in found.items() if one.p < looks.levels[look] and one.mean > 0}
        settled = dropped if rule == "beaten" else set[str]()
        is_accepted = beaten | settled == set(controls)
        open_ones = [name for name in controls if name not in settled]
        if is_accepted or looks.is_last(look):
            break
        if min(predictive_power(found[name], num_seeds, looks) for name in open_ones) < LEAST_PREDICTIVE_POWER:
            break
        if rule == "beaten":
            dropped |= beaten - set(kept)
        elif rule == "not hardest":
            times = looks.seeds[-1] / num_seeds
            hardly = {name for name in controls if _most_beaten(found, name, times) > 1 - LEAST_HARDEST}
            dropped |= hardly - set(kept)
    return Ended(is_accepted, num_seeds, sum(seeds.values()), len(dropped))


def _most_beaten(found: dict[str, Comparison], name: str, times: float) -> float:
    """Probability, given these comparisons, that another control is less surely beaten with `times` as many seeds."""

    def last(one: Comparison) -> tuple[float, float]:
        """Mean and variance of the last look's standardised difference."""
        last_se = one.se_at(times)
        return one.mean / last_se, max(one.se**2 / last_se**2 - 1, 0.0)

    mean, variance = last(found[name])
    others = [last(one) for other, one in found.items() if other != name]
    return max(
        (float(special.ndtr((mean - of[0]) / np.sqrt(max(variance + of[1], 1e-12)))) for of in others), default=0.0
    )


def _arm(name: str, scores: NDArray[np.float64]) -> ArmScores:
    return ArmScores(name, tuple(map(str, range(scores.shape[1]))), scores)
