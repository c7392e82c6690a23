"""Is any group of items shown to lose, and more than may be lost?

A guard has to be shown unharmed, which takes many items. A class or a field's value has few, so of each group the
opposite is asked: is a loss shown, and is it larger than the limit? Where no group loses anything, all of them together
raise a false alarm with a probability of `LEVEL` at most (Holm 1979, Scandinavian Journal of Statistics 6, 65). To ask
that a loss beyond the limit itself be shown was rejected: of a class of 100 items with three seeds only a loss of three
times the limit ever would be.

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
    """One-sided: the group loses nothing."""
    is_harmed: bool
    """A loss is shown, corrected for the number of groups, and as measured it is larger than the limit."""


def group_changes(
    groups: Mapping[Group, Sequence[ArmScores]], limit: float, level: float = LEVEL
) -> dict[Group, GroupChange]:
    """Of each group how much it changed, and whether it is harmed.

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
    p = {group: _p_of_no_loss(change) for group, change in compared.items()}
    shown = dict(zip(p, holm(list(p.values()), level), strict=True))
    return {
        group: GroupChange(change, p[group], is_harmed=shown[group] and change.mean < -limit)
        for group, change in compared.items()
    }


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses are rejected so that any false rejection at all has at most this probability."""
    order = np.argsort(p_values, kind="stable")
    rejected = [False] * len(p_values)
    for rank, place in enumerate(order.tolist()):
        if p_values[place] >= level / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def _p_of_no_loss(change: Comparison) -> float:
    return float(special.stdtr(change.df, change.mean / change.se)) if change.se else 0.5
