"""Find candidates for failing slices on one half of the items: single conditions and conjunctions of two.

Levels as in SliceLine (Sagadeeva & Boehm 2021): counts of all pairs are sparse matrix products, and a condition is
paired only if its failures leave it possible that a pair beats both of its parts: the bound is a slice of the fewest
items allowed in which all of the rarer part's failures lie. A task, a field's value or a range of one, and a tag such
as the gold answer are paired with anything of another key. A pair must explain more than either part, by what the other
one costs (`Conditions.costs`). Failures are measured against the rates of the tasks that they happen in; what holds for
all of some tasks and nothing else is compared with the other tasks.

Cost: 50,000 items with 30 fields of 10 values and prompts of 10 words take about five seconds for each half.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, diags_array

from diagnose.slices.failing.conditions import MOST, NUM_RANKS, TAG, TASK, Conditions
from diagnose.slices.failing.counts import Among, Thresholds, contrast, is_clear
from diagnose.slices.predicate import Slice

_MIN_SINGLE, _MIN_PAIR = 1.35, 5.0
"""Nats that singles and pairs must exceed to be tested: a z of 1.6, and 3.2 as pairs are hundreds of times as many."""
_MOST_SINGLES, _MOST_PAIRS = 300, 200
"""Most candidates that are tested, the most suspicious first."""
_MOST_CELLS = 4_000_000
"""Most pairs counted at once; bounds memory."""


@dataclass(frozen=True, slots=True)
class Candidate:
    slice: Slice
    rank: int
    """Rank of the condition (`conditions.TASK` to `LENGTH`); the higher one of a pair, plus `NUM_RANKS`."""
    members: NDArray[np.bool_]
    """Whether each item is in the slice, [num_items]; guards never are."""
    cost: float
    """Nats that choosing it costs (`Conditions.costs`); the sum for a pair."""
    is_given: bool
    """Whether values of fields and gold answers define it, nothing that was found in texts; false for a whole task."""
    is_whole: bool = False
    """Whether it is exactly some whole tasks: compared with other tasks, for inside there is no rest."""


@dataclass(frozen=True, slots=True)
class Half(Among):
    """Items that candidates are found on."""

    is_fixed: NDArray[np.bool_]
    """Whether each item is of a task that may be fixed, [num_items]."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """Counts of single conditions on the half, [num_conditions] each."""

    failed: NDArray[np.float64]
    items: NDArray[np.float64]
    expected: NDArray[np.float64]
    """Failures at the rates of the tasks; for whole tasks at the rate of all items."""
    all_failed: NDArray[np.float64]
    """Failures of the tasks in which the condition holds somewhere; for whole tasks, of all."""
    all_items: NDArray[np.float64]
    worth: NDArray[np.float64]
    """Nats of the condition (`contrast`); 0 where it may not stand alone."""
    is_slice: NDArray[np.bool_]
    is_whole: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Pair:
    worth: float
    first: int
    second: int


def suspects(found: Conditions, half: Half, thresholds: Thresholds) -> list[Candidate]:
    """Find slices that fail more often than the rest or, as whole tasks, than a working model, on one half."""
    counted = _count(found, half, thresholds)
    singles = _singles(found, counted, thresholds)
    return [*singles, *_pairs(found, half, counted, thresholds)]


def _count(found: Conditions, half: Half, thresholds: Thresholds) -> _Counted:
    holds = found.holds.T
    is_failed = half.failed & half.items
    num_failed, num_items = holds @ is_failed.astype(float), holds @ half.items.astype(float)
    no_guard = holds @ (~half.is_fixed).astype(float) == 0
    is_slice = no_guard & (np.diff(found.holds.indptr) >= thresholds.min_items)
    # Items and failures of each task on the half, and whether each condition holds for none or all items of every task.
    of_task = csc_array((np.ones(len(half.group)), (np.arange(len(half.group)), half.group)))
    within = (holds @ of_task).toarray()
    reached = (within > 0).astype(float)
    is_whole = ((within == 0) | (within == of_task.sum(axis=0))).all(axis=1)
    task_failed, task_items = of_task.T @ is_failed.astype(float), of_task.T @ half.items.astype(float)
    overall = is_failed.sum() / max(half.items.sum(), 1)
    expected = np.where(is_whole, num_items * overall, holds @ (half.rates * half.items))
    all_failed = np.where(is_whole, is_failed.sum(), reached @ task_failed)
    all_items = np.where(is_whole, half.items.sum(), reached @ task_items)
    worth = contrast(num_failed, num_items, expected, all_failed, all_items)
    return _Counted(
        failed=num_failed,
        items=num_items,
        expected=expected,
        all_failed=all_failed,
        all_items=all_items,
        worth=np.where(is_slice, worth, 0.0),
        is_slice=is_slice,
        is_whole=is_whole,
    )


def _singles(found: Conditions, counted: _Counted, thresholds: Thresholds) -> list[Candidate]:
    is_likely = counted.is_slice & (counted.items >= least_items(thresholds))
    clear = is_clear(counted.failed, counted.items, counted.expected, counted.all_items, thresholds.min_gap)
    suspicious = is_likely & clear & (counted.worth > _MIN_SINGLE)
    whole = is_likely & (found.ranks == TASK) & (counted.failed > thresholds.max_failure_rate * counted.items)
    order = sorted(np.flatnonzero(suspicious & ~whole).tolist(), key=lambda k: (-counted.worth[k], found.names[k]))
    chosen = [*np.flatnonzero(whole).tolist(), *order][:_MOST_SINGLES]
    loose = found.is_loose
    return [
        Candidate(
            slice=Slice((found.names[k],)),
            rank=int(found.ranks[k]),
            members=found.members(k),
            cost=float(found.costs[k]),
            is_given=bool(not loose[k] and not counted.is_whole[k]),
            is_whole=bool(counted.is_whole[k]),
        )
        for k in chosen
    ]


def _pairs(found: Conditions, half: Half, counted: _Counted, thresholds: Thresholds) -> list[Candidate]:
    kept: list[Candidate] = []
    loose = found.is_loose
    pairs = _promising(found, half, counted, thresholds)
    pairs.sort(key=lambda pair: (-pair.worth, found.names[pair.first], found.names[pair.second]))
    for pair in pairs:
        members = found.members(pair.first) & found.members(pair.second)
        if members.sum() >= thresholds.min_items and not (members & ~half.is_fixed).any():
            where = Slice((found.names[pair.first], found.names[pair.second]))
            rank = max(int(found.ranks[pair.first]), int(found.ranks[pair.second]))
            cost = float(found.costs[pair.first] + found.costs[pair.second])
            is_given = not (loose[pair.first] or loose[pair.second])
            kept.append(Candidate(where, rank + NUM_RANKS, members, cost, is_given))
            if len(kept) == _MOST_PAIRS:
                break
    return kept


def _promising(found: Conditions, half: Half, counted: _Counted, thresholds: Thresholds) -> list[_Pair]:
    """Find pairs that beat their parts on the half by the cost of a second condition; items elsewhere are unchecked."""
    least = least_items(thresholds)
    all_failed, all_items = int((half.failed & half.items).sum()), int(half.items.sum())
    rates = half.rates
    # Largest contrast of a pair by its number of failures: in the task that fails least.
    possible = np.arange(all_failed + 1)
    size = np.maximum(possible, least)
    lowest = rates[half.items].min(initial=1.0)
    bound = contrast(possible, size, size * lowest, all_failed, all_items)
    costs = found.costs * (half.items.sum() / half.is_fixed.sum())  # half of the items say half as much
    loose = found.is_loose
    # A whole task explains none of the failures inside it.
    inside_worth = np.where(counted.is_whole, 0.0, counted.worth)
    alone = np.maximum(inside_worth - costs, 0.0)
    hopeful = (bound[counted.failed.astype(np.int64)] > np.maximum(alone + costs, _MIN_PAIR)) & (counted.items >= least)
    first = np.flatnonzero(hopeful & (found.ranks <= TAG))
    second = np.concatenate([first, np.flatnonzero(hopeful & (found.ranks > TAG))])
    keys = {key: code for code, key in enumerate(dict.fromkeys(key for key, _ in found.names))}
    key_of = np.array([keys[key] for key, _ in found.names], np.int64)
    inside = csc_array(found.holds[half.items][:, second])
    failing = csc_array(found.holds[half.items & half.failed][:, second])
    expecting = csc_array(diags_array(rates[half.items]) @ inside)
    # Items of the tasks that a pair is measured against: no more than those of the part with fewer.
    reach = np.where(counted.is_whole, counted.items, counted.all_items)
    reach_failed = np.where(counted.is_whole, counted.failed, counted.all_failed)
    pairs: list[_Pair] = []
    threshold = 0.0
    block = max(1, _MOST_CELLS // max(len(second), 1))
    for start in range(0, len(first), block):
        rows = np.arange(start, min(start + block, len(first)))
        num_failed = (failing[:, rows].T @ failing).toarray()
        needed = np.maximum(alone[first[rows], None], alone[None, second]) + costs[first[rows], None] + costs[second]
        needed = np.maximum(needed, _MIN_PAIR)
        is_new = (np.arange(len(second)) > rows[:, None]) & (key_of[first[rows], None] != key_of[None, second])
        possible_here = is_new & (bound[num_failed.astype(np.int64)] > np.maximum(needed, threshold))
        columns = np.flatnonzero(possible_here.any(axis=0))
        if not len(columns):
            continue
        num_failed, needed = num_failed[:, columns], needed[:, columns]
        num_items = (inside[:, rows].T @ inside[:, columns]).toarray()
        expected = (expecting[:, rows].T @ inside[:, columns]).toarray()
        own, other = first[rows][:, None], second[columns][None]
        is_fewer = reach[own] <= reach[other]
        rest = (
            np.where(is_fewer, reach_failed[own], reach_failed[other]),
            np.where(is_fewer, reach[own], reach[other]),
        )
        worth = contrast(num_failed, num_items, expected, *rest)
        clear = is_clear(num_failed, num_items, expected, rest[1], thresholds.min_gap)
        clear &= (num_items <= MOST * rest[1]) | ~(loose[own] | loose[other])
        good = possible_here[:, columns] & clear & (num_items >= least) & (worth > np.maximum(needed, threshold))
        pairs += [
            _Pair(float(worth[i, j]), int(first[rows[i]]), int(second[columns[j]]))
            for i, j in zip(*np.nonzero(good), strict=True)
        ]
        # Some have too few items on both halves, or hold guards: ten times as many are kept.
        if len(pairs) > 10 * _MOST_PAIRS:
            threshold = float(np.sort([pair.worth for pair in pairs])[-10 * _MOST_PAIRS]) * (1 - 1e-9)
            pairs = [pair for pair in pairs if pair.worth > threshold]
    return pairs


def least_items(thresholds: Thresholds) -> int:
    """Fewest items of a slice on one half, a quarter of `min_items`."""
    return max(1, -(-thresholds.min_items // 4))
