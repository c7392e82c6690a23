"""Variance of a difference of arm means and its degrees of freedom, for one experiment or many. Pure functions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def difference_variance(
    from_runs: NDArray[np.float64],
    from_items: NDArray[np.float64],
    shared: NDArray[np.float64],
    dfs: tuple[ArrayLike, ArrayLike, ArrayLike],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variance of a difference of arm means and its degrees of freedom, for one experiment or many.

    Args:
        from_runs: `s2_run * (1/Sa + 1/Sb)`, any shape.
        from_items: `s2_d / n`, of the same shape.
        shared: `s2_e * (1/Sa + 1/Sb) / n`, of the same shape.
        dfs: Degrees of freedom of the three, each a number or of that shape.
    """
    # Neither sample adds less than nothing, so the variance is at least that of each alone.
    variance = np.maximum(np.maximum(from_runs, from_items), from_runs + from_items - shared)
    return variance, satterthwaite(variance, (from_runs, from_items, shared), dfs)


def item_variance_at_loss(mean: NDArray[np.float64], square: NDArray[np.float64], loss: float) -> NDArray[np.float64]:
    """Variance of items' differences, each in [-1, 1], were their true mean -loss; a mean below -loss counts as -loss.

    With w and l the shares of items won and lost, the likeliest w + l given l - w = loss solves
    T^2 - sT = loss * (loss + mean), where s = w + l as observed. Here s is the mean square, which is the
    same for single runs and less for means of several.

    Args:
        mean: Observed mean difference, any shape.
        square: Observed mean square of the differences.
        loss: Positive.
    """
    missing = np.maximum(mean + loss, 0.0)
    return (square + np.sqrt(square**2 + 4 * loss * missing)) / 2 - loss**2


def satterthwaite(
    variance: NDArray[np.float64], parts: Sequence[NDArray[np.float64]], dfs: Sequence[ArrayLike]
) -> NDArray[np.float64]:
    """Degrees of freedom of a sum of variances, each with its own; at least 1, and the least of them for a sum of 0."""
    # Ratios, because squares of variances near 1e-160 would underflow.
    whole = np.where(variance > 0, variance, 1.0)
    spent = sum((part / whole) ** 2 / np.asarray(df) for part, df in zip(parts, dfs, strict=True))
    least = np.min(np.broadcast_arrays(*dfs), axis=0)
    return np.asarray(np.where(variance > 0, np.maximum(1.0, 1 / np.maximum(spent, 1e-300)), least))
