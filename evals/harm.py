"""Is any group of items shown to lose more than may be lost?

A guard has to be shown unharmed, which takes many items. A class or a field's value has few, so of each group the
opposite is asked: is a loss larger than the limit *shown*? All groups together raise a false alarm with a probability
of `LEVEL` at most, where every one of them loses exactly the limit (Holm 1979, Scandinavian Journal of Statistics 6,
65). What is too small to be shown stays hidden: this finds ruins, not scratches.

Pure functions of numpy arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import special

from evals.compare import ArmScores, Comparison, compare
from evals.run_variance import run_variance

LEVEL = 0.05
"""Of all groups together."""

Group = TypeVar("Group")


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Challenger minus control on the items of one group."""

    change: Comparison
    p: float
    """One-sided: the group loses no more than the limit."""
    is_harmed: bool
    """A larger loss is shown, corrected for the number of groups."""


def group_changes(
    groups: Mapping[Group, Sequence[ArmScores]], limit: float, level: float = LEVEL
) -> dict[Group, GroupChange]:
    """Of each group how much it changed, and whether it is shown to lose more than the limit.

    Args:
        groups: Of each group the challenger, the control, and any further arms, which tell how much runs vary.
        limit: Largest loss that may be, positive.
        level: Of all groups together.

    Raises:
        ValueError: the limit is not positive, or an arm has too few seeds.
    """
    if not limit > 0:
        raise ValueError(f"the limit of a loss must be positive, got {limit}; it is twice verify.margin")
    compared = {
        group: compare(arms[0], arms[1], run_variance([arm.seed_means for arm in arms]))
        for group, arms in groups.items()
    }
    p = {group: _p_beyond(change, limit) for group, change in compared.items()}
    harmed = dict(zip(p, holm(list(p.values()), level), strict=True))
    return {group: GroupChange(change, p[group], harmed[group]) for group, change in compared.items()}


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses are rejected so that any false rejection at all has at most this probability."""
    order = np.argsort(p_values, kind="stable")
    rejected = [False] * len(p_values)
    for rank, place in enumerate(order.tolist()):
        if p_values[place] >= level / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def _p_beyond(change: Comparison, limit: float) -> float:
    distance = change.mean + limit
    if change.se == 0:
        return float(distance >= 0)
    return float(special.stdtr(change.df, distance / change.se))
