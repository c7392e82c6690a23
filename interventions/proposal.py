"""Turn the steps for each finding into one plan, and into the training mix that carries it out."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diagnose.finding.finding import Cause, Diagnosis, Finding
from diagnose.slices.predicate import Slice
from interventions.admission.gate import EVALUATION_ITEM, Stock
from interventions.mix.compose import compose
from interventions.mix.diversity import diversity_change
from interventions.mix.mix import Origin, TrainingMix
from interventions.plan.allocate import Removed, allocate
from interventions.plan.plan import Plan
from interventions.plan.step import Declined, Intervention, Limits, Made, Resources, Step, Steps, Supply, key_of
from interventions.selection.companions import with_companions

CONTAMINATION = "contamination"
"""Kind of removal for rows that repeat evaluation items: they leave every arm."""
INSIDE = "most of its failures are in the slices inside it, and these are mended"
SETTING_FIRST = "its cause is not known, and a setting of the training is wrong that may explain it; correct that first"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with at least one action, and its training mix."""

    plan: Plan
    mix: TrainingMix
    removed: tuple[Removed, ...]
    """Rows of the corpus that are not in the mix."""
    resources: Resources
    """What the plan was made from, for its controls."""
    num_added: int
    """New rows that stand in the place of no others."""
    steps: tuple[Step, ...]
    """Steps that the plan carries out."""
    limits: Limits


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """A plan without actions; its reason says why."""

    plan: Plan


def propose(
    intervention: Intervention, diagnosis: Diagnosis, resources: Callable[[], Resources]
) -> Proposal | NothingToDo:
    """Propose what to change.

    Args:
        intervention: The kind of fix.
        diagnosis: Findings, the one that explains most failures first.
        resources: Makes the resources, called only where something fails, because it looks at every row.
    """
    if not diagnosis.findings:
        return NothingToDo(Plan(actions=(), reason="no slice fails more than it should", blocked={}))
    return plan_fix(intervention, diagnosis, resources())


def plan_fix(
    intervention: Intervention, diagnosis: Diagnosis, resources: Resources, dose: float = 1.0
) -> Proposal | NothingToDo:
    """Propose as `propose` does, with the resources at hand.

    Args:
        intervention: The kind of fix.
        diagnosis: Diagnosis with at least one finding.
        resources: What the fix can draw on.
        dose: Multiplies the number of rows that the fix adds; all else stays the same.
    """
    limits = replace(intervention.limits(), dose=dose, scale=resources.scale)
    if dose > 1 and limits.num_examples is not None:  # fewer rows are the first of the fix's own
        intervention = intervention.adding(math.ceil(dose * limits.num_examples))
    by_slice: dict[Slice, tuple[Step, ...]] = {}
    declined: list[str] = []
    mended: set[Slice] = set()
    for finding in diagnosis.findings:
        if _may_be_the_setting(finding, diagnosis):
            found: Steps = Declined(SETTING_FIRST)
        elif finding.acted_on not in by_slice and _is_mended_inside(finding, diagnosis, mended):
            found = Declined(INSIDE)
        else:
            found = intervention.steps(finding, resources)
        if isinstance(found, Declined):
            declined.append(f"{finding.slice}: {found.reason}")
        elif finding.acted_on not in by_slice or _holds(finding, diagnosis, mended):
            by_slice[finding.acted_on] = found  # the same rows for all that they mend, not for a part of it
            mended.add(finding.slice)
    wanted = [step for found in by_slice.values() for step in found if key_of(step) not in resources.left_out]
    steps = with_companions(wanted, resources, limits)
    return carry_out(
        steps, resources, limits, [*declined, *(f"{key}: left out by a person" for key in resources.left_out)]
    )


def carry_out(
    steps: Sequence[Step], resources: Resources, limits: Limits, declined: Sequence[str] = ()
) -> Proposal | NothingToDo:
    """Make the plan and the mix of these steps.

    Args:
        steps: Steps for all findings.
        resources: What the steps were made from.
        limits: Limits of all steps together.
        declined: Findings that nothing is done about, each with the reason.
    """
    stock = resources.stock
    blocked = dict.fromkeys(stock.removed, EVALUATION_ITEM)
    for step in steps:
        if isinstance(step, Supply | Made):
            blocked |= step.blocked
    if not steps:
        return NothingToDo(Plan(actions=(), reason=_with_removed("; ".join(declined), stock), blocked=blocked))
    allocated = allocate(steps, stock, limits)
    actions, undone = allocated.actions, (*declined, *allocated.left_out)
    reasons = [*(action.why for action in actions), *(f"no action on {reason}" for reason in dict.fromkeys(undone))]
    if limits.scale < 1:
        reasons.append(f"with {limits.scale:.1%} of the draws that it would take, for with more the rest loses")
    reason = "; ".join(reasons)
    if not actions:
        return NothingToDo(Plan(actions=(), reason=_with_removed(reason, stock), blocked=blocked))
    mix = compose(allocated.draws, replace(stock, kept=allocated.kept))
    change = diversity_change(stock.corpus.select(stock.kept), mix, resources.seed)
    if allocated.draws and (lost := change.collapsed):  # what only leaves, as copies do, repeats nothing
        reason = f"the mix would repeat itself, {lost}: {reason}; lower interventions.share, or add more distinct rows"
        return NothingToDo(Plan(actions=(), reason=_with_removed(reason, stock), blocked=blocked))
    plan = Plan(actions, _with_removed(reason, stock), blocked, change, allocated.taken, allocated.is_share_told)
    repeats = np.setdiff1d(np.arange(len(stock.corpus)), stock.kept)
    removed = (*allocated.removed, Removed(repeats, Origin(CONTAMINATION, EVALUATION_ITEM)))
    return Proposal(
        plan=plan,
        mix=mix,
        removed=removed if len(repeats) else allocated.removed,
        resources=resources,
        num_added=allocated.num_added,
        steps=tuple(steps),
        limits=limits,
    )


def _may_be_the_setting(finding: Finding, diagnosis: Diagnosis) -> bool:
    """Whether a wrong setting may explain the finding: it makes many slices fail, some too small to show the cause."""
    return finding.cause is Cause.UNKNOWN and any(one.cause is Cause.TRAINING_SETUP for one in diagnosis.findings)


def _holds(finding: Finding, diagnosis: Diagnosis, mended: Collection[Slice]) -> bool:
    """Whether slices inside the finding's are mended."""
    return any(node.inside == finding.slice and node.slice in mended for node in diagnosis.tree)


def _is_mended_inside(finding: Finding, diagnosis: Diagnosis, mended: Collection[Slice]) -> bool:
    """Whether most of the finding's failures are in slices inside it that have steps: the rest fails for other reasons,
    and rows that were found for all of them are those slices' rows."""
    inside = [node for node in diagnosis.tree if node.inside == finding.slice and node.slice in mended]
    return 2 * sum(node.num_failed for node in inside) >= finding.num_failed if inside else False


def _with_removed(reason: str, stock: Stock) -> str:
    if not stock.removed:
        return reason
    return f"{reason}; {len(stock.removed)} rows of the corpus repeat evaluation items and leave every arm"
