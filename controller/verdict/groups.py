"""Compare gains and losses by task, gold answer and field: none may be shown to lose, and more than twice the margin,
neither against `continue` nor against the model before.

The pooled rest can hide that one class of many is lost. Groups are every measured task, every gold answer of a task
whose answers are labels, and every value of the fields in `evals.slices`, each within its task.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from controller.results.arm_names import BEFORE
from controller.results.records import MOST_VALUES
from controller.results.verdict_json import GroupRecord
from controller.verdict.guards import chosen_in
from diagnose.finding.answer_labels import as_label
from diagnose.slices.predicate import Slice
from diagnose.slices.tags import GOLD_ANSWER
from evals.items import ItemResult
from evals.statistics.compare import ArmScores
from evals.statistics.harm import group_changes

TIMES_MARGIN = 2.0
"""Largest loss of a group, in margins: a few items show no smaller one."""
LEAST_ITEMS = 10
"""Fewest items of a group: in fewer no loss is ever shown."""


def group_slices(results: Sequence[ItemResult], fields: Sequence[str]) -> Iterator[tuple[Slice, tuple[str, ...]]]:
    """Yield every group with its items as `task/id`; a group that is all of its task is given once, as the task."""
    by_task: dict[str, list[ItemResult]] = {}
    for result in results:
        by_task.setdefault(result.item.task, []).append(result)
    for task, own in by_task.items():
        of_task = ("task", task)
        yield from _large(Slice((of_task,)), own)
        for name, values in _columns(own, fields):
            counts = Counter(value for value in values if value is not None)
            if not 1 < len(counts) <= MOST_VALUES:
                continue
            for value in sorted(counts):
                members = [result for result, own_value in zip(own, values, strict=True) if own_value == value]
                yield from _large(Slice((of_task, (name, value))), members)


def endpoint_groups(
    results: Sequence[ItemResult], endpoint: Sequence[Slice], fields: Sequence[str]
) -> Iterator[tuple[Slice, tuple[str, ...]]]:
    """Yield each slice of an endpoint of several with its items: others may make up for its loss in the pooled
    score."""
    for where in endpoint if len(endpoint) > 1 else ():
        yield from _large(where, chosen_in([where], fields)(results))


def group_records(
    groups: Sequence[tuple[Slice, tuple[str, ...]]],
    arms: Mapping[str, ArmScores],
    models: Sequence[Mapping[str, float]],
    challenger: str,
    control: str,
    margin: float,
) -> tuple[GroupRecord, ...]:
    """Compute the change of each group, the largest loss first.

    Args:
        groups: Groups from `group_slices`.
        arms: Scores of every arm on the same items.
        models: Scores by item, as `task/id`, of the model that the round opened with, and of further ones; a group is
            compared with the best of them.
        challenger: Name of the arm that is judged.
        control: Name of the arm that it is compared with.
        margin: Margin of the guards.
    """
    if not arms:
        return ()
    shared = set(arms[challenger].items).intersection(*models)
    ordered = [arms[challenger], arms[control], *(a for name, a in arms.items() if name not in (challenger, control))]
    parts: dict[Slice, list[ArmScores]] = {}
    for where, items in groups:
        own = tuple(item for item in items if item in shared)
        if len(own) >= LEAST_ITEMS:
            parts[where] = [_part(arm, own) for arm in ordered]
    rows = {
        where: [ArmScores(BEFORE, own[0].items, np.array([[model[item] for item in own[0].items]])) for model in models]
        for where, own in parts.items()
    }
    best = {where: max(of, key=lambda row: float(row.scores.mean())) for where, of in rows.items()}
    changes = group_changes(parts, TIMES_MARGIN * margin, models=best)
    records = [
        GroupRecord(
            slice=where.as_dict(),
            num_items=change.change.num_items,
            before=float(rows[where][0].scores.mean()),
            best_before=float(best[where].scores.mean()) if len(models) > 1 else None,
            control=float(parts[where][1].scores.mean()),
            challenger=float(parts[where][0].scores.mean()),
            change=change.change.mean,
            ci=(change.change.low, change.change.high),
            p=change.p,
            is_harmed=change.is_harmed,
        )
        for where, change in changes.items()
    ]
    return tuple(sorted(records, key=lambda record: record.change))


def _columns(own: Sequence[ItemResult], fields: Sequence[str]) -> Iterator[tuple[str, list[str | None]]]:
    """Yield each field, and the gold answers, with the value of each item."""
    for name in fields:
        if name != "task":
            yield name, [str(r.item.document[name]) if name in r.item.document else None for r in own]
    if GOLD_ANSWER not in fields:
        yield GOLD_ANSWER, [as_label(r.item.target) for r in own]


def _large(where: Slice, members: Sequence[ItemResult]) -> Iterator[tuple[Slice, tuple[str, ...]]]:
    if len(members) >= LEAST_ITEMS:
        yield where, tuple(str(r.item.key) for r in members)


def _part(arm: ArmScores, items: tuple[str, ...]) -> ArmScores:
    column = {item: k for k, item in enumerate(arm.items)}
    return ArmScores(arm.name, items, arm.scores[:, [column[item] for item in items]], arm.is_by_chance)
