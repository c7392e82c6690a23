"""One plan out of a step for each finding, and the training mix that carries it out.

The corpus's own rows keep the part of the draws that the actions leave (replay); at least half, unless a
larger share is asked for. Several actions divide the share by the number of rows that they add.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.finding import Diagnosis, Finding
from diagnose.pool import TrainPool
from diagnose.slices import Slice
from interventions.clean import KIND as CLEAN
from interventions.compose import Draw, compose
from interventions.draw import draw_broadly
from interventions.mix import TrainingMix
from interventions.plan import Action, Plan
from interventions.quality import EVALUATION_ITEM, EvaluationIndex, Stock, contents, take_stock
from interventions.retrieve import KIND as RETRIEVE
from interventions.reweight import KIND as REWEIGHT
from interventions.step import Declined, Intervention, Limits, Raise, Remove, Resources, RowEffects, Step, Supply

_NEARLY = 0.98
"""Of the rows wanted: a difference by rounding is not worth a word."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with at least one action, and what it trains on."""

    plan: Plan
    mix: TrainingMix
    resources: Resources
    """What it was made from, for its controls."""


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """A plan without actions; its reason says why."""

    plan: Plan


def propose(
    intervention: Intervention,
    diagnosis: Diagnosis,
    corpus: TrainPool,
    pool: TrainPool | None,
    index: EvaluationIndex,
    judged: Collection[str],
    seed: int,
    row_effects: RowEffects | None = None,
) -> Proposal | NothingToDo:
    """What to change.

    Args:
        intervention: The kind of fix.
        diagnosis: Findings, the one first that explains most of what fails.
        corpus: What the model was trained on.
        pool: Further rows that may be added.
        index: Of the evaluation items of all splits.
        judged: `Plan.keys` that this model was already tried with.
        seed: Of the draws.
        row_effects: What attribution says of further rows.
    """
    if not diagnosis.findings:  # then no row needs to be looked at
        return NothingToDo(Plan(actions=(), reason="no slice fails more than it should", blocked={}))
    resources = Resources(take_stock(corpus, pool, index), judged, row_effects)
    return plan_fix(intervention, diagnosis, resources, seed)


def plan_fix(
    intervention: Intervention, diagnosis: Diagnosis, resources: Resources, seed: int
) -> Proposal | NothingToDo:
    """`propose` with the resources at hand."""
    stock = resources.stock
    by_slice: dict[Slice, tuple[Step, ...]] = {}
    declined: list[str] = []
    for finding in diagnosis.findings:
        found = intervention.steps(finding, resources)
        if isinstance(found, Declined):
            declined.append(f"{finding.slice}: {found.reason}")
        else:
            by_slice.setdefault(finding.data_slice, found)
    steps = [step for found in by_slice.values() for step in found]
    blocked = dict.fromkeys(stock.removed, EVALUATION_ITEM)
    for step in steps:
        if isinstance(step, Supply):
            blocked |= step.blocked
    if not steps:
        return NothingToDo(Plan(actions=(), reason=_with_removed("; ".join(declined), stock), blocked=blocked))
    removals, removed = _removals([step for step in steps if isinstance(step, Remove)])
    left = replace(stock, kept=np.setdiff1d(stock.kept, removed))
    added, draws = _drawn(steps, left, intervention.limits(), np.random.default_rng(seed))
    actions = [*removals, *added]
    reason = "; ".join([*(action.why for action in actions), *(f"no action on {reason}" for reason in declined)])
    plan = Plan(actions=tuple(actions), reason=_with_removed(reason, stock), blocked=blocked)
    return Proposal(plan=plan, mix=compose(draws, left), resources=resources)


def _removals(steps: Sequence[Remove]) -> tuple[list[Action], NDArray[np.int64]]:
    """Actions, and all rows that leave the corpus. A row leaves it once; for a later finding it is gone already."""
    removed = np.empty(0, np.int64)
    actions = []
    for step in steps:
        num_new = len(np.setdiff1d(step.rows, removed))
        removed = np.union1d(removed, step.rows)
        actions.append(_action(step.finding, CLEAN, step.why, num_removed=num_new))
    return actions, removed


