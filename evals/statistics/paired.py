"""What changed between two given models on the same items. Pure functions of numpy arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evals.statistics.intervals import Estimate, mean_by_t

Scores = NDArray[np.float64] | Sequence[float]


@dataclass(frozen=True, slots=True)
class FlipCounts:
    """Items that two models answer differently: a description, never a verdict."""

    fixed: int
    broken: int
    p: float
    """McNemar's exact two-sided p-value for this one pair of models."""


def paired_difference(before: Scores, after: Scores) -> Estimate:
    """Mean change with its two-sided 95 % interval by t: items are a sample, both models are what they are.

    It says nothing of the recipes that made the models, since there is one model of each.

    Args:
        before: Scores, [num_items], at least one.
        after: Scores of the other model, in the same order of items.

    Raises:
        ValueError: the rows are empty or of different lengths.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(
            f"scores of two models must be rows of the same items, at least one, got shapes {first.shape} and "
            f"{second.shape}; pair them by item and leave out what one of them lacks"
        )
    return mean_by_t(second - first, [first, second])


def flips(before: NDArray[np.bool_] | Sequence[bool], after: NDArray[np.bool_] | Sequence[bool]) -> FlipCounts:
    """Count items that became right, and wrong, between two models; each [num_items], true where right."""
    was, now = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if was.shape != now.shape:
        raise ValueError(f"cannot pair answers to different items: {len(was)} before, {len(now)} after")
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    p = float(stats.binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return FlipCounts(fixed, broken, p)
