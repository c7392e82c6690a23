"""Test candidates on the items that did not find them, and choose the few that explain which items fail.

Each half of the items finds candidates for the other (cross-fitting): no item both finds and tests the same one. The
tests of one direction are one Benjamini-Hochberg family whose items did not choose it, weighted by the evidence of the
other half (Genovese, Roeder and Wasserman 2006): of some hundred candidates most are chance, and barely passed there.
With two directions every adjusted p counts twice (Bonferroni). Where nothing fails, a slice is named in at most `alpha`
of runs.

Slices that survive overlap, so they are covered greedily. The next slice is the one that best explains which items of
its tasks fail: the log-likelihood with rates of their own for the slice and its rest above that of the rates of the
tasks (the scan statistic of Kulldorff 1997). A slice is named only if it still fails without the items of those named
before. Whole tasks come last, for what fails in them beyond that: the best explains most if all other tasks were
healthy, with a failure rate of at most `max_failure_rate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from diagnose.slices.failing.conditions import TASK
from diagnose.slices.failing.counts import Among, Thresholds, above_level, fisher, gain, nats_above
from diagnose.slices.failing.search import Candidate
from diagnose.slices.predicate import Slice

ENOUGH = 6.0
"""Nats on the half that finds a candidate beyond which it weighs no more: chance among hundreds gives as much."""
SAME = 0.5
"""Jaccard index above which two slices count as the same."""
NEAR_TIE = 0.95
"""Share of the best slice's gain at which a simpler description is preferred."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Candidates that one half has found, to be tested on the other."""

    candidates: tuple[Candidate, ...]
    finds: NDArray[np.bool_]
    """Items that found the candidates, [num_items]."""

    @property
    def tests(self) -> NDArray[np.bool_]:
        """Items that test the candidates, all others, [num_items]."""
        return ~self.finds


@dataclass(frozen=True, slots=True)
class Tested:
    candidate: Candidate
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class Explained:
    """Which items fail, and which slices named so far they are in; all are [num_items]."""

    failed: NDArray[np.bool_]
    group: NDArray[np.int64]
    """Number of each item's group: items of one task in the same named slices have the same."""
    left: NDArray[np.bool_]
    """Whether an item is in no named slice."""

    def among(self, items: NDArray[np.bool_], candidate: Candidate) -> Among:
        """Items that a candidate is compared with: the others of its groups or, for a whole task, the other tasks as
        far as no slice explains them."""
        if candidate.is_whole:
            return Among(self.failed, np.zeros_like(self.group), items & self.left)
        return Among(self.failed, self.group, items)

    def by(self, named: Candidate) -> "Explained":
        """Add one more named slice."""
        group = np.unique(2 * self.group + named.members, return_inverse=True)[1].astype(np.int64)
        return Explained(self.failed, group, self.left & ~named.members)


@dataclass(frozen=True, slots=True)
class _Test:
    candidate: Candidate
    p: float
    nats: float
    """Nats by which the half that found the candidate supports it."""
    is_clear: bool


@dataclass(frozen=True, slots=True)
class _State:
    """Candidates that may be named next."""

    directions: Sequence[Direction]
    explained: Explained
    tested: Sequence[Tested]

    def after(self, named: Candidate, thresholds: Thresholds) -> "_State":
        """State after naming a slice. Candidates that failed are tested again in what is left to explain: many failed
        only where they overlap with that slice. All others that were found count as tests too; without them, what
        chance has chosen once would be judged as if it were the first test."""
        explained = self.explained.by(named)
        directions = [_left_over(found, named, explained.left, thresholds.min_items) for found in self.directions]
        before = {one.candidate.slice for one in self.tested}
        retested = [one for one in confirmed(directions, explained, thresholds) if one.candidate.slice in before]
        return _State(directions, explained, retested)

    def best(self, among: Sequence[Tested], thresholds: Thresholds) -> Tested | None:
        """Candidate of largest gain, of near ties the simplest; None where none gains."""
        gains = [_gain(one.candidate, self.explained, thresholds) for one in among]
        most = max(gains, default=0.0)
        if most <= 0:
            return None
        chosen = min(
            (one.candidate.rank, -own, str(one.candidate.slice), index)
            for index, (one, own) in enumerate(zip(among, gains, strict=True))
            if own >= NEAR_TIE * most
        )[-1]
        return among[chosen]


