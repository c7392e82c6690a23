"""Compare the failures in a slice with those outside it in the same tasks, and decide which differences are clear.

A slice is measured against the rates of the tasks that its items come from, so that it is neither hidden by a task that
fails as a whole nor named for belonging to one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import binom, hypergeom

MIN_RATIO = 1.25
"""Smallest ratio of the failure rates of a slice and its rest, or of the pass rates of rest and slice: a gap that is
only significant says little."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds for failing, the fields of the same names in `diagnose.diagnoser.Diagnoser`."""

    alpha: float = 0.05
    min_items: int = 20
    min_gap: float = 0.05
    max_failure_rate: float = 0.1


@dataclass(frozen=True, slots=True)
class Counts:
    """Failures and items of a slice and its rest, one entry per task; a task that it holds wholly or not at all has no
    contrast and is left out."""

    failed: NDArray[np.int64]
    items: NDArray[np.int64]
    all_failed: NDArray[np.int64]
    """Failures of the task, slice and rest together."""
    all_items: NDArray[np.int64]

    def is_clear(self, min_gap: float) -> bool:
        failed, items, expected, _, all_items = self._pooled()
        return bool(is_clear(failed, items, expected, all_items, min_gap)[0])

    @property
    def nats(self) -> float:
        """Nats of the slice, as `contrast` computes them."""
        return float(contrast(*self._pooled())[0])

    def _pooled(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], int, int]:
        expected = (self.items * (self.all_failed / np.maximum(self.all_items, 1))).sum()
        all_failed, all_items = int(self.all_failed.sum()), int(self.all_items.sum())
        return np.array([self.failed.sum()]), np.array([self.items.sum()]), np.array([expected]), all_failed, all_items


@dataclass(frozen=True, slots=True)
class Among:
    """Items among which slices are counted; all are [num_items]."""

    failed: NDArray[np.bool_]
    group: NDArray[np.int64]
    """Task of each item, numbered from 0; all 0 where tasks are compared with one another."""
    items: NDArray[np.bool_]

    def count(self, members: NDArray[np.bool_]) -> Counts:
        all_failed, all_items = self._by_group(self.items)
        failed, items = self._by_group(members & self.items)
        has_both = (items > 0) & (items < all_items)
        return Counts(failed[has_both], items[has_both], all_failed[has_both], all_items[has_both])

    @property
    def rates(self) -> NDArray[np.float64]:
        """Failure rate of the task of each item, [num_items]."""
        failed, items = self._by_group(self.items)
        return (failed / np.maximum(items, 1))[self.group]

    def _by_group(self, members: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Failures and items of each task."""
        num_groups = int(self.group.max(initial=0)) + 1
        counted = np.bincount(2 * self.group[members] + self.failed[members], minlength=2 * num_groups)
        by_outcome = counted.reshape(num_groups, 2)
        return by_outcome[:, 1], by_outcome.sum(axis=1)


def fisher(counts: Counts) -> float:
    """Exact one-sided p-value for the slice failing more often than the rest of its tasks, given each task's failures.

    With several tasks the failures of the slice are a sum of hypergeometric numbers (Birch 1964).
    """
    distribution = np.ones(1)
    least = 0
    for failed, items, all_items in zip(counts.all_failed, counts.items, counts.all_items, strict=True):
        first, last = max(0, items - (all_items - failed)), min(items, failed)
        if len(counts.items) == 1:
            return float(hypergeom.sf(counts.failed[0] - 1, all_items, failed, items))
        distribution = np.convolve(distribution, hypergeom.pmf(np.arange(first, last + 1), all_items, failed, items))
        least += int(first)
    return float(min(1.0, distribution[max(0, int(counts.failed.sum()) - least) :].sum()))


def above_level(num_failed: int, num_items: int, level: float) -> float:
    """One-sided p-value for a slice failing more often than `level`."""
    return float(binom.sf(num_failed - 1, num_items, level)) if num_items else 1.0


def nats_above(num_failed: int, num_items: int, level: float) -> float:
    """Nats by which a slice's own failure rate fits better than `level`; 0 if it is lower."""
    own = num_failed / max(num_items, 1)
    if own <= level:
        return 0.0
    return float(log_likelihood(num_failed, num_items, own) - log_likelihood(num_failed, num_items, level))


def is_clear(
    num_failed: NDArray[Any],
    num_items: NDArray[Any],
    expected: NDArray[Any],
    all_items: Any,
    min_gap: float,
) -> NDArray[np.bool_]:
    """Whether each slice fails more often than its rest, by `min_gap` and by `MIN_RATIO`; false without a rest.

    Args:
        expected: Failures of each slice, were its items to fail as often as their tasks do.
        all_items: Items of the tasks, slice and rest.
    """
    num_rest = np.maximum(all_items - num_items, 1)
    rate = num_failed / np.maximum(num_items, 1)
    # Failures that the slice has too many, the rest has too few; with one task this is the rest's failure rate.
    rest = expected / np.maximum(num_items, 1) - (num_failed - expected) / num_rest
    has_both = (num_items > 0) & (all_items > num_items)
    is_far = (rate >= MIN_RATIO * rest) | (1 - rest >= MIN_RATIO * (1 - rate))
    return np.asarray(has_both & (rate - rest >= min_gap) & is_far, bool)


def contrast(
    num_failed: NDArray[Any], num_items: NDArray[Any], expected: NDArray[Any], all_failed: Any, all_items: Any
) -> NDArray[np.float64]:
    """Nats by which own failure rates of a slice and its rest fit better than those of their tasks; 0 if the rest fails
    more often. Arguments are those of `is_clear`."""
    num_rest = all_items - num_items
    inside = _divergence(num_failed, num_items, expected)
    outside = _divergence(all_failed - num_failed, num_rest, all_failed - expected)
    is_more = (num_failed > expected) & (num_items > 0) & (num_rest > 0)
    return np.where(is_more, np.maximum(inside + outside, 0.0), 0.0)


def _divergence(num_failed: Any, num_items: Any, expected: Any) -> Any:
    size = np.maximum(num_items, 1)
    own = log_likelihood(num_failed, num_items, num_failed / size)
    return own - log_likelihood(num_failed, num_items, np.clip(expected / size, 0.0, 1.0))


def gain(num_failed: int, num_items: int, all_failed: int, all_items: int, ceiling: float) -> float:
    """Log-likelihood gained over one rate for all items; that rate and the rest's are at most `ceiling`."""
    inside = float(log_likelihood(num_failed, num_items, num_failed / max(num_items, 1)))
    rest = _capped(all_failed - num_failed, all_items - num_items, ceiling)
    return inside + rest - _capped(all_failed, all_items, ceiling)


def _capped(num_failed: int, num_items: int, ceiling: float) -> float:
    return float(log_likelihood(num_failed, num_items, min(ceiling, num_failed / max(num_items, 1))))


def log_likelihood(num_failed: Any, num_items: Any, rate: Any) -> Any:
    return xlogy(num_failed, rate) + xlogy(num_items - num_failed, 1 - rate)
