"""A group-sequential gate: train a few seeds of each arm, look, and train more only where that can still decide.

In the crossed model of `evals.statistics.compare` the difference D(S) of two arms' means over the first S seeds of each
has the variance A/S + B: A is what runs and the residual add, B what items do, and no seed reduces B. The mean over
S' > S seeds contains the first S with the weight S/S', so

    Cov(D(S), D(S')) = S/S' * A/S + B = A/S' + B = Var(D(S')).

D(S) - D(S') is thus uncorrelated with D(S'): increments are independent in the information I = 1/Var, and standardised
differences of two looks correlate by sqrt(I(S)/I(S')), the canonical joint distribution of group-sequential tests
(Jennison and Turnbull 2000, ch. 3). Arms may vary unequally, for A is the sum of both. The correlation is
sqrt((A/S' + B)/(A/S + B)), at least sqrt(S/S').

The level of the judgement is spent over its looks (Lan and DeMets 1983, Biometrika 70, 659), alpha * (S/S_last)^2 up to
the look at S seeds (Kim and DeMets 1987, Biometrika 74, 149), and each look's nominal level is that of the multivariate
normal distribution with the correlations sqrt(S/S'). They are the lowest that the model allows, so whatever share items
have in the variance, more than alpha is never spent (Slepian 1962: where correlations rise, so does the probability
that no boundary is passed). So the levels are known before training; what it costs is 7 % of alpha where half of the
last look's variance is the items', 16 % where four fifths are, and there more seeds help little anyway. The levels are
applied to p-values of the t test (the significance-level approach, Jennison and Turnbull, ch. 11). Spending as Pocock's
test does was rejected, for at the first look a variance rests on two degrees of freedom an arm and most of what is
spent there is wasted; spending as O'Brien and Fleming's does sees three points more of all gains and trains half a seed
more.

A judgement ends early where it is futile: where the predictive power for a control or a guard, the probability that the
last look will show it given what this one shows and nothing known before, is below `LEAST_PREDICTIVE_POWER`
(Spiegelhalter, Freedman and Blackburn 1986, Controlled Clinical Trials 7, 8). Futility is not binding: whoever goes on
all the same accepts no more without an effect than alpha. A rule by the smallest useful gain (stop where the gain and
one standard error fall short of it) was rejected: it stopped a third of the true gains of exactly that size.

A control that a look shows beaten counts as beaten from then on and is trained no more. Of a control that the fix is no
better than, all looks together show it beaten with probability alpha, so the level stays as it is (an
intersection-union test of one sequential test for each control), and the others decide. A control that can hardly be
the hardest any more but is not beaten yet is trained on: judged by the seeds that it has, it hides true gains.

Each arm's run variance is taken from its own runs alone (Welch 1947). Arms do not vary alike: a fix that mends a skill
for good can vary by an eighth of what the old data does. Where one arm's runs vary four times as much as those of
others, a variance pooled over arms accepts up to 4.7 times the level, their own up to 1.4 times, and twice where run
means are skewed (scores near 0 or 1); where all vary alike they cost two points of power. Shrinking each to what all
show (Smyth 2004) gives these points back, but accepts up to 1.8 times the level where their own accept 1.4 times.

Pure functions of numpy arrays; the levels of three looks take 25 milliseconds once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from evals.statistics.compare import (
    GUARD_LEVEL,
    MIN_SEEDS,
    ArmScores,
    Comparison,
    GateResult,
    NonInferiority,
    compare,
    non_inferior,
)

FACTOR = 1.6
"""Seeds of a look over those of the look before, about; from 3 to 8 seeds by way of 5."""
LATE, EVEN = 2.0, 1.0
"""Exponents of spending functions: `LATE` for the endpoint, `EVEN`, as much for each seed, for what stands beside."""
LEAST_PREDICTIVE_POWER = 0.2
"""Predictive power below which a judgement ends."""
_NUM_NODES = 400
_TAIL = 9.0
"""Standard deviations below zero at which the density of a look that passed no boundary is cut off."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks of one judgement, fixed before training.

    Raises:
        ValueError: the seeds do not rise, or the first look has too few.
    """

    seeds: tuple[int, ...]
    """Training seeds of each arm at each look, rising."""
    alpha: float
    """One-sided level of the judgement, all looks together."""

    def __post_init__(self) -> None:
        if not self.seeds or self.seeds[0] < MIN_SEEDS or any(b <= a for a, b in pairwise(self.seeds)):
            raise ValueError(
                f"looks need rising numbers of seeds from {MIN_SEEDS} on, got {list(self.seeds)}; set verify.seeds to "
                f"{MIN_SEEDS} or more and verify.max_seeds to at least as many"
            )

    @classmethod
    def between(cls, first: int, last: int, alpha: float) -> "Looks":
        """Looks at `first` and `last` seeds, those between so that each has about `FACTOR` times the seeds of the one
        before: information grows alike from look to look."""
        if last <= first:
            return cls((first,) if last == first else (first, last), alpha)
        num_steps = max(1, round(math.log(last / first) / math.log(FACTOR)))
        seeds = (round(first * (last / first) ** (step / num_steps)) for step in range(num_steps + 1))
        return cls(tuple(sorted(set(seeds))), alpha)

    @property
    def levels(self) -> tuple[float, ...]:
        """Nominal one-sided level of each look."""
        return spent_levels(self.seeds, self.alpha, LATE)

    @property
    def guard_levels(self) -> tuple[float, ...]:
        """Nominal one-sided level at each look of the test that a guard is unharmed; `GUARD_LEVEL` over all looks.

        Spent evenly: a gain that the first look shows should seldom have to wait for a guard.
        """
        return spent_levels(self.seeds, GUARD_LEVEL, EVEN)

    @property
    def end_levels(self) -> tuple[float, ...]:
        """Nominal one-sided level at each look of a claim beside the endpoint's, such as that random rows are enough:
        it is tested from the look on at which the judgement of the fix ends, whichever that is."""
        return spent_levels(self.seeds, self.alpha, EVEN)

    def is_last(self, look: int) -> bool:
        """Whether look number `look`, from 0, is the last."""
        return look == len(self.seeds) - 1


@dataclass(frozen=True, slots=True)
class LookResult:
    """What one look shows of the endpoint."""

    num_seeds: int
    level: float
    """Nominal level of this look."""
    gate: GateResult
    boundary: float
    """Gain over the hardest control above which it counts as beaten at this look."""
    predictive_power: float
    """Probability, given this look, that the last would show the control beaten that is least sure to be; 0 or 1 at the
    last."""

    @property
    def is_futile(self) -> bool:
        return not self.gate.is_accepted and self.predictive_power < LEAST_PREDICTIVE_POWER


def gate_at(
    challenger: ArmScores,
    controls: Sequence[ArmScores],
    looks: Looks,
    look: int,
    beaten: Sequence[Comparison] = (),
) -> LookResult:
    """Whether the challenger beats every control at one look of a judgement, each at the look's nominal level.

    All have to be beaten, each at some look up to this one, so the level needs no correction for their number: of a
    control that the challenger is no better than, all looks together show it beaten with probability alpha.

    Args:
        challenger: Scores of the first `looks.seeds[look]` seeds; a control likewise.
        controls: At least one, on the same items.
        looks: Looks of the judgement.
        look: Number of this one, from 0.
        beaten: Comparisons with further controls that earlier looks showed beaten, with the seeds that these had then.

    Raises:
        ValueError: no control, or an arm with another number of seeds than the look has.
    """
    if not controls:
        raise ValueError("controls must hold at least one arm, got none; train one to compare with")
    num_seeds, level = looks.seeds[look], looks.levels[look]
    for arm in (challenger, *controls):
        if arm.num_seeds != num_seeds:
            raise ValueError(
                f"look {look + 1} of the judgement has {num_seeds} seeds of each arm, got {arm.num_seeds} of arm "
                f"'{arm.name}'; train the missing seeds, or leave out those of later looks"
            )
    comparisons = tuple(compare_by_own_runs(challenger, control) for control in controls)
    gate = GateResult(all(is_beaten(one, level) for one in comparisons), (*beaten, *comparisons))
    hardest = gate.hardest
    boundary = hardest.se * float(special.stdtrit(hardest.df, 1 - level))
    foreseen = min(predictive_power(one, num_seeds, looks) for one in comparisons)
    return LookResult(num_seeds, level, gate, boundary, float(gate.is_accepted) if looks.is_last(look) else foreseen)


def is_beaten(comparison: Comparison, level: float) -> bool:
    """Whether a comparison shows its control beaten at a one-sided level."""
    return comparison.p < level and comparison.mean > 0


def predictive_power(comparison: Comparison, num_seeds: int, looks: Looks, level: float | None = None) -> float:
    """Probability that a control is beaten at the last look, given what a comparison of `num_seeds` seeds shows.

    The difference at the last look is normal about the present one with the variance Var - Var_last, for the true
    difference has no prior (Spiegelhalter, Freedman and Blackburn 1986), and has to pass the last boundary, that of
    `level` where it is given.
    """
    return _predicted(comparison, comparison.mean, num_seeds, looks, looks.levels[-1] if level is None else level)


def guard_predictive_power(change: Comparison, margin: float, num_seeds: int, looks: Looks) -> float:
    """Probability that a guard is shown to lose less than `margin` at the last look, likewise."""
    return _predicted(change, change.mean + margin, num_seeds, looks, looks.guard_levels[-1])


def _predicted(comparison: Comparison, mean: float, num_seeds: int, looks: Looks, level: float) -> float:
    last_se = comparison.se_at(looks.seeds[-1] / num_seeds)
    spread = math.sqrt(max(comparison.se**2 - last_se**2, 0.0))
    above = mean + last_se * float(special.ndtri(level))
    return float(special.ndtr(above / spread)) if spread > 0 else float(above > 0)


def guard_at(challenger: ArmScores, control: ArmScores, margin: float, looks: Looks, look: int) -> NonInferiority:
    """Test at one look whether the challenger loses less than `margin` on a guard.

    Looks at a guard spend a level of their own, `GUARD_LEVEL` in all and nothing of the endpoint's: of fixes that lose
    the margin no more are accepted than that, at whichever look they are.
    """
    return non_inferior(by_own_runs(challenger), by_own_runs(control), margin, level=looks.guard_levels[look])


def is_shown_harmed(change: Comparison, margin: float) -> bool:
    """Whether the one-sided upper bound of a guard's change, at `GUARD_LEVEL`, is a loss of more than the margin.

    It ends a judgement early and lets none be accepted.
    """
    return change.mean + change.se * float(special.stdtrit(change.df, 1 - GUARD_LEVEL)) < -margin


def compare_by_own_runs(challenger: ArmScores, control: ArmScores) -> Comparison:
    """Compare two recipes, each with the run variance that its own runs show (Welch 1947)."""
    return compare(by_own_runs(challenger), by_own_runs(control))


def by_own_runs(arm: ArmScores) -> ArmScores:
    """The arm with a run variance from its own runs alone, as arms by chance have it in `evals.statistics.compare`."""
    return arm if arm.is_by_chance else replace(arm, is_by_chance=True)


@lru_cache(maxsize=256)
def spent_levels(seeds: tuple[int, ...], alpha: float, exponent: float) -> tuple[float, ...]:
    """Nominal levels of looks at these numbers of seeds, which spend `alpha` times the power of their share of the last
    look's seeds; one look has `alpha` itself."""
    if len(seeds) == 1:
        return (alpha,)
    shares = [num_seeds / seeds[-1] for num_seeds in seeds]
    return nominal_levels(shares, [alpha * share**exponent for share in shares])


