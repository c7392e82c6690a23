"""Test whether any group of items loses more than it may.

A guard has to be shown unharmed, which takes many items. A class or a field's value has few, so each is tested for the
opposite: is a loss shown, and is it larger than the limit? Where no group loses anything, all of them together raise a
false alarm with a probability of `LEVEL` at most (Holm 1979, Scandinavian Journal of Statistics 6, 65). To require
that a loss beyond the limit itself be shown was rejected: in a class of 100 items with three seeds only a loss of three
times the limit ever would be.

A loss may be one against the old data, trained on as long, or against the model that there was before: training on
alone can cost a class that much, and who keeps the old model keeps the class.

Pure functions of numpy arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import special

from evals.statistics.compare import ArmScores, Comparison, compare, compare_to_model, shared_runs

LEVEL = 0.05
"""Family-wise error rate over all groups."""

Group = TypeVar("Group")


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What a challenger did to the items of one group."""

    change: Comparison
    """Challenger minus control on the group's items."""
    p: float
    """One-sided p-value of the hypothesis that the group loses nothing against the control."""
    is_harmed: bool
    """A loss is shown, corrected for the number of groups and comparisons, and its estimate is larger than the
    limit."""


def group_changes(
    groups: Mapping[Group, Sequence[ArmScores]],
    limit: float,
    models: Mapping[Group, ArmScores] | None = None,
) -> dict[Group, GroupChange]:
    """Tell how much each group changed, and whether it is harmed.

    Args:
        groups: Arms of each group: challenger, control, and any further ones, which show how much runs vary.
        limit: Largest loss that may be, positive.
        models: Scores on each group of the model before, one row, where known.

    Raises:
        ValueError: the limit is not positive, or an arm has too few seeds.
    """
    if not limit > 0:
        raise ValueError(f"the limit of a loss must be positive, got {limit}; it is twice verify.margin")
    runs = {group: shared_runs(arms) for group, arms in groups.items()}
    against_control = {group: compare(arms[0], arms[1], runs[group]) for group, arms in groups.items()}
    against_model = {
        group: compare_to_model(groups[group][0], model, runs[group]) for group, model in (models or {}).items()
    }
    changes = [*against_control.items(), *against_model.items()]
    shown = holm([_p_of_no_loss(change) for _, change in changes], LEVEL)
    harmed = {
        group for (group, change), is_shown in zip(changes, shown, strict=True) if is_shown and change.mean < -limit
    }
    return {
        group: GroupChange(change, _p_of_no_loss(change), is_harmed=group in harmed)
        for group, change in against_control.items()
    }


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Reject hypotheses by Holm's method, so that any false rejection has at most the probability `level`."""
    order = np.argsort(p_values, kind="stable")
    rejected = [False] * len(p_values)
    for rank, place in enumerate(order.tolist()):
        if p_values[place] >= level / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def _p_of_no_loss(change: Comparison) -> float:
    return float(special.stdtr(change.df, change.mean / change.se)) if change.se else 0.5
