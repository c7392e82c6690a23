"""Arrange failing slices as a tree: each inside the smallest other one with all of its items, and finally in its task.

A task with a failing slice inside stands above it with its own counts, whether it is a finding itself or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.slices.predicate import Slice, SliceTable
from evals.statistics.intervals import Interval, wilson


@dataclass(frozen=True, slots=True)
class SliceNode:
    slice: Slice
    inside: Slice | None
    """Slice of the node above; None for a root."""
    depth: int
    """Number of nodes above."""
    num_items: int
    num_failed: int
    ci: Interval
    """Wilson interval of the failure rate, 95 %."""
    is_finding: bool
    """Whether the slice was found to fail, not only a task above such slices."""


def slice_tree(found: Sequence[Slice], items: SliceTable, failed: NDArray[np.bool_]) -> tuple[SliceNode, ...]:
    """Build the nodes in reading order: each is followed by those inside it, in the order of `found`.

    Args:
        found: Failing slices, distinct.
        items: All items, with the field `task` and those of the slices.
        failed: Whether each item failed, [num_items].
    """
    members = {where: items.members(where) for where in found}
    tasks = items.fields["task"]
    for where in found:
        own = np.unique(tasks[members[where]].astype(str)).tolist()
        if len(own) == 1 and (task := Slice((("task", own[0]),))) not in members:
            members[task] = items.members(task)
    above = {where: _parent(where, members) for where in members}
    nodes: list[SliceNode] = []

    def put(where: Slice, depth: int) -> None:
        inside = members[where]
        num_failed, num_items = int((inside & failed).sum()), int(inside.sum())
        ci = wilson(num_failed, num_items).interval
        nodes.append(SliceNode(where, above[where], depth, num_items, num_failed, ci, where in found))
        for child in members:
            if above[child] == where:
                put(child, depth + 1)

    for where in members:
        if above[where] is None:
            put(where, 0)
    return tuple(nodes)


def _parent(where: Slice, members: dict[Slice, NDArray[np.bool_]]) -> Slice | None:
    """Smallest other slice with all of its items; of equal slices each is at most one's parent."""
    own, names = members[where], list(members)
    place = names.index(where)
    holding = [
        (int(inside.sum()), k)
        for k, inside in enumerate(members.values())
        if k != place and not (own & ~inside).any() and (int(inside.sum()) > int(own.sum()) or k < place)
    ]
    return names[min(holding)[1]] if holding else None
