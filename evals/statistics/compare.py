"""Paired comparisons of training recipes.

A recipe is trained several times; every run answers the same items. Runs are a sample (another seed scores
otherwise) and items are a sample (another test set would too), so the gate works in the crossed
random-effects model

    score[arm, seed, item] = mean[arm] + run[arm, seed] + item[item] + (arm x item) + residual

in which the difference of two arms, each averaged over `Sa` and `Sb` seeds and `n` items, has the variance

    s2_run * (1/Sa + 1/Sb)  +  s2_d / n  -  s2_e * (1/Sa + 1/Sb) / n

`s2_run` is the variance of run means within an arm, `s2_d` that of the items' differences of arm means,
`s2_e` that of the residual. Both of the first two contain the residual, so it is taken out once. The
difference over its standard error is compared with t on Satterthwaite's degrees of freedom (Satterthwaite
1946).

`s2_run` is pooled over arms that train on the same rows with each seed. An arm by chance draws other rows for
each, so its runs vary by more, and have a variance of their own (Welch 1947): pooled with the others, draws of
four times their deviation let 5 % of fixes that are no better than random rows beat these at level .015, and
hid gains over the old data.

Rejected: McNemar and bootstraps over items. They treat two trained models as the two recipes, and without any
true effect they accept far more often than their level. `flips` keeps the counts as a description.

`scripts/bench_gate.py` checks all of this on trained runs. Pure functions of numpy arrays; a comparison
of 10 runs on 900 items takes a fifth of a millisecond.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evals.statistics.difference import difference_variance, item_variance_at_loss, satterthwaite
from evals.statistics.intervals import item_variance
from evals.statistics.run_variance import RunVariance, pool_runs, residual_variance, run_variance

MIN_SEEDS = 3
MIN_RUN_DF = 4
"""Degrees of freedom of two arms of three seeds; with fewer the run variance is too loose to judge by."""
GUARD_LEVEL = 0.05
"""One-sided level at which a guard is shown unharmed."""


@dataclass(frozen=True, slots=True)
class ArmScores:
    """Scores of one recipe: every training seed on the same items.

    Raises:
        ValueError: no item, a repeated item, a shape that does not fit, or a score that is not finite.
    """

    name: str
    items: tuple[str, ...]
    """Item keys `task/id`, in the order of the columns."""
    scores: NDArray[np.float64]
    """Scores, [num_seeds, num_items], higher is better."""
    is_by_chance: bool = False
    """Whether each seed has trained on a draw of rows of its own."""

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or self.scores.shape[1] != len(self.items) or not self.scores.size:
            raise ValueError(
                f"scores of arm '{self.name}' must be [num_seeds, num_items] with at least one of each, got "
                f"shape {self.scores.shape} for {len(self.items)} items; give one row per training seed"
            )
        if not np.isfinite(self.scores).all():
            seed, item = (int(where[0]) for where in np.nonzero(~np.isfinite(self.scores)))
            raise ValueError(
                f"scores of arm '{self.name}' must be finite, got {self.scores[seed, item]} for item "
                f"{self.items[item]} of seed number {seed}; leave unscored items out of every arm"
            )
        if len(set(self.items)) != len(self.items):
            repeated = next(item for k, item in enumerate(self.items) if item in self.items[:k])
            raise ValueError(f"items of arm '{self.name}' must differ, got {repeated} twice; number the copies")

    @property
    def num_seeds(self) -> int:
        return int(self.scores.shape[0])

    @property
    def seed_means(self) -> NDArray[np.float64]:
        """Mean score of each seed, [num_seeds]."""
        return np.asarray(self.scores.mean(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Challenger minus control on the same items."""

    control: str
    mean: float
    se: float
    df: float
    """Satterthwaite's degrees of freedom."""
    p: float
    """One-sided p-value of the hypothesis that the challenger is not better than the control."""
    low: float
    high: float
    """Upper end of the two-sided 95 % interval."""
    num_items: int
    lasting: float = 0.0
    """Part of `se` squared that no further seed reduces, because items are a sample."""

    def lower_bound(self, level: float = GUARD_LEVEL) -> float:
        """One-sided lower bound of the difference, by default of 95 %."""
        return self.mean - self.se * float(special.stdtrit(self.df, 1 - level))

    def se_at(self, times: float) -> float:
        """Standard error that `times` as many seeds of each arm would have."""
        return math.sqrt((self.se**2 - self.lasting) / times + self.lasting)


@dataclass(frozen=True, slots=True)
class NonInferiority:
    change: Comparison
    lower: float
    """One-sided lower bound of challenger minus control."""
    is_shown: bool


