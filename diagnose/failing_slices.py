"""Which kinds of items fail: slices found on one half of the probe items and tested on the other.

Candidates are tasks, values of document fields, runs of one or two words, lengths, and each of the last
three inside one task. A candidate fails if its items fail clearly more often than all the others (Fisher's
exact test), or, for a task as a whole, more often than a working model does (`max_failure_rate`, exact
binomial test): where everything fails alike there is no contrast, and the task is the finding. All tests of
a report are one Benjamini-Hochberg family.

Slices that survive overlap, so they are covered greedily. The next slice is the one that best explains
which items fail if everything else were healthy: the log-likelihood of the items with a rate of its own
for the slice, and one of at most `max_failure_rate` for the rest (the scan statistic of Kulldorff 1997 with
a ceiling outside). A slice is named only if it still fails without the items of those named before.

Cost: sparse counts; 50,000 items of 50 words take a few seconds.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import binom, false_discovery_control, hypergeom

from diagnose.finding import Interval
from diagnose.ngrams import word_grams
from diagnose.slices import PROMPT_CONTAINS, PROMPT_WORDS, Slice, SliceTable, item_table
from evals.intervals import wilson
from evals.items import Item, ProbeReport

NEAR_TIE = 0.95
"""Share of the best slice's gain at which a simpler description is preferred."""
MIN_RATIO = 1.25
"""A slice fails at least this many times as often as the rest: a gap that is only significant says little."""
_MIN_Z = 1.645
"""To be carried to the second half."""
_MAX_TESTED = 500
"""Candidates carried to the second half, the most suspicious first; bounds memory."""


@dataclass(frozen=True, slots=True)
class FailingSlice:
    slice: Slice
    num_items: int
    num_failed: int
    ci: Interval
    """Wilson interval of the failure rate."""
    p_adjusted: float
    """Benjamini-Hochberg, on the half that did not find the slice."""

    @property
    def failure_rate(self) -> float:
        return self.num_failed / self.num_items


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as failing; as the fields of the same names of `diagnose.diagnoser.Diagnoser`."""

    alpha: float = 0.05
    min_items: int = 20
    min_gap: float = 0.05
    max_failure_rate: float = 0.1


@dataclass(frozen=True, slots=True)
class _Candidate:
    slice: Slice
    rank: int
    """0 for tasks, 1 for fields, 2 for words, 3 for lengths; one more condition adds 4."""
    members: NDArray[np.bool_]
    """[num_items], guards never."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What candidates are found on."""

    table: SliceTable
    fields: tuple[str, ...]
    failed: NDArray[np.bool_]
    is_fixed: NDArray[np.bool_]
    half: NDArray[np.bool_]
    """Items that are looked at for failures; all four are [num_items]."""


@dataclass(frozen=True, slots=True)
class _Tested:
    candidate: _Candidate
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class _Counts:
    """Failures and items of the slice, and of all the others."""

    failed: int
    items: int
    failed_rest: int
    items_rest: int

    def is_clear(self, min_gap: float) -> bool:
        if not self.items or not self.items_rest:
            return False
        rate, rest = self.failed / self.items, self.failed_rest / self.items_rest
        return rate - rest >= min_gap and rate >= MIN_RATIO * rest


def find_failing_slices(
    probe: ProbeReport,
    fields: Sequence[str],
    guards: Collection[str],
    thresholds: Thresholds,
) -> tuple[FailingSlice, ...]:
    """Slices that fail, the one first that explains most of which items do; none for a healthy model.

    Args:
        probe: All probe items, guards included: they are the rest that slices are compared with.
        fields: Document fields whose values are candidates (`evals.slices`).
        guards: Names of tasks that are never fixed; no slice holds any of their items.
        thresholds: What counts as failing.

    Raises:
        ValueError: no document has one of the fields.
    """
    items = [result.item for result in probe.results]
    check_fields(items, fields)
    failed = np.array([result.is_failed for result in probe.results], bool)
    is_fixed = np.array([item.task not in guards for item in items], bool)
    if not failed[is_fixed].any():
        return ()
    found_here = first_half(items)
    seen = _Seen(item_table(items, fields), tuple(fields), failed, is_fixed, found_here)
    candidates = _suspects(seen, thresholds)
    tested = _test(candidates, failed, ~found_here, thresholds)
    named = _cover(tested, failed, ~found_here, thresholds)
    return tuple(_described(t, failed) for t in named)


def check_fields(items: Sequence[Item], fields: Sequence[str]) -> None:
    """Raise a ValueError for a field that no document has."""
    known = sorted({name for item in items for name in item.document})
    for name in fields:
        if name not in known and name != "task":
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the documents have {', '.join(known) or 'none'}"
            raise ValueError(f"evals.slices names the field '{name}', which no document has; {hint}")


def first_half(items: Sequence[Item]) -> NDArray[np.bool_]:
    """Half of the items by a hash of the split key, so that near copies stay together; [num_items]."""
    digests = (hashlib.sha256(f"evalmend-half:{item.split_key}".encode()).digest() for item in items)
    return np.fromiter((digest[0] < 128 for digest in digests), bool, len(items))


