"""Candidates for failing slices, found on one half of the items: single conditions and conjunctions of two.

Levels as in SliceLine (Sagadeeva & Boehm 2021): counts of all pairs are sparse matrix products, and a condition is
paired only if its failures leave it possible that a pair beats both of its parts: the bound is a slice of the fewest
items allowed in which all of the rarer part's failures lie. A task, a field's value or a range of one is paired with
anything of another key. A pair must say `FURTHER_CONDITION` nats more than either part.

Cost: 50,000 items with 30 fields of 10 values and prompts of 10 words take about five seconds for each half.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from diagnose.ranges import bounds
from diagnose.slice_conditions import FIELD, NUM_RANKS, TASK, Conditions
from diagnose.slice_counts import Thresholds, contrast, is_clear
from diagnose.slices import Slice

FURTHER_CONDITION = 3.0
"""Nats that a second condition costs: it must make what fails twenty times as likely. A range costs as much again,
for its ends are chosen too."""
_MIN_SINGLE, _MIN_PAIR = 1.35, 5.0
"""Nats to be tested on the other half: a z of 1.6, and of 3.2 since pairs are hundreds of times as many."""
_MOST_SINGLES, _MOST_PAIRS = 300, 200
"""Candidates that are tested, the most suspicious first."""
_MOST_CELLS = 4_000_000
"""Pairs counted at once; bounds memory."""


@dataclass(frozen=True, slots=True)
class Candidate:
    slice: Slice
    rank: int
    """`slice_conditions.TASK` to `LENGTH`, the higher one of a pair; a second condition adds `NUM_RANKS`."""
    members: NDArray[np.bool_]
    """[num_items], guards never."""
    cost: float
    """Nats that a second condition costs; 0 for a single one."""


@dataclass(frozen=True, slots=True)
class Half:
    """What candidates are found on; all are [num_items]."""

    failed: NDArray[np.bool_]
    is_fixed: NDArray[np.bool_]
    items: NDArray[np.bool_]
    """Those that are looked at for failures."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """Single conditions on the half, [num_conditions] each."""

    failed: NDArray[np.float64]
    items: NDArray[np.float64]
    worth: NDArray[np.float64]
    """Nats; 0 where the condition may not stand alone."""
    is_slice: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Pair:
    worth: float
    first: int
    second: int


def suspects(found: Conditions, half: Half, thresholds: Thresholds) -> list[Candidate]:
    """Slices that fail more often than the rest, or as whole tasks than a working model, on one half."""
    counted = _count(found, half, thresholds)
    singles = _singles(found, half, counted, thresholds)
    return [*singles, *_pairs(found, half, counted, thresholds)]


def _count(found: Conditions, half: Half, thresholds: Thresholds) -> _Counted:
    holds = found.holds.T
    num_failed, num_items = holds @ (half.failed & half.items).astype(float), holds @ half.items.astype(float)
    no_guard = holds @ (~half.is_fixed).astype(float) == 0
    is_slice = no_guard & (np.diff(found.holds.indptr) >= thresholds.min_items)
    worth = contrast(num_failed, num_items, (half.failed & half.items).sum(), half.items.sum())
    return _Counted(num_failed, num_items, np.where(is_slice, worth, 0.0), is_slice)


def _singles(found: Conditions, half: Half, counted: _Counted, thresholds: Thresholds) -> list[Candidate]:
    all_failed, all_items = (half.failed & half.items).sum(), half.items.sum()
    is_likely = counted.is_slice & (counted.items >= least_items(thresholds))
    clear = is_clear(counted.failed, counted.items, all_failed, all_items, thresholds.min_gap)
    suspicious = is_likely & clear & (counted.worth > _MIN_SINGLE)
    whole = is_likely & (found.ranks == TASK) & (counted.failed > thresholds.max_failure_rate * counted.items)
    order = sorted(np.flatnonzero(suspicious & ~whole).tolist(), key=lambda k: (-counted.worth[k], found.names[k]))
    chosen = [*np.flatnonzero(whole).tolist(), *order][:_MOST_SINGLES]
    return [Candidate(Slice((found.names[k],)), int(found.ranks[k]), found.members(k), 0.0) for k in chosen]


def _pairs(found: Conditions, half: Half, counted: _Counted, thresholds: Thresholds) -> list[Candidate]:
    kept: list[Candidate] = []
    extra = _range_costs(found)
    pairs = _promising(found, half, counted, thresholds)
    pairs.sort(key=lambda pair: (-pair.worth, found.names[pair.first], found.names[pair.second]))
    for pair in pairs:
        members = found.members(pair.first) & found.members(pair.second)
        if members.sum() >= thresholds.min_items and not (members & ~half.is_fixed).any():
            where = Slice((found.names[pair.first], found.names[pair.second]))
            rank = max(int(found.ranks[pair.first]), int(found.ranks[pair.second]))
            cost = float(FURTHER_CONDITION + extra[pair.first] + extra[pair.second])
            kept.append(Candidate(where, rank + NUM_RANKS, members, cost))
            if len(kept) == _MOST_PAIRS:
                break
    return kept


def _promising(found: Conditions, half: Half, counted: _Counted, thresholds: Thresholds) -> list[_Pair]:
    """Pairs that beat their parts on the half by what a second condition costs; not yet with their items elsewhere."""
    least = least_items(thresholds)
    all_failed, all_items = int((half.failed & half.items).sum()), int(half.items.sum())
    # The most that a pair with so many failures can say, by their number.
    possible = np.arange(all_failed + 1)
    bound = contrast(possible, np.maximum(possible, least), all_failed, all_items)
    extra = _range_costs(found)
    alone = np.maximum(counted.worth + FURTHER_CONDITION, _MIN_PAIR)
    hopeful = (bound[counted.failed.astype(np.int64)] > alone) & (counted.items >= least)
    first = np.flatnonzero(hopeful & (found.ranks <= FIELD))
    second = np.concatenate([first, np.flatnonzero(hopeful & (found.ranks > FIELD))])
    keys = {key: code for code, key in enumerate(dict.fromkeys(key for key, _ in found.names))}
    key_of = np.array([keys[key] for key, _ in found.names], np.int64)
    inside = csc_array(found.holds[half.items][:, second])
    failing = csc_array(found.holds[half.items & half.failed][:, second])
    pairs: list[_Pair] = []
    threshold = 0.0
    block = max(1, _MOST_CELLS // max(len(second), 1))
    for start in range(0, len(first), block):
        rows = np.arange(start, min(start + block, len(first)))
        num_failed = (failing[:, rows].T @ failing).toarray()
        needed = np.maximum(alone[first[rows], None], alone[None, second]) + extra[first[rows], None] + extra[second]
        is_new = (np.arange(len(second)) > rows[:, None]) & (key_of[first[rows], None] != key_of[None, second])
        possible_here = is_new & (bound[num_failed.astype(np.int64)] > np.maximum(needed, threshold))
        columns = np.flatnonzero(possible_here.any(axis=0))
        if not len(columns):
            continue
        num_failed, needed = num_failed[:, columns], needed[:, columns]
        num_items = (inside[:, rows].T @ inside[:, columns]).toarray()
        worth = contrast(num_failed, num_items, all_failed, all_items)
        clear = is_clear(num_failed, num_items, all_failed, all_items, thresholds.min_gap)
        good = possible_here[:, columns] & clear & (num_items >= least) & (worth > np.maximum(needed, threshold))
        pairs += [
            _Pair(float(worth[i, j]), int(first[rows[i]]), int(second[columns[j]]))
            for i, j in zip(*np.nonzero(good), strict=True)
        ]
        # Some of them have too few items on both halves, or hold guards: ten times as many are kept.
        if len(pairs) > 10 * _MOST_PAIRS:
            threshold = float(np.sort([pair.worth for pair in pairs])[-10 * _MOST_PAIRS]) * (1 - 1e-9)
            pairs = [pair for pair in pairs if pair.worth > threshold]
    return pairs


def _range_costs(found: Conditions) -> NDArray[np.float64]:
    return np.array([FURTHER_CONDITION if bounds(value) else 0.0 for _, value in found.names], np.float64)


def least_items(thresholds: Thresholds) -> int:
    """Items of a slice on the half."""
    return max(1, -(-thresholds.min_items // 4))
