"""Change between two given models on the same items. Pure functions of numpy arrays."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evals.statistics.intervals import Estimate, item_variance

Scores = NDArray[np.float64] | Sequence[float]


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
    differences, n = second - first, len(first)
    half = math.sqrt(item_variance(differences, [first, second]) / n)
    half *= float(stats.t.ppf(0.975, max(n - 1, 1)))
    mean = float(differences.mean())
    return Estimate(mean, mean - half, mean + half)
