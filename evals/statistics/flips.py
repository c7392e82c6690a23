"""Count items that two models answer differently: a description of one pair of models, never a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True, slots=True)
class FlipCounts:
    """Items that two models answer differently: a description, never a verdict."""

    fixed: int
    broken: int
    p: float
    """McNemar's exact two-sided p-value for this one pair of models."""


def flips(before: NDArray[np.bool_] | Sequence[bool], after: NDArray[np.bool_] | Sequence[bool]) -> FlipCounts:
    """Count items that became right, and wrong, between two models; each [num_items], true where right."""
    was, now = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if was.shape != now.shape:
        raise ValueError(f"cannot pair answers to different items: {len(was)} before, {len(now)} after")
    fixed, broken = int((~was & now).sum()), int((was & ~now).sum())
    p = float(stats.binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return FlipCounts(fixed, broken, p)
