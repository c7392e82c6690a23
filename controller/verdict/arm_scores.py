"""Score trained arms on the items that all of them answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from controller.results.arm_names import AT_COMPUTE
from controller.results.records import score_records
from controller.results.verdict_json import ArmRecord
from controller.train.before.mixture import Drawn
from evals.items import EvalReport, ItemResult
from evals.statistics.compare import ArmScores
from evals.statistics.intervals import Z, score_interval

Choose = Callable[[Sequence[ItemResult]], Sequence[ItemResult]]
"""Chooses results of one run that are scored."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A recipe that was trained `len(reports)` times."""

    name: str
    reports: tuple[EvalReport, ...]
    """Reports on `select`, one for each training seed."""
    tokens: int
    flops: float
    steps: int
    """Steps of one training; like tokens and FLOPs a mean over the seeds."""
    drawn: tuple[Drawn, ...] = ()
    """Draws of each source, the most first; means over the seeds too."""
    is_by_chance: bool = False
    """Whether each training had a draw of rows of its own."""

    @property
    def is_of(self) -> str:
        """Name without the suffix for compute."""
        return self.name.removesuffix(AT_COMPUTE)


def scored_by_all(arms: Sequence[Arm], choose: Choose) -> dict[str, ArmScores]:
    """Compute scores of each arm on the chosen items that every run of every arm scored; empty without such an item."""
    chosen = {arm.name: [choose(report.results) for report in arm.reports] for arm in arms}
    shared = set.intersection(*({item_key(result) for result in run} for runs in chosen.values() for run in runs))
    if not shared:
        return {}
    by_chance = {arm.name for arm in arms if arm.is_by_chance}
    return {
        name: arm_scores(
            name, [[result for result in run if item_key(result) in shared] for run in runs], name in by_chance
        )
        for name, runs in chosen.items()
    }


def arm_scores(name: str, runs: Sequence[Sequence[ItemResult]], is_by_chance: bool = False) -> ArmScores:
    """Arrange scores, [num_runs, num_items]; items that one of the runs left unscored are left out of all."""
    shared = set.intersection(*({item_key(result) for result in run} for run in runs))
    items = tuple(key for key in map(item_key, runs[0]) if key in shared)
    rows = [{item_key(result): result.score for result in run} for run in runs]
    scores = np.array([[row[item] for item in items] for row in rows], dtype=np.float64)
    return ArmScores(name, items, scores, is_by_chance)


def item_key(result: ItemResult) -> str:
    return str(result.item.key)


def arm_record(arm: Arm, scores: ArmScores, fields: Sequence[str]) -> ArmRecord:
    """Record an arm for `loop.json`; `scores` are those on the endpoint."""
    return ArmRecord(
        score=float(scores.scores.mean()),
        ci=recipe_interval(scores),
        seeds=tuple(float(value) for value in scores.seed_means),
        tokens=arm.tokens,
        flops=arm.flops,
        steps=arm.steps,
        scores=tuple(score_records(arm.reports, fields)),
        drawn=arm.drawn,
    )


def model_record(report: EvalReport, chosen: Sequence[ItemResult], fields: Sequence[str]) -> ArmRecord:
    """Record a model that nothing was trained for; `chosen` are its results on the endpoint."""
    interval = score_interval([result.score for result in chosen])
    return ArmRecord(
        score=interval.mean,
        ci=(interval.low, interval.high),
        seeds=(interval.mean,),
        tokens=0,
        flops=0.0,
        steps=0,
        scores=tuple(score_records([report], fields)),
    )


def recipe_interval(scores: ArmScores) -> tuple[float, float]:
    """Interval of a mean score over items, 95 %, widened by the deviation over the recipe's seeds."""
    items = score_interval(scores.scores.mean(axis=0))
    mean = float(scores.scores.mean())
    if scores.num_seeds == 1:
        return items.low, items.high
    seeds = Z**2 * float(scores.seed_means.var(ddof=1)) / scores.num_seeds
    low = mean - float(np.sqrt((mean - items.low) ** 2 + seeds))
    high = mean + float(np.sqrt((items.high - mean) ** 2 + seeds))
    return low, high