@dataclass(frozen=True, slots=True)
class GateResult:
    is_accepted: bool
    comparisons: tuple[Comparison, ...]
    """Comparison with each control, in the order given."""

    @property
    def hardest(self) -> Comparison:
        """Comparison with the control that was beaten least surely, the one with the largest p."""
        return max(self.comparisons, key=lambda comparison: comparison.p)


def accepts(
    challenger: ArmScores,
    controls: Sequence[ArmScores],
    alpha: float,
    earlier: Sequence[RunVariance] = (),
    of_chance: RunVariance | None = None,
) -> GateResult:
    """Whether the challenger beats every control at one-sided level `alpha`.

    All have to be beaten, so the level needs no correction for their number (an intersection-union test).

    Args:
        challenger: The recipe that is judged, at least `MIN_SEEDS` seeds.
        controls: Recipes to beat, at least `MIN_SEEDS` seeds each, on the same items.
        alpha: From `alpha_at`, in (0, 1).
        earlier: Run variances of earlier rounds, pooled with this round's.
        of_chance: Run variance of arms by chance in earlier judgements of the same items.
    """
    if not controls:
        raise ValueError("controls must hold at least one arm, got none; train one to compare with")
    run = pool_runs([shared_runs((challenger, *controls)), *earlier])
    comparisons = tuple(compare(challenger, control, run, of_chance) for control in controls)
    return GateResult(all(c.p < alpha and c.mean > 0 for c in comparisons), comparisons)


def compare(
    challenger: ArmScores, control: ArmScores, run: RunVariance | None = None, of_chance: RunVariance | None = None
) -> Comparison:
    """Compare a challenger recipe with a control recipe, both seeds and items taken as samples.

    Args:
        challenger: At least `MIN_SEEDS` seeds.
        control: At least `MIN_SEEDS` seeds, on the same items in any order.
        run: Run variance pooled over more arms than these two; by default over these two.
        of_chance: Run variance of arms by chance in earlier judgements of the same items.
    """
    run = _enough_runs(challenger, control, run)
    return _comparison(challenger, control, _noise(run, (challenger, control), of_chance))


def compare_to_model(challenger: ArmScores, model: ArmScores, run: RunVariance | None = None) -> Comparison:
    """Compare a challenger recipe with one fixed model, such as the one that the loop started with.

    The model is what it is and brings no run variance; the question is whether the recipe beats it.

    Args:
        challenger: At least `MIN_SEEDS` seeds.
        model: Exactly one row.
        run: Run variance pooled over more arms; by default the challenger's own, `num_seeds - 1` degrees.
    """
    _check_seeds(challenger)
    if model.num_seeds != 1:
        raise ValueError(
            f"a fixed model has one row of scores, got {model.num_seeds} for arm '{model.name}'; "
            f"use compare for two recipes"
        )
    run = run or run_variance([challenger.seed_means])
    return _comparison(challenger, model, _noise(run, (challenger,)))


def non_inferior(
    challenger: ArmScores,
    control: ArmScores,
    margin: float,
    run: RunVariance | None = None,
    level: float = GUARD_LEVEL,
) -> NonInferiority:
    """Test whether the challenger loses less than `margin`; with too little data that is not shown.

    The bound takes the items' variance as a loss of `margin` would have it, by Tango's score test (1998, Statistics
    in Medicine 17, 891). Where nearly all answers are right the loss is a count of a few items, and a count that is
    small by luck has a small sample variance too: judged by that, true losses of exactly the margin passed
    as harmless in up to 20 % of simulations with 100 items, 8 % with 1,000, where 5 % were meant.
    """
    if not margin > 0:
        raise ValueError(f"verify.margin must be positive, got {margin}; no loss at all can never be shown")
    run = _enough_runs(challenger, control, run)
    noise = _noise(run, (challenger, control))
    lower = _comparison(challenger, control, noise, loss=margin).lower_bound(level)
    return NonInferiority(_comparison(challenger, control, noise), lower, is_shown=lower > -margin)


def _enough_runs(challenger: ArmScores, control: ArmScores, run: RunVariance | None) -> RunVariance:
    for arm in (challenger, control):
        _check_seeds(arm)
    return run or shared_runs((challenger, control))


def shared_runs(arms: Sequence[ArmScores]) -> RunVariance:
    """Pool the run variance over the arms that train on the same rows with each seed; over all where those have fewer
    than `MIN_RUN_DF` degrees of freedom."""
    same = [arm for arm in arms if not arm.is_by_chance]
    is_enough = sum(arm.num_seeds - 1 for arm in same) >= MIN_RUN_DF
    return run_variance([arm.seed_means for arm in (same if is_enough else arms)])