def failure_interval(num_failed: int, num_items: int) -> Interval:
    """Wilson's 95 % interval of a failure rate."""
    found = wilson(num_failed, num_items)
    return Interval(found.low, found.high)


def _suspects(seen: _Seen, thresholds: Thresholds) -> list[_Candidate]:
    """Candidates that fail more often than the rest, or than a working model, on the first half."""
    kept: list[tuple[float, _Candidate]] = []
    for candidate in _candidates(seen, thresholds):
        counts = _count(candidate.members, seen.failed, seen.half)
        if candidate.members.sum() < thresholds.min_items or counts.items < thresholds.min_items / 4:
            continue
        if candidate.rank == 0 and counts.failed > thresholds.max_failure_rate * counts.items:
            kept.append((-np.inf, candidate))
        elif counts.is_clear(thresholds.min_gap) and (z := _z(counts)) > _MIN_Z:
            kept.append((-z, candidate))
    kept.sort(key=lambda pair: pair[0])
    return [candidate for _, candidate in kept[:_MAX_TESTED]]


def _candidates(seen: _Seen, thresholds: Thresholds) -> Iterator[_Candidate]:
    """All candidates; runs of words only where the half's counts leave it possible that they fail."""
    table, is_fixed, half = seen.table, seen.is_fixed, seen.half
    failed = seen.failed & half
    tasks = {name: table.fields["task"] == name for name in dict.fromkeys(table.fields["task"][is_fixed])}
    singles: list[_Candidate] = []
    for name in seen.fields:
        if name != "task":
            values = table.fields[name]
            singles += [
                _Candidate(Slice(((name, value),)), 1, np.asarray(values == value, bool))
                for value in _frequent(values[is_fixed], thresholds.min_items)
            ]
    singles += [_Candidate(Slice(((PROMPT_WORDS, v),)), 3, m) for v, m in _lengths(table, is_fixed)]
    for name, in_task in tasks.items():
        yield _Candidate(Slice((("task", name),)), 0, in_task)
    yield from _with_tasks(singles, tasks, is_fixed)

    grams = word_grams(table.texts, thresholds.min_items)
    for name, in_task in [(None, np.ones(len(table), bool)), *tasks.items()]:
        # One sparse product counts all runs: failures and items of the half that contain them.
        num_failed = grams.holds.T @ (failed & in_task).astype(float)
        num_items = grams.holds.T @ (half & in_task).astype(float)
        enough = num_items >= thresholds.min_items / 4
        for column in np.flatnonzero(
            enough & (_z_of(num_failed, num_items, failed.sum(), half.sum()) > _MIN_Z)
        ).tolist():
            start, end = grams.holds.indptr[column : column + 2]
            members = np.zeros(len(table), bool)
            members[grams.holds.indices[start:end]] = True
            single = _Candidate(Slice(((PROMPT_CONTAINS, grams.grams[column]),)), 2, members)
            if name is not None:
                yield from _with_tasks([single], {name: in_task}, None)
            elif not (members & ~is_fixed).any():
                yield single


def _with_tasks(
    singles: Sequence[_Candidate], tasks: dict[str, NDArray[np.bool_]], is_fixed: NDArray[np.bool_] | None
) -> Iterator[_Candidate]:
    """Each inside every task that it is a part of; and alone, given `is_fixed`, if no guard item is in it."""
    for single in singles:
        if is_fixed is not None and not (single.members & ~is_fixed).any():
            yield single
        for name, in_task in tasks.items():
            members = single.members & in_task
            if not np.array_equal(members, single.members) and not np.array_equal(members, in_task):
                conditions = (("task", name), *single.slice.conditions)
                yield _Candidate(Slice(conditions), single.rank + 4, members)


def _frequent(values: NDArray[np.object_], min_items: int) -> list[str]:
    counts = Counter(value for value in values.tolist() if value is not None)
    return sorted(value for value, count in counts.items() if count >= min_items)


