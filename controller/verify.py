"""The verdict: what was promised before training, held against what the arms did.

`Promise` is made from the plan and fixed before anything is trained (design.md, section 4, rule 2). `judge`
compares the challenger with every control on the promised items only, and with `continue` on every guard.
Pure functions; the statistics are `evals.compare`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.records import score_records
from controller.result import (
    ArmRecord,
    Decision,
    Endpoint,
    Flips,
    Gain,
    GuardRecord,
    VerdictRecord,
)
from controller.settings import Verify
from diagnose.slices import Slice, item_table
from evals.compare import (
    MIN_SEEDS,
    ArmScores,
    Comparison,
    RunVariance,
    accepts,
    flips,
    non_inferior,
    run_variance,
)
from evals.intervals import score_interval
from evals.items import EvalReport, ItemResult
from evals.power import detectable_gain
from interventions.plan import Plan

CHALLENGER, CONTINUE, RANDOM, BEFORE = "challenger", "continue", "random", "before"


@dataclass(frozen=True, slots=True)
class Promise:
    """What is tested, written down before training."""

    slices: tuple[Slice, ...]
    """The endpoint is every `select` item in any of them, failed before or not."""
    fields: tuple[str, ...]
    """Document fields that the slices may name."""
    guards: tuple[str, ...]
    """Tasks that must not get worse."""
    endpoint: Endpoint
    warning: str
    alpha: float
    """One-sided level of this look."""

    @classmethod
    def over(cls, promises: Sequence["Promise"]) -> "Promise":
        """One endpoint of all that several rounds promised."""
        slices = tuple(dict.fromkeys(where for agreed in promises for where in agreed.slices))
        return replace(promises[-1], slices=slices)

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        """The results that the endpoint is measured on."""
        table = item_table([result.item for result in results], self.fields)
        inside = np.zeros(len(results), bool)
        for where in self.slices:
            inside |= table.members(where)
        return [result for result, is_in in zip(results, inside, strict=True) if is_in]


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


def promise(
    plan: Plan,
    before: EvalReport,
    fields: Sequence[str],
    guards: Sequence[str],
    settings: Verify,
    alpha: float,
) -> Promise:
    """Endpoint, expected and detectable gain of a plan that changes something.

    The plan expects to close half of the gap, which is the least that a cause's definition asks of its repair.

    Raises:
        ValueError: no `select` item matches the failing slice.
    """
    assert plan.actions, "a plan that changes nothing promises nothing"
    slices = tuple(dict.fromkeys(action.items for action in plan.actions))
    draft = Promise(slices, tuple(fields), tuple(guards), _NO_ENDPOINT, "", alpha)
    chosen = draft.chosen(before.results)
    if not chosen:
        raise ValueError(
            f"no `select` item matches the failing slice {slices[0]}; measure more items (evals.limit) so that "
            "a fix can be judged"
        )
    score = float(np.mean([result.score for result in chosen]))
    expected = max(settings.min_gain, (1 - score) / 2)
    num_seeds = max(settings.seeds, MIN_SEEDS)
    detectable = detectable_gain(
        len(chosen), num_seeds, alpha, min(max(score, 0.0), 1.0), run_sd=settings.run_sd, num_arms=3
    )
    endpoint = Endpoint(
        metric=chosen[0].metric,
        slice=_described(slices),
        num_items=len(chosen),
        min_gain=settings.min_gain,
        expected_gain=expected,
        detectable_gain=detectable,
    )
    return Promise(slices, tuple(fields), tuple(guards), endpoint, _warning(endpoint, settings), alpha)


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
        controls: `continue` among them; guards are held against it.
        before: The champion that the round opened with, on `select`.
        earlier: Run variances of earlier rounds, pooled with this one's.
    """
    arms = (challenger, *controls)
    scores = {arm.name: arm_scores(arm.name, [agreed.chosen(r.results) for r in arm.reports]) for arm in arms}
    records = {BEFORE: _before_record(agreed, before)} | {
        arm.name: _arm_record(arm, scores[arm.name], agreed.fields) for arm in arms
    }
    counts = _flips(agreed, before, challenger)
    if challenger.reports and len(challenger.reports) < MIN_SEEDS:
        reason = f"{len(challenger.reports)} seeds an arm, the gate needs {MIN_SEEDS}: set verify.seeds={MIN_SEEDS}"
        return VerdictRecord(Decision.REJECTED, reason, agreed.endpoint, None, (), records, (), counts, agreed.alpha)
    gate = accepts(scores[CHALLENGER], [scores[arm.name] for arm in controls], agreed.alpha, earlier)
    guards = tuple(
        _guard(task, challenger, next(arm for arm in controls if arm.name == CONTINUE), settings.margin)
        for task in agreed.guards
    )
    gains = tuple(_gain(comparison) for comparison in gate.comparisons)
    hardest = _gain(gate.hardest)
    broken = [guard.task for guard in guards if not guard.ok]
    decision = Decision.ACCEPTED if gate.is_accepted and not broken else Decision.REJECTED
    return VerdictRecord(
        decision=decision,
        reason=_reason(gate.is_accepted, hardest, broken, agreed, settings),
        endpoint=agreed.endpoint,
        gain=hardest,
        gains=gains,
        arms=records,
        guards=guards,
        flips=counts,
        alpha=agreed.alpha,
    )