def nominal_levels(information: Sequence[float], spent: Sequence[float]) -> tuple[float, ...]:
    """Nominal one-sided levels at which looks spend given error probabilities.

    The density of the score D/Var, of those that passed no earlier boundary, is carried from look to look by numerical
    integration (Armitage, McPherson and Rowe 1969, JRSS A 132, 235).

    Args:
        information: Information 1/Var at each look, rising, in any unit.
        spent: Probability without effect to have passed a boundary up to each look, rising, in (0, .5).

    Raises:
        ValueError: either does not rise, or they are not as many.
    """
    if len(information) != len(spent) or any(b <= a for row in (information, spent) for a, b in pairwise((0.0, *row))):
        raise ValueError(
            f"looks need information and spent levels that rise from above 0, got {list(information)} and "
            f"{list(spent)}; give one of each for every look"
        )
    levels: list[float] = []
    places, density = np.zeros(1), np.ones(1)  # the score at the look before, and its density times the weight
    for (before, now), (spent_before, spent_now) in zip(
        pairwise((0.0, *information)), pairwise((0.0, *spent)), strict=True
    ):
        step, root = math.sqrt(now - before), math.sqrt(now)
        z = _boundary(places, density, step, root, spent_now - spent_before)
        levels.append(float(special.ndtr(-z)))
        half = (z + _TAIL) * root / 2
        nodes, weights = _nodes()
        to = half * (nodes + 1) - _TAIL * root
        kernel = np.exp(-(((to[:, None] - places) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi))
        places, density = to, (kernel @ density) * weights * half
    return tuple(levels)


def _boundary(
    places: NDArray[np.float64], density: NDArray[np.float64], step: float, root: float, spent: float
) -> float:
    """Standardised difference that is passed with the probability `spent`.

    `step` is the deviation of the score's increment since the look before, `root` that of the score.
    """

    def excess(z: float) -> float:
        return float(density @ special.ndtr((places - z * root) / step)) - spent

    return float(optimize.brentq(excess, -_TAIL, 4 * _TAIL, xtol=1e-12))


@lru_cache(maxsize=1)
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES)
    return np.asarray(nodes), np.asarray(weights)
