"""What the failures in a slice say against those outside: Fisher's p, log-likelihoods, and what counts as clear."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import binom, hypergeom

MIN_RATIO = 1.25
"""A slice fails at least this many times as often as the rest: a gap that is only significant says little."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as failing; as the fields of the same names of `diagnose.diagnoser.Diagnoser`."""

    alpha: float = 0.05
    min_items: int = 20
    min_gap: float = 0.05
    max_failure_rate: float = 0.1


@dataclass(frozen=True, slots=True)
class Counts:
    """Failures and items of the slice, and of all the others."""

    failed: int
    items: int
    failed_rest: int
    items_rest: int

    def is_clear(self, min_gap: float) -> bool:
        all_failed, all_items = self.failed + self.failed_rest, self.items + self.items_rest
        return bool(is_clear(np.array([self.failed]), np.array([self.items]), all_failed, all_items, min_gap)[0])

    @property
    def nats(self) -> float:
        """As `contrast`."""
        failed, items = self.failed + self.failed_rest, self.items + self.items_rest
        return float(contrast(np.array([self.failed]), np.array([self.items]), failed, items)[0])

    def nats_above(self, level: float) -> float:
        """By which the slice's own failure rate says more than `level`; 0 if it is lower."""
        own = self.failed / max(self.items, 1)
        return 0.0 if own <= level else self._nats(own) - self._nats(level)

    def _nats(self, rate: float) -> float:
        return float(log_likelihood(self.failed, self.items, rate))


def count(members: NDArray[np.bool_], failed: NDArray[np.bool_], among: NDArray[np.bool_]) -> Counts:
    inside = members & among
    num_failed, num_items = int((failed & inside).sum()), int(inside.sum())
    return Counts(
        failed=num_failed,
        items=num_items,
        failed_rest=int((failed & among).sum()) - num_failed,
        items_rest=int(among.sum()) - num_items,
    )


def fisher(counts: Counts) -> float:
    """One-sided p of the slice failing more often than the rest."""
    total, num_failed = counts.items + counts.items_rest, counts.failed + counts.failed_rest
    return float(hypergeom.sf(counts.failed - 1, total, num_failed, counts.items))


def above_level(counts: Counts, level: float) -> float:
    """One-sided p of the slice failing more often than `level`."""
    return float(binom.sf(counts.failed - 1, counts.items, level)) if counts.items else 1.0


def is_clear(
    num_failed: NDArray[Any], num_items: NDArray[Any], all_failed: float, all_items: float, min_gap: float
) -> NDArray[np.bool_]:
    """Whether slices fail by `min_gap` and `MIN_RATIO` more often than their rests; never without a rest."""
    num_rest = all_items - num_items
    rate = num_failed / np.maximum(num_items, 1)
    rest = (all_failed - num_failed) / np.maximum(num_rest, 1)
    has_both = (num_items > 0) & (num_rest > 0)
    return np.asarray(has_both & (rate - rest >= min_gap) & (rate >= MIN_RATIO * rest), bool)


def contrast(
    num_failed: NDArray[Any], num_items: NDArray[Any], all_failed: float, all_items: float
) -> NDArray[np.float64]:
    """Nats by which two failure rates, of a slice and its rest, say more than one; 0 if the rest fails more often."""
    num_rest, rest_failed = all_items - num_items, all_failed - num_failed
    rate, rest = num_failed / np.maximum(num_items, 1), rest_failed / np.maximum(num_rest, 1)
    both = log_likelihood(num_failed, num_items, rate) + log_likelihood(rest_failed, num_rest, rest)
    one = log_likelihood(all_failed, all_items, all_failed / max(all_items, 1))
    return np.where((rate > rest) & (num_items > 0) & (num_rest > 0), np.maximum(both - one, 0.0), 0.0)


def gain(counts: Counts, ceiling: float) -> float:
    """Log-likelihood above that of one rate for all items; that rate and the rest's are at most `ceiling`."""
    inside = float(log_likelihood(counts.failed, counts.items, counts.failed / max(counts.items, 1)))
    rest = _capped(counts.failed_rest, counts.items_rest, ceiling)
    num_failed, num_items = counts.failed + counts.failed_rest, counts.items + counts.items_rest
    return inside + rest - _capped(num_failed, num_items, ceiling)


def _capped(num_failed: int, num_items: int, ceiling: float) -> float:
    return float(log_likelihood(num_failed, num_items, min(ceiling, num_failed / max(num_items, 1))))


def log_likelihood(num_failed: Any, num_items: Any, rate: Any) -> Any:
    return xlogy(num_failed, rate) + xlogy(num_items - num_failed, 1 - rate)