def endpoint_run_variance(agreed: Promise, arms: Sequence[Arm]) -> RunVariance:
    """Variance between training seeds on the endpoint, for the rounds to come."""
    means = [
        [float(np.mean([r.score for r in agreed.chosen(report.results)])) for report in arm.reports] for arm in arms
    ]
    return run_variance(means)


_NO_ENDPOINT = Endpoint("", {}, 0, 0.0, 0.0, 0.0)


def _reason(is_gain: bool, gain: Gain, broken: Sequence[str], agreed: Promise, settings: Verify) -> str:
    seen = f"{gain.mean:+.3f} [{gain.ci[0]:+.3f}, {gain.ci[1]:+.3f}] against {gain.control}, p = {gain.p:.2g}"
    if broken:
        return f"guard not shown unharmed within {settings.margin:g}: {', '.join(broken)}; gain {seen}"
    if is_gain:
        return f"every control beaten at level {agreed.alpha:.3g}: {seen}"
    if agreed.endpoint.detectable_gain > agreed.endpoint.expected_gain:
        return (
            f"underpowered: {seen}; a true gain of {agreed.endpoint.detectable_gain:.3f} would be seen in 80 % of "
            f"runs, {agreed.endpoint.expected_gain:.3f} was expected"
        )
    return f"not shown better than {gain.control} at level {agreed.alpha:.3g}: {seen}"


def _warning(endpoint: Endpoint, settings: Verify) -> str:
    if settings.seeds < MIN_SEEDS:
        return f"verify.seeds={settings.seeds} can never accept; at least {MIN_SEEDS} seeds are needed"
    if endpoint.detectable_gain <= endpoint.expected_gain:
        return ""
    return (
        f"{endpoint.num_items} items and {settings.seeds} seeds would see a gain of {endpoint.detectable_gain:.3f} in "
        f"80 % of runs, but {endpoint.expected_gain:.3f} is expected: raise verify.seeds or measure more items"
    )


def arm_scores(name: str, runs: Sequence[Sequence[ItemResult]]) -> ArmScores:
    """One row for each run; items that one of the runs left unscored are left out of all."""
    shared = set.intersection(*({_key(result) for result in run} for run in runs))
    items = tuple(key for key in map(_key, runs[0]) if key in shared)
    rows = [{_key(result): result.score for result in run} for run in runs]
    return ArmScores(name, items, np.array([[row[item] for item in items] for row in rows], dtype=np.float64))


def _key(result: ItemResult) -> str:
    return f"{result.item.task}/{result.item.id}"


def _guard(task: str, challenger: Arm, control: Arm, margin: float) -> GuardRecord:
    def scores(arm: Arm) -> ArmScores:
        return arm_scores(arm.name, [[r for r in report.results if r.item.task == task] for report in arm.reports])

    result = non_inferior(scores(challenger), scores(control), margin)
    change = result.change
    return GuardRecord(task, change.mean, (change.low, change.high), result.is_shown, result.lower, margin)


def _gain(comparison: Comparison) -> Gain:
    return Gain(comparison.mean, (comparison.low, comparison.high), comparison.p, comparison.control)


def _arm_record(arm: Arm, scores: ArmScores, fields: Sequence[str]) -> ArmRecord:
    mean = float(scores.scores.mean())
    spread = _recipe_interval(scores)
    return ArmRecord(
        score=mean,
        ci=spread,
        seeds=tuple(float(value) for value in scores.seed_means),
        tokens=arm.tokens,
        flops=arm.flops,
        steps=arm.steps,
        scores=tuple(score_records(arm.reports, fields)),
    )


def _recipe_interval(scores: ArmScores) -> tuple[float, float]:
    """Interval of a recipe's score over items, widened by the deviation over its seeds."""
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
    return Flips(counts.fixed, counts.broken)


def _described(slices: Sequence[Slice]) -> Mapping[str, str]:
    if len(slices) == 1:
        return slices[0].as_dict()
    return {"any of": "; ".join(str(where) for where in slices)}