def _drawn(
    steps: Sequence[Step],
    stock: Stock,
    limits: Limits,
    rng: np.random.Generator,
) -> tuple[list[Action], list[Draw]]:
    """Actions and their rows. Shares of reweightings come first, retrievals divide what they leave."""
    num_examples, share = limits.num_examples, limits.share
    supplies = [step for step in steps if isinstance(step, Supply)]
    raises = _disjoint([step for step in steps if isinstance(step, Raise)], stock.kept)
    asked = sum(step.share for step in raises)
    scale = min(1.0, share / asked * (0.5 if supplies else 1.0)) if asked else 1.0
    left = share - asked * scale
    actions, draws = [], []
    for step in raises:
        draws.append(Draw(REWEIGHT, False, step.rows, step.share * scale, step.why))
        share_of_it = step.share * scale
        actions.append(_action(step.finding, REWEIGHT, step.why, num_reweighted=len(step.rows), share=share_of_it))
    num_failed = sum(step.finding.num_failed for step in supplies)
    taken: set[str] = set()
    picked: list[tuple[Supply, NDArray[np.int64]]] = []
    for supply in supplies:
        names = contents(_pool(stock), supply.rows)
        free = np.array([k for k, name in enumerate(names) if name not in taken], np.int64)
        if not len(free):
            continue
        most = len(free)
        if num_examples is not None:
            most = max(1, round(num_examples * supply.finding.num_failed / num_failed))
        chosen = free[draw_broadly([names[k].replace("\x00", " ") for k in free.tolist()], most, rng)]
        taken |= {names[k] for k in chosen.tolist()}
        picked.append((supply, supply.rows[chosen]))
    total = sum(len(rows) for _, rows in picked)
    is_short = num_examples is not None and total < num_examples * _NEARLY
    for supply, rows in picked:
        wanted = f"; {num_examples} were wanted in all" if is_short else ""
        why = (
            f"{supply.finding.slice} fails {supply.finding.num_failed} of {supply.finding.num_items}: "
            f"{len(rows)} of {len(supply.rows)} new rows of the pool with "
            f"{supply.finding.data_slice}, drawn broadly{wanted}"
        )
        draws.append(Draw(RETRIEVE, True, rows, left * len(rows) / total, why))
        actions.append(_action(supply.finding, RETRIEVE, why, num_added=len(rows), share=draws[-1].share))
    return actions, draws


def _disjoint(raises: Sequence[Raise], stay: NDArray[np.int64]) -> list[Raise]:
    """Each row that stays in the first slice that has it; a slice left with less keeps that part of its share."""
    taken = np.empty(0, np.int64)
    kept = []
    for step in raises:
        rows = np.intersect1d(np.setdiff1d(step.rows, taken), stay)
        taken = np.union1d(taken, rows)
        if len(rows):
            kept.append(replace(step, rows=rows, share=step.share * len(rows) / len(step.rows)))
    return kept


def _action(
    finding: Finding,
    kind: str,
    why: str,
    *,
    num_added: int = 0,
    num_removed: int = 0,
    num_reweighted: int = 0,
    share: float = 0.0,
) -> Action:
    return Action(
        kind=kind,
        slice=finding.data_slice,
        items=finding.slice,
        num_added=num_added,
        num_removed=num_removed,
        num_reweighted=num_reweighted,
        share=share,
        why=why,
    )


def _pool(stock: Stock) -> TrainPool:
    assert stock.pool is not None, "only rows of a pool can be supplied"
    return stock.pool


def _with_removed(reason: str, stock: Stock) -> str:
    if not stock.removed:
        return reason
    return f"{reason}; {len(stock.removed)} rows of the corpus repeat evaluation items and leave every arm"
