"""Intervals of one model's score on a sample of items, and a floor on the items' variance.

Pure functions of numpy arrays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Z = float(stats.norm.ppf(0.975))
"""Standard errors between the middle and an end of a two-sided 95 % interval, by the normal distribution."""


class Interval(NamedTuple):
    """A two-sided 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its two-sided 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        return Interval(self.low, self.high)


def wilson(successes: int, n: int) -> Estimate:
    """Interval of a proportion (Wilson 1927); inside [0, 1] and never empty, with 0 or n successes too."""
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"a proportion needs 0 <= successes <= n and n >= 1, got {successes} of {n}")
    share, z = successes / n, Z
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n the exact bound is the score itself; rounding must not put it on the other side.
    return Estimate(share, max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))


def score_interval(scores: NDArray[np.float64] | Sequence[float]) -> Estimate:
    """Mean score of one model on a sample of items: Wilson for 0/1 scores, else by t.

    Args:
        scores: [num_items], at least one.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"scores must be a non-empty row of finite numbers, got shape {values.shape}; leave unscored items out"
        )
    if np.isin(values, (0.0, 1.0)).all():
        return wilson(int(values.sum()), len(values))
    by_t = mean_by_t(values, [values])
    if values.min() >= 0 and values.max() <= 1:
        return replace(by_t, low=max(0.0, by_t.low), high=min(1.0, by_t.high))
    return by_t


def mean_by_t(differences: NDArray[np.float64], arms: Sequence[NDArray[np.float64]]) -> Estimate:
    """Mean of items' differences with its interval by t, by the variance that `item_variance` gives."""
    n, mean = len(differences), float(differences.mean())
    half = math.sqrt(item_variance(differences, arms) / n) * float(stats.t.ppf(0.975, max(n - 1, 1)))
    return Estimate(mean, mean - half, mean + half)


def item_variance(differences: NDArray[np.float64], arms: Sequence[NDArray[np.float64]]) -> float:
    """Variance of items' differences, at least as large as if one of the items had gone the other way.

    Equal differences in a handful of items are no proof that all items are alike: none broken among 30 is
    compatible with one in ten. One item off by the whole range among n has the sample variance range^2 / n.
    Scores outside [0, 1] have no known range, so there the floor holds for a single item only, and is the scores' size.
    """
    n = len(differences)
    lowest, highest = min(float(a.min()) for a in arms), max(float(a.max()) for a in arms)
    reach = 1.0 if lowest >= 0 and highest <= 1 else (max(highest, 0.0) - min(lowest, 0.0) if n == 1 else 0.0)
    return max(reach**2 / n, float(differences.var(ddof=1)) if n > 1 else 0.0)