def _lengths(table: SliceTable, is_fixed: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Short and long prompts by their number of words, cut at quartiles; each number, where they are few."""
    counted = table.num_words[is_fixed]
    cuts = sorted({int(np.quantile(counted, q)) for q in (0.25, 0.5, 0.75)})
    ranges = [f"0 to {cut}" for cut in cuts] + [f"{cut + 1} or more" for cut in cuts]
    ranges += [f"{low + 1} to {high}" for low, high in pairwise(cuts) if high > low + 1]
    numbers = np.unique(counted)
    if len(numbers) <= 50:
        ranges += [str(number) for number in numbers.tolist()]
    named = [(value, table.members(Slice(((PROMPT_WORDS, value),)))) for value in ranges]
    return [(value, members) for value, members in named if members.any() and not members.all()]


def _test(
    candidates: Sequence[_Candidate],
    failed: NDArray[np.bool_],
    half: NDArray[np.bool_],
    thresholds: Thresholds,
) -> list[_Tested]:
    """Those that fail on the second half too, with the p-value adjusted over all tests made."""
    tests: list[tuple[_Candidate, float, bool]] = []
    for candidate in candidates:
        counts = _count(candidate.members, failed, half)
        tests.append((candidate, _fisher(counts), counts.is_clear(thresholds.min_gap)))
        if candidate.rank == 0:
            level = thresholds.max_failure_rate
            p_level = float(binom.sf(counts.failed - 1, counts.items, level)) if counts.items else 1.0
            tests.append((candidate, p_level, counts.failed > level * counts.items))
    if not tests:
        return []
    adjusted = false_discovery_control(np.clip([p for _, p, _ in tests], 0, 1))
    best: dict[Slice, _Tested] = {}
    for (candidate, _, is_clear), p in zip(tests, adjusted.tolist(), strict=True):
        known = best.get(candidate.slice)
        if is_clear and p <= thresholds.alpha and (known is None or p < known.p_adjusted):
            best[candidate.slice] = _Tested(candidate, p)
    return list(best.values())


def _cover(
    tested: list[_Tested], failed: NDArray[np.bool_], half: NDArray[np.bool_], thresholds: Thresholds
) -> list[_Tested]:
    """One after the other the slice that says most about the failures that are left."""
    left = np.ones(len(failed), bool)
    named: list[_Tested] = []
    while tested:
        gains = [_gain(_count(t.candidate.members, failed, left), thresholds.max_failure_rate) for t in tested]
        if max(gains) <= 0:
            break
        ties = [
            (t.candidate.rank, -gain, index)
            for index, (t, gain) in enumerate(zip(tested, gains, strict=True))
            if gain >= NEAR_TIE * max(gains)
        ]
        named.append(tested[min(ties)[2]])
        left &= ~named[-1].candidate.members
        # Tested again on what is left, and adjusted again: many failed only where they overlap with it.
        remain = [t for t in tested if _is_mostly_left(t.candidate, left, thresholds.min_items)]
        passed = {t.candidate.slice for t in _test([t.candidate for t in remain], failed, left & half, thresholds)}
        tested = [t for t in remain if t.candidate.slice in passed]
    return named


def _is_mostly_left(candidate: _Candidate, left: NDArray[np.bool_], min_items: int) -> bool:
    """Enough items that no slice has named; a small remainder would need another description."""
    num_left = int((candidate.members & left).sum())
    return num_left >= max(min_items, 0.5 * int(candidate.members.sum()))


def _described(tested: _Tested, failed: NDArray[np.bool_]) -> FailingSlice:
    members = tested.candidate.members
    num_failed, num_items = int(failed[members].sum()), int(members.sum())
    return FailingSlice(
        slice=tested.candidate.slice,
        num_items=num_items,
        num_failed=num_failed,
        ci=failure_interval(num_failed, num_items),
        p_adjusted=tested.p_adjusted,
    )


def _count(members: NDArray[np.bool_], failed: NDArray[np.bool_], among: NDArray[np.bool_]) -> _Counts:
    inside = members & among
    num_failed, num_items = int((failed & inside).sum()), int(inside.sum())
    return _Counts(
        failed=num_failed,
        items=num_items,
        failed_rest=int((failed & among).sum()) - num_failed,
        items_rest=int(among.sum()) - num_items,
    )


def _fisher(counts: _Counts) -> float:
    """One-sided p of the slice failing more often than the rest."""
    total, num_failed = counts.items + counts.items_rest, counts.failed + counts.failed_rest
    return float(hypergeom.sf(counts.failed - 1, total, num_failed, counts.items))


def _z(counts: _Counts) -> float:
    num_failed, num_items = counts.failed + counts.failed_rest, counts.items + counts.items_rest
    return float(_z_of(np.array([counts.failed]), np.array([counts.items]), num_failed, num_items)[0])


def _z_of(
    num_failed: NDArray[Any], num_items: NDArray[Any], all_failed: float, all_items: float
) -> NDArray[np.float64]:
    """Pooled two-sample z of the failure rates of slices against their rests; 0 without a rest."""
    rest = all_items - num_items
    share = all_failed / max(all_items, 1)
    variance = share * (1 - share) * all_items / np.maximum(num_items * rest, 1)
    gap = num_failed / np.maximum(num_items, 1) - (all_failed - num_failed) / np.maximum(rest, 1)
    has_both = (num_items > 0) & (rest > 0) & (variance > 0)
    return np.where(has_both, gap / np.sqrt(np.where(has_both, variance, 1)), 0.0)


def _gain(counts: _Counts, ceiling: float) -> float:
    """Log-likelihood above that of one rate for all items; that rate and the rest's are at most `ceiling`."""
    inside = _log_likelihood(counts.failed, counts.items, counts.failed / max(counts.items, 1))
    rest = _capped(counts.failed_rest, counts.items_rest, ceiling)
    num_failed, num_items = counts.failed + counts.failed_rest, counts.items + counts.items_rest
    return inside + rest - _capped(num_failed, num_items, ceiling)


def _capped(num_failed: int, num_items: int, ceiling: float) -> float:
    return _log_likelihood(num_failed, num_items, min(ceiling, num_failed / max(num_items, 1)))


def _log_likelihood(num_failed: int, num_items: int, rate: float) -> float:
    return float(xlogy(num_failed, rate) + xlogy(num_items - num_failed, 1 - rate))