def cover(
    directions: Sequence[Direction], failed: NDArray[np.bool_], task: NDArray[np.int64], thresholds: Thresholds
) -> list[Tested]:
    """Name slices one by one, each explaining most of the failures that are left; whole tasks follow what is inside
    them."""
    nothing = Explained(failed, task, np.ones(len(failed), bool))
    state = _State(directions, nothing, confirmed(directions, nothing, thresholds))
    named: list[Tested] = []
    while True:
        inside = [one for one in state.tested if not one.candidate.is_whole]
        chosen = state.best(inside, thresholds)
        if chosen is None:
            chosen = state.best([one for one in state.tested if one.candidate.is_whole], thresholds)
        if chosen is None:
            return _in_order(named, nothing, thresholds)
        after = state.after(chosen.candidate, thresholds)
        if not chosen.candidate.is_given and not chosen.candidate.is_whole:
            # A slice by the data's own fields that still fails without the chosen one is named first: people know it,
            # and rows have.
            members = chosen.candidate.members
            given = [t for t in after.tested if t.candidate.is_given and (t.candidate.members & members).any()]
            if (better := after.best(given, thresholds)) is not None:
                chosen, after = better, state.after(better.candidate, thresholds)
        named.append(chosen)
        state = after


def _in_order(named: Sequence[Tested], nothing: Explained, thresholds: Thresholds) -> list[Tested]:
    """Order slices by the data's own fields before those found in texts, each by its own gain; a whole task by its
    gain, but after all that is inside it."""
    worth = [_gain(one.candidate, nothing, thresholds) for one in named]
    inner = [k for k, one in enumerate(named) if not one.candidate.is_whole]
    inner.sort(key=lambda k: (not named[k].candidate.is_given, -worth[k]))
    order = list(inner)
    for k in sorted((k for k, one in enumerate(named) if one.candidate.is_whole), key=lambda k: -worth[k]):
        members = named[k].candidate.members
        own = [place for place, j in enumerate(order) if (named[j].candidate.members & members).any()]
        lesser = [place for place, j in enumerate(order) if worth[j] < worth[k]]
        order.insert(max(max(own, default=-1) + 1, min(lesser, default=len(order))), k)
    return [named[k] for k in order]


def _left_over(found: Direction, named: Candidate, left: NDArray[np.bool_], min_items: int) -> Direction:
    return Direction(tuple(c for c in found.candidates if _is_another(c, named, left, min_items)), found.finds)


def confirmed(
    directions: Sequence[Direction],
    explained: Explained,
    thresholds: Thresholds,
) -> list[Tested]:
    """Candidates that fail on the items that did not find them, with p adjusted over all tests made."""
    best: dict[Slice, Tested] = {}
    for direction in directions:
        for one in _tested(direction, explained, thresholds):
            p = min(1.0, len(directions) * one.p_adjusted)
            known = best.get(one.candidate.slice)
            if p <= thresholds.alpha and (known is None or p < known.p_adjusted):
                best[one.candidate.slice] = Tested(one.candidate, p)
    return list(best.values())


def _tested(direction: Direction, explained: Explained, thresholds: Thresholds) -> list[Tested]:
    """Candidates of one half that are clear, with p adjusted within that half."""
    level = thresholds.max_failure_rate
    tests: list[_Test] = []
    for one in direction.candidates:
        seen = explained.among(direction.finds, one).count(one.members)
        counts = explained.among(direction.tests, one).count(one.members)
        tests.append(_Test(one, fisher(counts), seen.nats, counts.is_clear(thresholds.min_gap)))
        if one.rank == TASK:
            found = _failures(one, explained, direction.finds)
            num_failed, num_items = _failures(one, explained, direction.tests)
            is_above = num_failed > level * num_items
            tests.append(_Test(one, above_level(num_failed, num_items, level), nats_above(*found, level), is_above))
    if not tests:
        return []
    weights = np.exp([min(test.nats, ENOUGH) for test in tests])
    weighted = np.array([test.p for test in tests]) * weights.mean() / weights
    adjusted = false_discovery_control(np.clip(weighted, 0, 1)).tolist()
    return [Tested(test.candidate, p) for test, p in zip(tests, adjusted, strict=True) if test.is_clear]


def _failures(candidate: Candidate, explained: Explained, items: NDArray[np.bool_]) -> tuple[int, int]:
    """Failures and items of a candidate among those that no slice has explained."""
    inside = candidate.members & items & explained.left
    return int((inside & explained.failed).sum()), int(inside.sum())


def _gain(candidate: Candidate, explained: Explained, thresholds: Thresholds) -> float:
    everything = np.ones_like(explained.failed)
    if not candidate.is_whole:
        return explained.among(everything, candidate).count(candidate.members).nats - candidate.cost
    num_failed, num_items = _failures(candidate, explained, everything)
    all_failed, all_items = int((explained.failed & explained.left).sum()), int(explained.left.sum())
    return gain(num_failed, num_items, all_failed, all_items, thresholds.max_failure_rate)


def _is_another(candidate: Candidate, named: Candidate, left: NDArray[np.bool_], min_items: int) -> bool:
    """Whether a candidate differs from the slice just named and has enough items, of a task half, in no named one."""
    size = int(candidate.members.sum())
    if int((candidate.members & left).sum()) < max(min_items, 0.5 * size if candidate.is_whole else 0):
        return False
    both = int((candidate.members & named.members).sum())
    return both <= SAME * (size + int(named.members.sum()) - both)
