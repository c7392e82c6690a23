"""Which candidates fail on the items that did not find them, and the few of them that say which items fail.

Each half of the items finds candidates for the other (cross-fitting): no item both finds and tests the same one. The
tests of one direction are one Benjamini-Hochberg family whose items did not choose it, weighted by what the other half
said (Genovese, Roeder and Wasserman 2006): of some hundred candidates most are chance, and barely passed there. With
two directions every adjusted p counts twice (Bonferroni). Where nothing fails, a slice is named in at most `alpha` of
runs.

Slices that survive overlap, so they are covered greedily. The next slice is the one that best explains
which items fail if everything else were healthy: the log-likelihood of the items with a rate of its own
for the slice, and one of at most `max_failure_rate` for the rest (the scan statistic of Kulldorff 1997 with
a ceiling outside). A slice is named only if it still fails without the items of those named before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from diagnose.slice_conditions import TASK
from diagnose.slice_counts import Thresholds, above_level, count, fisher, gain
from diagnose.slice_search import Candidate
from diagnose.slices import Slice

ENOUGH = 6.0
"""Nats on the half that finds a candidate beyond which it weighs no more: chance among hundreds says as much."""
NEAR_TIE = 0.95
"""Share of the best slice's gain at which a simpler description is preferred."""


@dataclass(frozen=True, slots=True)
class Direction:
    """What one half has found, to be tested on the other."""

    candidates: tuple[Candidate, ...]
    finds: NDArray[np.bool_]
    """Items that found them, [num_items]."""

    @property
    def tests(self) -> NDArray[np.bool_]:
        """The others."""
        return ~self.finds


@dataclass(frozen=True, slots=True)
class Tested:
    candidate: Candidate
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class _Test:
    candidate: Candidate
    p: float
    nats: float
    """By which the half that found it says the same."""
    is_clear: bool


def cover(directions: Sequence[Direction], failed: NDArray[np.bool_], thresholds: Thresholds) -> list[Tested]:
    """One after the other the slice that says most about the failures that are left."""
    left = np.ones(len(failed), bool)
    tested = confirmed(directions, failed, left, thresholds)
    named: list[Tested] = []
    while tested:
        gains = [_gain(t.candidate, failed, left, thresholds.max_failure_rate) for t in tested]
        best = max(gains)
        if best <= 0:
            break
        chosen = min(
            (t.candidate.rank, -own, str(t.candidate.slice), index)
            for index, (t, own) in enumerate(zip(tested, gains, strict=True))
            if own >= NEAR_TIE * best
        )[-1]
        named.append(tested[chosen])
        left &= ~named[-1].candidate.members
        # Those that failed are tested again on what is left: many did only where they overlap with the slice just
        # named. All others that were found count as tests too. Were they left out, what chance has chosen once would
        # be judged as if it were the first test.
        directions = [_left_over(found, left, thresholds.min_items) for found in directions]
        before = {one.candidate.slice for one in tested}
        again = confirmed(directions, failed, left, thresholds)
        tested = [one for one in again if one.candidate.slice in before]
    return named


def _left_over(found: Direction, left: NDArray[np.bool_], min_items: int) -> Direction:
    return Direction(tuple(c for c in found.candidates if _is_mostly_left(c, left, min_items)), found.finds)


def confirmed(
    directions: Sequence[Direction],
    failed: NDArray[np.bool_],
    left: NDArray[np.bool_],
    thresholds: Thresholds,
) -> list[Tested]:
    """Candidates that fail on the items that did not find them, with the p-value adjusted over all tests made."""
    best: dict[Slice, Tested] = {}
    for direction in directions:
        for one in _tested(direction, failed, left, thresholds):
            p = min(1.0, len(directions) * one.p_adjusted)
            known = best.get(one.candidate.slice)
            if p <= thresholds.alpha and (known is None or p < known.p_adjusted):
                best[one.candidate.slice] = Tested(one.candidate, p)
    return list(best.values())


def _tested(
    direction: Direction, failed: NDArray[np.bool_], left: NDArray[np.bool_], thresholds: Thresholds
) -> list[Tested]:
    """Those that are clear, adjusted within this half."""
    level = thresholds.max_failure_rate
    tests: list[_Test] = []
    for one in direction.candidates:
        seen = count(one.members, failed, direction.finds & left)
        counts = count(one.members, failed, direction.tests & left)
        tests.append(_Test(one, fisher(counts), seen.nats, counts.is_clear(thresholds.min_gap)))
        if one.rank == TASK:
            is_above = counts.failed > level * counts.items
            tests.append(_Test(one, above_level(counts, level), seen.nats_above(level), is_above))
    if not tests:
        return []
    weights = np.exp([min(test.nats, ENOUGH) for test in tests])
    weighted = np.array([test.p for test in tests]) * weights.mean() / weights
    adjusted = false_discovery_control(np.clip(weighted, 0, 1)).tolist()
    return [Tested(test.candidate, p) for test, p in zip(tests, adjusted, strict=True) if test.is_clear]


def _gain(candidate: Candidate, failed: NDArray[np.bool_], left: NDArray[np.bool_], ceiling: float) -> float:
    return gain(count(candidate.members, failed, left), ceiling) - candidate.cost


def _is_mostly_left(candidate: Candidate, left: NDArray[np.bool_], min_items: int) -> bool:
    """Enough items that no slice has named; a small remainder would need another description."""
    num_left = int((candidate.members & left).sum())
    return num_left >= max(min_items, 0.5 * int(candidate.members.sum()))
