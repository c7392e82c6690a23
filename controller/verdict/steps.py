"""Choose the steps of a plan that are kept, and the arm that is judged.

The plan was also trained without each optional step (`interventions.arms.reductions`). A step is kept where the whole
plan is shown better than the plan without it on the items that the step should fix, and left out where the whole plan
does harm that the plan without it does not. A repair that small trainings have shown to work by itself is shown
already: beside other repairs of the same failure it may have nothing left to mend, so it is kept unless the whole plan
falls short of the plan without it. Only one arm is judged, that of what is left, and each that might be has its part of
the look's level, so that choosing it by the same answers raises no false acceptance. Pure functions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from controller.results.arm_names import CONTINUE
from controller.results.verdict_json import StepRecord
from controller.verdict.arm_scores import Arm, scored_by_all
from controller.verdict.guards import chosen_in
from controller.verdict.judge import Contest, judge
from controller.verdict.promise import Promise
from controller.verdict.settings import Verify
from diagnose.finding.finding import Cause, Finding
from evals.items import EvalReport
from evals.statistics.compare import MIN_SEEDS, compare, shared_runs
from interventions.arms.reductions import OptionalStep
from interventions.fixes.clean import RELABEL
from interventions.plan.step import CLEAN, COUNTER_EXAMPLES

_REPAIRED: Mapping[str, Collection[Cause]] = MappingProxyType(
    {
        CLEAN: (Cause.WRONG_LABELS, Cause.DUPLICATES),
        RELABEL: (Cause.WRONG_LABELS,),
        COUNTER_EXAMPLES: (Cause.SHORTCUT,),
    }
)
"""Causes whose repair a kind of step is."""
_SHOWN_LOSS = 0.05
"""One-sided level at which a step is shown to lose."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An arm that may be judged, and its promise."""

    name: str
    left_out: tuple[int, ...]
    """Places of the optional steps that the arm is without; none for the whole plan."""
    agreed: Promise


@dataclass(frozen=True, slots=True)
class Choice:
    candidate: Candidate
    steps: tuple[StepRecord, ...]


def choose(
    candidates: Sequence[Candidate],
    optional: Sequence[OptionalStep],
    arms: Mapping[str, Arm],
    controls: Sequence[Arm],
    before: EvalReport,
    settings: Verify,
    findings: Sequence[Finding],
) -> Choice:
    """Choose the candidate that is judged.

    Args:
        candidates: Candidates, the whole plan first.
        optional: Optional steps of the plan.
        arms: Arm of every candidate, by name.
        controls: Control arms, `continue` among them.
        before: The champion on `select`.
        settings: Settings of the gate.
        findings: Findings that the plan was made for, with the small trainings of their repairs.
    """
    whole = candidates[0]
    if len(candidates) == 1 or len(arms[whole.name].reports) < MIN_SEEDS:
        return Choice(whole, ())
    without = {one.left_out[0]: one for one in candidates if len(one.left_out) == 1}
    # Runs of the plan's own arms and of the old data tell what runs of a step vary by: a control whose trainings go far
    # apart would hide it.
    alike = [*arms.values(), *(control for control in controls if control.name == CONTINUE)]
    records = {
        k: _record(optional[k], arms[whole.name], arms[one.name], alike, whole.agreed, settings, findings)
        for k, one in without.items()
    }
    dropped = tuple(k for k, record in records.items() if not record.is_kept)
    if not dropped and not _is_harmless(whole, arms, controls, before, settings):
        harmless = (k for k, one in without.items() if _is_harmless(one, arms, controls, before, settings))
        dropped = tuple(harmless)[:1]
    # Of several steps to be left out, but not all, no arm was trained; then all are. Where that leaves nothing, it is
    # for the gate to say whether the whole is better than the old data.
    left = next(
        (one for one in candidates[1:] if one.left_out == dropped),
        next((one for one in candidates if len(dropped) > 1 and len(one.left_out) > 1), whole),
    )
    chosen = left if dropped else whole
    return Choice(chosen, tuple(replace(record, is_kept=k not in chosen.left_out) for k, record in records.items()))


def _record(
    step: OptionalStep,
    whole: Arm,
    without: Arm,
    arms: Sequence[Arm],
    agreed: Promise,
    settings: Verify,
    findings: Sequence[Finding],
) -> StepRecord:
    is_shown = _is_shown(step, findings)
    scores = scored_by_all(arms, chosen_in([step.items], agreed.fields))
    if not scores:
        return StepRecord(step.what, without.name, 0.0, (-1.0, 1.0), 1.0, is_kept=is_shown, is_shown=is_shown)
    run = shared_runs([*scores.values()])
    gain = compare(scores[whole.name], scores[without.name], run)
    is_better = gain.mean > 0 and gain.p < agreed.alpha
    falls_short = gain.mean < -settings.margin or gain.p > 1 - _SHOWN_LOSS
    is_kept = is_better or (is_shown and not falls_short)
    return StepRecord(step.what, without.name, gain.mean, (gain.low, gain.high), gain.p, is_kept, is_shown)


def _is_shown(step: OptionalStep, findings: Sequence[Finding]) -> bool:
    """Whether small trainings showed that the repair of the step's cause mends its items."""
    causes = _REPAIRED.get(step.kind, ())
    return any(finding.slice == step.items and any(map(finding.shows, causes)) for finding in findings)


def _is_harmless(
    candidate: Candidate,
    arms: Mapping[str, Arm],
    controls: Sequence[Arm],
    before: EvalReport,
    settings: Verify,
) -> bool:
    ruling = judge(Contest(candidate.agreed, arms[candidate.name], controls, before, settings)).ruling
    return ruling is not None and ruling.is_harmless
