"""The verdict: what was promised before training, held against what the arms did.

`Promise` is made from the plan and fixed before anything is trained (design.md, section 4, rule 2). `judge`
compares the challenger with every control on the promised items only, and with `continue` on every guard.
Pure functions; the statistics are `evals.compare`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from controller.arms import BEFORE, CHALLENGER, CONTINUE
from controller.promise import Promise, endpoint_name, guard_name
from controller.records import score_records
from controller.result import (
    AT_COMPUTE,
    ArmRecord,
    Decision,
    Flips,
    Gain,
    GuardRecord,
    VerdictRecord,
)
from controller.settings import Verify
from evals.compare import MIN_SEEDS, ArmScores, Comparison, GateResult, accepts, flips, non_inferior
from evals.intervals import score_interval
from evals.items import EvalReport, ItemResult, check_pairable
from evals.run_variance import RunNoise, RunVariance, run_noise


@dataclass(frozen=True, slots=True)
class Arm:
    """A recipe that was trained `len(reports)` times."""

    name: str
    reports: tuple[EvalReport, ...]
    """One for each training seed, on `select`."""
    tokens: int
    flops: float
    steps: int
    """Of one training; means over the seeds."""


@dataclass(frozen=True, slots=True)
class Ruling:
    gate: GateResult
    guards: tuple[GuardRecord, ...]

    @property
    def is_accepted(self) -> bool:
        return self.gate.is_accepted and all(guard.ok for guard in self.guards)


def judge(
    agreed: Promise,
    challenger: Arm,
    controls: Sequence[Arm],
    before: EvalReport,
    settings: Verify,
    earlier: Sequence[RunVariance],
) -> VerdictRecord:
    """Accepted only if every control is beaten on the endpoint and every guard is shown non-inferior.

    Args:
        agreed: What was promised.
        challenger: The fix.
        controls: `continue` among them, at equal tokens or compute; guards are held against it.
        before: The champion that the round opened with, on `select`.
        settings: Of the gate.
        earlier: Run variances of earlier rounds with the same endpoint, pooled with this one's. Other
            endpoints vary otherwise: pooled with that of a saturated one, a seed deviation of .02 let 6 to 9 %
            of fixes without effect pass at level .015.

    Raises:
        ValueError: the reports answer different items, or tasks of different versions.
    """
    arms = (challenger, *controls)
    _check_pairable(arms, before)
    counts = _flips(agreed, before, challenger)
    records = {BEFORE: _before_record(agreed, before)}

    def rejected(reason: str) -> VerdictRecord:
        return VerdictRecord(Decision.REJECTED, reason, agreed.endpoint, None, (), records, (), counts, agreed.alpha)

    endpoint = scored_by_all(arms, agreed.chosen)
    by_guard = {task: scored_by_all(arms, partial(of_task, task)) for task in agreed.guards}
    if unscored := [name for name, scores in {"the endpoint": endpoint, **by_guard}.items() if not scores]:
        return rejected(f"no item of {unscored[0]} was scored by every run: look at the answers of the arms")
    records |= {arm.name: _arm_record(arm, endpoint[arm.name], agreed.fields) for arm in arms}
    if len(challenger.reports) < MIN_SEEDS:
        return rejected(
            f"{len(challenger.reports)} seeds an arm, the gate needs {MIN_SEEDS}: set verify.seeds={MIN_SEEDS}"
        )
    ruling = rule(endpoint, by_guard, agreed.alpha, settings.margin, earlier)
    gate, guards = ruling.gate, ruling.guards
    hardest = _gain(gate.hardest)
    broken = [guard.task for guard in guards if not guard.ok]
    num_left_out = agreed.endpoint.num_items - gate.hardest.num_items
    left_out = f"; {num_left_out} items that a run left unscored are left out" if num_left_out > 0 else ""
    return VerdictRecord(
        decision=Decision.ACCEPTED if ruling.is_accepted else Decision.REJECTED,
        reason=_reason(gate.is_accepted, hardest, broken, agreed, settings) + left_out,
        endpoint=agreed.endpoint,
        gain=hardest,
        gains=tuple(_gain(comparison) for comparison in gate.comparisons),
        arms=records,
        guards=guards,
        flips=counts,
        alpha=agreed.alpha,
    )


def rule(
    endpoint: Mapping[str, ArmScores],
    guards: Mapping[str, Mapping[str, ArmScores]],
    alpha: float,
    margin: float,
    earlier: Sequence[RunVariance],
) -> Ruling:
    """The rule itself, on scores by arm; every control is in `endpoint` beside the challenger."""
    controls = [scores for name, scores in endpoint.items() if name != CHALLENGER]
    gate = accepts(endpoint[CHALLENGER], controls, alpha, earlier)
    return Ruling(gate, tuple(_guard(task, scores, margin) for task, scores in guards.items()))


def run_noises(agreed: Promise, arms: Sequence[Arm]) -> Mapping[str, RunNoise]:
    """Of the endpoint and of every guard, by `endpoint_name` and `guard_name`; those without a shared item left out."""
    scores = {endpoint_name(agreed.slices): scored_by_all(arms, agreed.chosen)} | {
        guard_name(task): scored_by_all(arms, partial(of_task, task)) for task in agreed.guards
    }
    return {name: run_noise([arm.scores for arm in of.values()]) for name, of in scores.items() if of}


def _reason(is_gain: bool, gain: Gain, broken: Sequence[str], agreed: Promise, settings: Verify) -> str:
    seen = f"{gain.mean:+.3f} [{gain.ci[0]:+.3f}, {gain.ci[1]:+.3f}] against {gain.control}, p = {gain.p:.2g}"
    if broken:
        return f"guard not shown unharmed within {settings.margin:g}: {', '.join(broken)}; gain {seen}"
    if is_gain:
        return f"every control beaten at level {agreed.alpha:.3g}: {seen}"
    detectable = agreed.endpoint.detectable_gain
    if detectable is None:
        return f"underpowered: {seen}; no possible gain would be seen in 80 % of runs"
    if detectable > agreed.endpoint.expected_gain:
        return (
            f"underpowered: {seen}; a true gain of {detectable:.3f} would be seen in 80 % of "
            f"runs, {agreed.endpoint.expected_gain:.3f} was expected"
        )
    return f"not shown better than {gain.control} at level {agreed.alpha:.3g}: {seen}"


def _check_pairable(arms: Sequence[Arm], before: EvalReport) -> None:
    runs = {f"{arm.name}-{seed}": report for arm in arms for seed, report in enumerate(arm.reports)}
    check_pairable({BEFORE: before} | runs)


def scored_by_all(
    arms: Sequence[Arm], choose: Callable[[Sequence[ItemResult]], Sequence[ItemResult]]
) -> dict[str, ArmScores]:
    """Scores of each arm on the chosen items that every run of every arm scored; empty without such an item."""
    chosen = {arm.name: [choose(report.results) for report in arm.reports] for arm in arms}
    shared = set.intersection(*({_key(result) for result in run} for runs in chosen.values() for run in runs))
    if not shared:
        return {}
    return {
        name: arm_scores(name, [[result for result in run if _key(result) in shared] for run in runs])
        for name, runs in chosen.items()
    }


def of_task(task: str, results: Sequence[ItemResult]) -> list[ItemResult]:
    return [result for result in results if result.item.task == task]


def arm_scores(name: str, runs: Sequence[Sequence[ItemResult]]) -> ArmScores:
    """One row for each run; items that one of the runs left unscored are left out of all."""
    shared = set.intersection(*({_key(result) for result in run} for run in runs))
    items = tuple(key for key in map(_key, runs[0]) if key in shared)
    rows = [{_key(result): result.score for result in run} for run in runs]
    return ArmScores(name, items, np.array([[row[item] for item in items] for row in rows], dtype=np.float64))


def _key(result: ItemResult) -> str:
    return f"{result.item.task}/{result.item.id}"


def _guard(task: str, scores: Mapping[str, ArmScores], margin: float) -> GuardRecord:
    old_data = next(scores[name] for name in (CONTINUE, CONTINUE + AT_COMPUTE) if name in scores)
    result = non_inferior(scores[CHALLENGER], old_data, margin)
    change = result.change
    return GuardRecord(task, change.mean, (change.low, change.high), result.is_shown, result.lower, margin)


def _gain(comparison: Comparison) -> Gain:
    return Gain(comparison.mean, (comparison.low, comparison.high), comparison.p, comparison.control)


def _arm_record(arm: Arm, scores: ArmScores, fields: Sequence[str]) -> ArmRecord:
    mean = float(scores.scores.mean())
    spread = recipe_interval(scores)
    return ArmRecord(
        score=mean,
        ci=spread,
        seeds=tuple(float(value) for value in scores.seed_means),
        tokens=arm.tokens,
        flops=arm.flops,
        steps=arm.steps,
        scores=tuple(score_records(arm.reports, fields)),
    )


def recipe_interval(scores: ArmScores) -> tuple[float, float]:
    """95 %, over items, widened by the deviation over the recipe's seeds."""
    items = score_interval(scores.scores.mean(axis=0))
    mean = float(scores.scores.mean())
    if scores.num_seeds == 1:
        return items.low, items.high
    seeds = 1.96**2 * float(scores.seed_means.var(ddof=1)) / scores.num_seeds
    low = mean - float(np.sqrt((mean - items.low) ** 2 + seeds))
    high = mean + float(np.sqrt((items.high - mean) ** 2 + seeds))
    return low, high


def _before_record(agreed: Promise, before: EvalReport) -> ArmRecord:
    chosen = agreed.chosen(before.results)
    interval = score_interval([result.score for result in chosen])
    return ArmRecord(
        score=interval.mean,
        ci=(interval.low, interval.high),
        seeds=(interval.mean,),
        tokens=0,
        flops=0.0,
        steps=0,
        scores=tuple(score_records([before], agreed.fields)),
    )


def _flips(agreed: Promise, before: EvalReport, challenger: Arm) -> Flips:
    """By the majority of the challenger's seeds."""
    was = {_key(result): not result.is_failed for result in agreed.chosen(before.results)}
    votes: dict[str, list[bool]] = {}
    for report in challenger.reports:
        for result in agreed.chosen(report.results):
            votes.setdefault(_key(result), []).append(not result.is_failed)
    shared = [key for key in was if key in votes]
    counts = flips([was[key] for key in shared], [float(np.mean(votes[key])) > 0.5 for key in shared])
    return Flips(counts.fixed, counts.broken, counts.p)
