"""Find kinds of items that fail: slices found on one half of the probe items and tested on the other, both ways.

Candidates are tasks, values and ranges of document fields, tags, runs of one or two words, topics
(`diagnose.slices.topics`), clusters of texts (`diagnose.slices.text_clusters`), lengths, and conjunctions of two
(`diagnose.slices.failing.search`). A candidate fails if its items fail clearly more often than the others of the same
tasks (Fisher's exact test), or, for a task as a whole, more often than the other tasks or than a working model does
(`max_failure_rate`, exact binomial test): where everything fails alike there is no contrast, and the task is the
finding. A task comes after what is inside it. Those that survive are covered greedily
(`diagnose.slices.failing.cover`). `scripts/bench_slices.py` measures false alarms, recall, precision and time.

Cost: sparse products; 50,000 items with 30 fields and prompts of 10 words take some fifteen seconds.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from diagnose.slices.failing.conditions import Conditions, best_ranges, conditions, numerics
from diagnose.slices.failing.counts import Among, Thresholds
from diagnose.slices.failing.cover import Direction, Tested, cover
from diagnose.slices.failing.search import Half, least_items, suspects
from diagnose.slices.predicate import Slice, item_table
from diagnose.slices.text_clusters import Space
from evals.items import Item, ProbeReport
from evals.statistics.intervals import Interval, wilson


@dataclass(frozen=True, slots=True)
class FailingSlice:
    slice: Slice
    num_items: int
    num_failed: int
    ci: Interval
    """Wilson interval of the failure rate, 95 %."""
    p_adjusted: float
    """Benjamini-Hochberg p on the half that did not find the slice, times two for the two halves."""

    @property
    def failure_rate(self) -> float:
        return self.num_failed / self.num_items


def find_failing_slices(
    probe: ProbeReport,
    fields: Sequence[str],
    guards: Collection[str],
    thresholds: Thresholds,
    hidden: Space | None = None,
) -> tuple[FailingSlice, ...]:
    """Find slices that fail, the one that explains most failures first; none for a healthy model.

    Args:
        probe: All probe items, guards included: slices are compared with them.
        fields: Document fields whose values are candidates (`evals.slices`).
        guards: Names of tasks that are never fixed; no slice holds any of their items.
        thresholds: Thresholds for failing.
        hidden: Embeds texts by hidden states, to cluster natural text in these too; not used where the vocabulary is
            small.

    Raises:
        ValueError: no document has one of the fields.
    """
    items = [result.item for result in probe.results]
    check_fields(items, fields)
    failed = np.array([result.is_failed for result in probe.results], bool)
    is_fixed = np.array([item.task not in guards for item in items], bool)
    if not failed[is_fixed].any():
        return ()
    table = item_table(items, fields)
    numeric = numerics(table, fields)
    everywhere = conditions(table, fields, numeric, thresholds.min_items, hidden)
    first = first_half(items)
    directions = []
    for finds in (first, ~first):
        half = Among(failed, table.task_numbers, finds & is_fixed)
        ranges = [best_ranges(one, half, least_items(thresholds)) for one in numeric]
        found = reduce(Conditions.beside, ranges, everywhere)
        candidates = suspects(found, Half(failed, table.task_numbers, finds, is_fixed), thresholds)
        directions.append(Direction(tuple(candidates), finds))
    return tuple(_described(one, failed) for one in cover(directions, failed, table.task_numbers, thresholds))


def check_fields(items: Sequence[Item], fields: Sequence[str]) -> None:
    """Raise a ValueError for a field that no document has."""
    known = sorted({name for item in items for name in item.document})
    for name in fields:
        if name not in known and name != "task":
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"the documents have {', '.join(known) or 'none'}"
            raise ValueError(f"evals.slices names the field '{name}', which no document has; {hint}")


def first_half(items: Sequence[Item]) -> NDArray[np.bool_]:
    """Choose half of the items by a hash of the split key, so that near copies stay together, [num_items]."""
    digests = (hashlib.sha256(f"evalmend-half:{item.split_key}".encode()).digest() for item in items)
    return np.fromiter((digest[0] < 128 for digest in digests), bool, len(items))


def _described(tested: Tested, failed: NDArray[np.bool_]) -> FailingSlice:
    members = tested.candidate.members
    num_failed, num_items = int(failed[members].sum()), int(members.sum())
    return FailingSlice(
        slice=tested.candidate.slice,
        num_items=num_items,
        num_failed=num_failed,
        ci=wilson(num_failed, num_items).interval,
        p_adjusted=tested.p_adjusted,
    )
