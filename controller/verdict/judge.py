"""Judge one arm: compare what was promised before training with what the arms did.

`Promise` is made from the plan and fixed before anything is trained. `judge` compares the challenger with every control
on the promised items, with `continue` on every guard, and with `continue` on every class and field value, of which none
may be shown to lose much. Mere further training can cost a guard too, so its measured loss must not exceed the margin
against the model before either, nor against the model that the loop started with. Pure functions; the statistics are
`evals.statistics.compare`'s and `evals.statistics.harm`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.results.arm_names import BEFORE
from controller.results.verdict_json import Decision, Ending, Flips, Gain, LookRecord, VerdictRecord
from controller.verdict.arm_scores import Arm, arm_record, item_key, model_record, scored_by_all
from controller.verdict.groups import TIMES_MARGIN, endpoint_groups, group_records, group_slices
from controller.verdict.promise import Promise, by_chance, endpoint_name, guard_name
from controller.verdict.ruling import At, LookRuling, Ruling, old_data, rule, rule_at
from controller.verdict.settings import Verify
from diagnose.slices.predicate import Slice
from evals.items import EvalReport, ItemResult, check_pairable
from evals.statistics.compare import MIN_SEEDS, Comparison
from evals.statistics.paired import flips
from evals.statistics.run_variance import RunNoise, RunVariance, run_noise


@dataclass(frozen=True, slots=True)
class Contest:
    """What is judged: what was promised, and what an arm and its controls did."""

    agreed: Promise
    challenger: Arm
    """Arm that is judged, of the fix or of random rows."""
    controls: Sequence[Arm]
    """Control arms, `continue` among them, at equal tokens or compute; guards are compared with it."""
    before: EvalReport
    """The champion that the round opened with, on `select`."""
    settings: Verify
    earlier: Sequence[RunVariance] = ()
    """Run variances of earlier rounds with the same endpoint, pooled with this one's. Other endpoints vary differently:
    pooled with that of a saturated one, a seed deviation of .02 let 6 to 9 % of fixes without effect pass at level
    .015. At a look each arm has the variance of its own runs."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, the judged one first."""
        return (self.challenger, *self.controls)


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdict of the gate on an arm."""

    verdict: VerdictRecord
    ruling: Ruling | None
    """Comparisons behind the verdict; None where there are too few seeds, or no item that every run scored."""
    ending: Ending
    """Why the judgement ends here, or that it goes on with more seeds."""
    beaten: tuple[Comparison, ...] = ()
    """Comparisons with controls that need no more seeds where it goes on."""


def judge(contest: Contest, at: At | None = None) -> Judged:
    """Accept only if every control is beaten on the endpoint, every guard is shown non-inferior and no group of items
    is shown to lose, and more than twice the margin.

    Args:
        contest: The promise, the arms and the model before.
        at: The look whose seeds the arms have; None where there is one only.

    Raises:
        ValueError: the reports answer different items, or tasks of different versions.
    """
    agreed, challenger, arms = contest.agreed, contest.challenger, contest.arms
    before, settings = contest.before, contest.settings
    runs = {f"{arm.name}-{seed}": report for arm in arms for seed, report in enumerate(arm.reports)}
    check_pairable({BEFORE: before} | runs)
    counts = _flips(agreed, before, challenger)
    records = {BEFORE: model_record(before, agreed.chosen(before.results), agreed.fields)}

    def rejected(reason: str) -> Judged:
        return Judged(
            VerdictRecord(Decision.REJECTED, reason, agreed.endpoint, None, (), records, (), counts, agreed.alpha),
            None,
            Ending.LAST,
        )

    endpoint = scored_by_all(arms, agreed.chosen)
    by_guard = {guard.name: scored_by_all(arms, guard.chosen) for guard in agreed.guards}
    if unscored := [name for name, scores in {"the endpoint": endpoint, **by_guard}.items() if not scores]:
        return rejected(f"no item of {unscored[0]} was scored by every run: look at the answers of the arms")
    records |= {arm.name: arm_record(arm, endpoint[arm.name], agreed.fields) for arm in arms}
    if len(challenger.reports) < MIN_SEEDS:
        return rejected(
            f"{len(challenger.reports)} seeds an arm, the gate needs {MIN_SEEDS}: set verify.seeds={MIN_SEEDS}"
        )
    models = [before, agreed.start] if agreed.start is not None else [before]
    was = {
        guard.name: [_by_item(guard.chosen(before.results)), _by_item(agreed.start_of(guard))]
        for guard in agreed.guards
    }
    everything = scored_by_all(arms, lambda results: results)
    groups = group_records(
        [*group_slices(before.results, agreed.fields), *endpoint_groups(before.results, agreed.slices, agreed.fields)],
        everything,
        [_by_item(report.results) for report in models],
        challenger.name,
        old_data(everything),
        settings.margin,
    )
    looked = None
    if at is None:
        ruling = rule(
            endpoint,
            by_guard,
            groups,
            agreed.alpha,
            settings.margin,
            contest.earlier,
            challenger.name,
            was,
            agreed.of_chance,
        )
    else:
        looked = rule_at(endpoint, by_guard, groups, at, settings.margin, challenger.name, was)
        ruling = looked.ruling
    level = agreed.alpha if looked is None else looked.shown.level
    gate = ruling.gate
    hardest = gain_record(gate.hardest)
    num_left_out = agreed.endpoint.num_items - gate.hardest.num_items
    notes = [f"{num_left_out} items that a run left unscored are left out"] if num_left_out > 0 else []
    notes += [agreed.unguarded] if agreed.unguarded else []
    verdict = VerdictRecord(
        decision=Decision.ACCEPTED if ruling.is_accepted else Decision.REJECTED,
        reason="; ".join([_reason(ruling, hardest, agreed, settings, level), *_looked(looked), *notes]),
        endpoint=agreed.endpoint,
        gain=hardest,
        gains=tuple(gain_record(comparison) for comparison in gate.comparisons),
        arms=records,
        guards=ruling.guards,
        flips=counts,
        alpha=level,
        groups=groups,
        champion_arm=challenger.name if ruling.is_accepted else "",
        looks=() if looked is None else (_look_record(looked),),
    )
    if looked is None:
        return Judged(verdict, ruling, _ending(ruling))
    return Judged(verdict, ruling, looked.ending, looked.beaten)


def noise_by_endpoint(agreed: Promise, arms: Sequence[Arm]) -> Mapping[str, RunNoise]:
    """Estimate run noise of endpoint and guards, by `endpoint_name` and `guard_name`, where they share items; that of
    arms by chance apart, by `by_chance`."""
    scores = {endpoint_name(agreed.slices): scored_by_all(arms, agreed.chosen)} | {
        guard_name(guard): scored_by_all(arms, guard.chosen) for guard in agreed.guards
    }
    found = {}
    for name, of in scores.items():
        for kind, is_by_chance in ((name, False), (by_chance(name), True)):
            arms_of = [arm.scores for arm in of.values() if arm.is_by_chance is is_by_chance]
            if arms_of:
                found[kind] = run_noise(arms_of)
    return found


def with_arms(verdict: VerdictRecord, agreed: Promise, arms: Sequence[Arm]) -> VerdictRecord:
    """Show further arms in a verdict that does not rest on them."""
    scores = scored_by_all(arms, agreed.chosen) if arms else {}
    shown = {arm.name: arm_record(arm, scores[arm.name], agreed.fields) for arm in arms if scores}
    return replace(verdict, arms={**verdict.arms, **shown})


def gain_record(comparison: Comparison) -> Gain:
    return Gain(comparison.mean, (comparison.low, comparison.high), comparison.p, comparison.control)


def _ending(ruling: Ruling) -> Ending:
    return Ending.ACCEPTED if ruling.is_accepted else Ending.LAST


def _look_record(looked: LookRuling) -> LookRecord:
    shown = looked.shown
    return LookRecord(
        shown.num_seeds,
        shown.level,
        gain_record(shown.gate.hardest),
        shown.boundary,
        shown.predictive_power,
        looked.ending,
        tuple(one.control for one in looked.beaten) if looked.ending is Ending.GOES_ON else (),
    )


def _looked(looked: LookRuling | None) -> list[str]:
    """Say why a judgement that might have had more seeds ends without a gain."""
    if looked is None or looked.ending is not Ending.FUTILE:
        return []
    seeds, foreseen = looked.shown.num_seeds, looked.shown.predictive_power
    if looked.shown.is_futile:
        return [f"after {seeds} seeds an arm, all that are allowed would show it in {foreseen:.0%} of cases"]
    return [f"after {seeds} seeds an arm, all that are allowed would hardly show every guard unharmed"]


def _reason(ruling: Ruling, gain: Gain, agreed: Promise, settings: Verify, level: float) -> str:
    seen = f"{gain.mean:+.3f} [{gain.ci[0]:+.3f}, {gain.ci[1]:+.3f}] against {gain.control}, p = {gain.p:.2g}"
    if ruling.harmed:
        lost = ", ".join(
            f"{Slice(tuple(group.slice.items()))} {group.held_to:.3f} before, {group.control:.3f} with the old data, "
            f"{group.challenger:.3f} with the fix"
            for group in ruling.harmed
        )
        return f"shown to lose more than {TIMES_MARGIN * settings.margin:g}: {lost}; gain {seen}"
    if ruling.broken:
        return f"guard not shown unharmed within {settings.margin:g}: {', '.join(ruling.broken)}; gain {seen}"
    if ruling.gate.is_accepted:
        return f"every control beaten at level {level:.3g}: {seen}"
    detectable = agreed.endpoint.detectable_gain
    if detectable is None:
        return f"underpowered: {seen}; no possible gain would be seen in 80 % of runs"
    if detectable > agreed.endpoint.expected_gain:
        return (
            f"underpowered: {seen}; a true gain of {detectable:.3f} would be seen in 80 % of "
            f"runs, {agreed.endpoint.expected_gain:.3f} was expected"
        )
    return f"not shown better than {gain.control} at level {level:.3g}: {seen}"


def _by_item(results: Sequence[ItemResult]) -> dict[str, float]:
    return {item_key(result): result.score for result in results}


def _flips(agreed: Promise, before: EvalReport, challenger: Arm) -> Flips:
    """Count flips by the majority of the challenger's seeds."""
    was = {item_key(result): not result.is_failed for result in agreed.chosen(before.results)}
    votes: dict[str, list[bool]] = {}
    for report in challenger.reports:
        for result in agreed.chosen(report.results):
            votes.setdefault(item_key(result), []).append(not result.is_failed)
    shared = [key for key in was if key in votes]
    counts = flips([was[key] for key in shared], [float(np.mean(votes[key])) > 0.5 for key in shared])
    return Flips(counts.fixed, counts.broken, counts.p)
