"""Gains and losses of tasks, classes and field values under the fix: those shown to lose come first, then the largest
losses."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.results.verdict_json import GroupRecord

MOST_SHOWN = 12
"""Most groups shown at each end."""


@dataclass(frozen=True, slots=True)
class ChangesView:
    shown: tuple[GroupRecord, ...]
    """Groups that are shown, harmed ones first, then ascending by change."""
    num_between: int
    """Groups that are left out between the losses and the gains."""
    num_losses: int
    """Number of groups above the gap."""
    num_harmed: int


def changes_view(groups: Sequence[GroupRecord]) -> ChangesView:
    """Choose the groups to show."""
    ordered = sorted(groups, key=lambda group: (not group.is_harmed, group.change))
    num_harmed = sum(group.is_harmed for group in groups)
    num_losses = max(MOST_SHOWN, num_harmed)
    num_between = max(0, len(ordered) - num_losses - MOST_SHOWN)
    first, last = (ordered, []) if not num_between else (ordered[:num_losses], ordered[-MOST_SHOWN:])
    return ChangesView(shown=(*first, *last), num_between=num_between, num_losses=len(first), num_harmed=num_harmed)