@dataclass(frozen=True, slots=True)
class _RunNoise:
    """What runs add to the variance of a difference of arm means."""

    variance: float
    df: float
    seed_factor: float
    """1/Sa + 1/Sb, without the term of an arm that is one fixed model."""


def _noise(run: RunVariance, arms: Sequence[ArmScores], of_chance: RunVariance | None = None) -> _RunNoise:
    """Noise of the runs of a comparison's arms, those by chance with a variance of their own: that of the arm, or what
    earlier judgements leave of it where that is more, on the degrees of freedom of both. With two degrees alone a level
    that many looks have made small can be passed by no gain at all."""
    seed_factor = sum(1 / arm.num_seeds for arm in arms)
    shared = run.variance * sum(1 / arm.num_seeds for arm in arms if not arm.is_by_chance)
    drawn = [arm for arm in arms if arm.is_by_chance]
    if not drawn:
        return _RunNoise(shared, run.df, seed_factor)
    own = [run_variance([arm.seed_means]) for arm in drawn]
    if of_chance is not None:
        pooled = [pool_runs([one, of_chance]) for one in own]
        own = [RunVariance(max(a.variance, b.variance), b.df) for a, b in zip(own, pooled, strict=True)]
    parts = [shared, *(one.variance / arm.num_seeds for one, arm in zip(own, drawn, strict=True))]
    df = satterthwaite(np.asarray(sum(parts)), [np.asarray(part) for part in parts], [run.df, *(one.df for one in own)])
    return _RunNoise(sum(parts), float(df), seed_factor)


def _comparison(challenger: ArmScores, control: ArmScores, noise: _RunNoise, loss: float | None = None) -> Comparison:
    """Compare two arms. With `loss` the variance is that under a true difference of -loss."""
    arms = (challenger.scores, _aligned(control, challenger))  # each [num_seeds, num_items]
    differences = arms[0].mean(axis=0) - arms[1].mean(axis=0)  # [num_items]
    num_items, mean = len(differences), float(differences.mean())
    lowest, highest = min(float(scores.min()) for scores in arms), max(float(scores.max()) for scores in arms)
    of_items, (residual, residual_df) = item_variance(differences, arms), residual_variance(arms)
    if loss is not None and lowest >= 0 and highest <= 1:
        square = float(differences @ differences) / num_items
        of_items = max(of_items, float(item_variance_at_loss(np.asarray(mean), np.asarray(square), loss)))
    found, found_df = difference_variance(
        np.asarray(noise.variance),
        np.asarray(of_items / num_items),
        np.asarray(residual * noise.seed_factor / num_items),
        (noise.df, max(num_items - 1, 1), max(residual_df, 1)),
    )
    variance, df = float(found), float(found_df)
    if variance <= (1e-12 * max(abs(lowest), abs(highest))) ** 2:
        # Neither seeds nor items differ and the scores have no known range: their difference is the only scale.
        variance = mean**2
    se = math.sqrt(variance)
    half = se * float(special.stdtrit(df, 0.975))
    return Comparison(
        control=control.name,
        mean=mean,
        se=se,
        df=df,
        p=float(special.stdtr(df, -mean / se)) if se else 0.5,
        low=mean - half,
        high=mean + half,
        num_items=num_items,
        lasting=min(max(of_items - residual * noise.seed_factor, 0.0) / num_items, variance),
    )


def _aligned(control: ArmScores, challenger: ArmScores) -> NDArray[np.float64]:
    """Reorder the scores of the control to the challenger's items."""
    if control.items == challenger.items:
        return control.scores
    column = {item: k for k, item in enumerate(control.items)}
    missing = [item for item in challenger.items if item not in column]
    missing += sorted(column.keys() - set(challenger.items))
    if missing:
        raise ValueError(
            f"cannot pair scores of different items: {challenger.name} has {len(challenger.items)}, "
            f"{control.name} has {len(control.items)} (first missing: {missing[0]})"
        )
    return control.scores[:, [column[item] for item in challenger.items]]


def _check_seeds(arm: ArmScores) -> None:
    if arm.num_seeds < MIN_SEEDS:
        raise ValueError(
            f"verify.seeds must be at least {MIN_SEEDS}, got {arm.num_seeds} for arm '{arm.name}'; two runs "
            f"cannot tell a better recipe from a luckier seed"
        )
