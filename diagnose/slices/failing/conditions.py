"""Collect all single conditions that items may share, as one sparse matrix to search failing slices in.

Tasks, values of fields, ranges of numeric fields, tags, runs of one or two words, topics, clusters of texts, and
lengths. Numbers are cut at quartiles here; `best_ranges` finds the ends of a range by the failures of one half of the
items.

Cost: 50,000 items with 30 fields and 10 words take about four seconds, and what `diagnose.slices.text_clusters` takes
for natural language.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, hstack

from diagnose.rows.ngrams import word_grams
from diagnose.slices.failing.counts import Among, contrast
from diagnose.slices.predicate import PROMPT_CONTAINS, PROMPT_WORDS, SliceTable
from diagnose.slices.ranges import bounds, described, numbers
from diagnose.slices.tags import GOLD_ANSWER, all_tags
from diagnose.slices.text_clusters import Space, find_clusters
from diagnose.slices.topics import find_topics

TASK, FIELD, TAG, WORD, TOPIC, CLUSTER, LENGTH = range(7)
"""Ranks of kinds of conditions: of near ties the lowest is preferred."""
NUM_RANKS = 7
MOST = 0.5
"""Largest share of the items of its tasks that a condition may hold for unless the data gives its value: beyond that it
is the rule, and the items outside it the exception."""
_MAX_BINS = 256
"""Most bins of a numeric field, at whose edges ranges may begin or end."""
_FEW_NUMBERS = 50
"""Most distinct lengths of which each is a condition of its own."""
_MIN_NUMBERS = 11
"""Fewest distinct numbers of a field that has ranges; fewer are values like others."""
_NEAR_BEST = 30
"""Ranges of a field that are kept around the best one, whose ends half of the items show only roughly."""
_OTHERS = 10
"""Ranges that are kept apart from the best one."""


@dataclass(frozen=True, slots=True)
class Conditions:
    names: tuple[tuple[str, str], ...]
    """Key and value of each condition."""
    ranks: NDArray[np.int64]
    """Rank of each condition, [num_conditions]."""
    costs: NDArray[np.float64]
    """Nats that choosing the condition costs, [num_conditions]: the logarithm of the number of conditions of its
    kind."""
    holds: csc_array
    """Matrix with 1 where the condition holds, [num_items, num_conditions]."""

    @property
    def is_loose(self) -> NDArray[np.bool_]:
        """Whether each condition is no value that the data gives, [num_conditions]; given values are slices however
        many items they hold for."""
        is_given = [
            rank == TASK or (rank == FIELD and bounds(value) is None) or key == GOLD_ANSWER
            for (key, value), rank in zip(self.names, self.ranks.tolist(), strict=True)
        ]
        return ~np.array(is_given, bool)

    def members(self, column: int) -> NDArray[np.bool_]:
        start, end = self.holds.indptr[column : column + 2]
        members = np.zeros(self.holds.shape[0], bool)
        members[self.holds.indices[start:end]] = True
        return members

    def take(self, columns: NDArray[np.int64]) -> Self:
        names = tuple(self.names[k] for k in columns.tolist())
        return type(self)(names, self.ranks[columns], self.costs[columns], csc_array(self.holds[:, columns]))

    def beside(self, other: Self) -> Self:
        """Join the conditions of both; of equal names the first is kept."""
        known = set(self.names)
        new = other.take(np.array([k for k, name in enumerate(other.names) if name not in known], np.int64))
        return type(self)(
            names=self.names + new.names,
            ranks=np.concatenate([self.ranks, new.ranks]),
            costs=np.concatenate([self.costs, new.costs]),
            holds=csc_array(hstack([self.holds, new.holds], format="csc")),
        )


@dataclass(frozen=True, slots=True)
class Numeric:
    """A field of numbers, or the lengths of prompts."""

    key: str
    rank: int
    bins: NDArray[np.int64]
    """Bin of each item, [num_items], -1 where there is no number."""
    first: NDArray[np.float64]
    """Lowest number of each bin, ascending."""
    cuts: NDArray[np.float64]
    """All distinct numbers, ascending."""

    def range_of(self, low: int, high: int) -> tuple[str, NDArray[np.bool_]]:
        """Name and members of the range of bins `low` to `high`."""
        first = int(np.searchsorted(self.cuts, self.first[low]))
        is_last = high + 1 == len(self.first)
        last = len(self.cuts) - 1 if is_last else int(np.searchsorted(self.cuts, self.first[high + 1])) - 1
        inside = (self.bins >= low) & (self.bins <= high)
        if self.rank == LENGTH and first == last:
            return str(int(self.cuts[first])), inside
        return described(self.cuts, first, last), inside


def conditions(
    table: SliceTable,
    fields: Sequence[str],
    numeric: Sequence[Numeric],
    min_items: int,
    hidden: Space | None = None,
) -> Conditions:
    """Collect conditions that at least `min_items` items share; the order of items does not matter. For `hidden` see
    `find_failing_slices`."""
    made: list[tuple[tuple[str, str], int, NDArray[np.int64]]] = []
    for name in ("task", *(name for name in fields if name != "task")):
        rank = TASK if name == "task" else FIELD
        made += [((name, value), rank, places) for value, places in _values(table.fields[name])]
    for key, value, inside in all_tags(table.texts, table.answers, table.tag_keys):
        made.append(((key, value), TAG, np.flatnonzero(inside)))
    for key, value, inside in find_topics(table.texts, min_items):
        made.append(((key, value), TOPIC, np.flatnonzero(inside)))
    for key, value, inside in find_clusters(table.texts, min_items, () if hidden is None else (hidden,)):
        made.append(((key, value), CLUSTER, np.flatnonzero(inside)))
    for one in numeric:
        made += [((one.key, name), one.rank, np.flatnonzero(inside)) for name, inside in _quartered(one)]
    made = [
        (name, rank, places)
        for name, rank, places in made
        if min_items <= len(places) and (rank == TASK or len(places) < len(table))
    ]
    places = [places for _, _, places in made]
    starts = np.concatenate([[0], np.cumsum([len(p) for p in places])]).astype(np.int64)
    flat = np.concatenate(places) if places else np.empty(0, np.int64)
    ranks = np.array([rank for _, rank, _ in made], np.int64)
    named = Conditions(
        names=tuple(name for name, _, _ in made),
        ranks=ranks,
        costs=np.log(np.maximum(np.bincount(ranks, minlength=NUM_RANKS), 1))[ranks],
        holds=csc_array((np.ones(len(flat)), flat, starts), shape=(len(table), len(made))),
    )
    grams = word_grams(table.texts, min_items)
    order = np.array(sorted(range(len(grams.grams)), key=grams.grams.__getitem__), np.int64)
    words = Conditions(
        names=tuple((PROMPT_CONTAINS, grams.grams[k]) for k in order.tolist()),
        ranks=np.full(len(order), WORD),
        costs=np.full(len(order), np.log(max(len(order), 1))),
        holds=csc_array(grams.holds[:, order]),
    )
    return _without_the_rule(named.beside(words), table.task_numbers)


def _without_the_rule(found: Conditions, task: NDArray[np.int64]) -> Conditions:
    """Leave out loose conditions that hold for most items of their tasks, and runs with a word of a task's template."""
    num_items = len(task)
    of_task = csc_array((np.ones(num_items), (np.arange(num_items), task)))
    sizes: NDArray[np.float64] = of_task.sum(axis=0)
    within = (found.holds.T @ of_task).toarray()
    is_most = within.sum(axis=1) > MOST * ((within > 0) @ sizes)
    place = {value: k for k, (key, value) in enumerate(found.names) if key == PROMPT_CONTAINS}
    fills = within == sizes
    for value, k in place.items():
        words = [place[word] for word in value.split() if word in place]
        in_template = np.any([fills[word] for word in words], axis=0)
        is_most[k] |= (within[k] * in_template).sum() > MOST * within[k].sum()
    return found.take(np.flatnonzero(~(found.is_loose & is_most)))


def numerics(table: SliceTable, fields: Sequence[str]) -> list[Numeric]:
    """Find fields of numbers with many values, and the lengths of prompts."""
    found = []
    for name in (name for name in fields if name != "task"):
        column = table.fields[name]
        values = numbers(column)
        is_given = np.array([value is not None for value in column], bool)
        if np.isfinite(values[is_given]).all() and len(np.unique(values[is_given])) >= _MIN_NUMBERS:
            found.append(_numeric(name, FIELD, values))
    lengths = table.num_words.astype(np.float64)
    return [*found, _numeric(PROMPT_WORDS, LENGTH, lengths)] if len(np.unique(lengths)) > 1 else found


def best_ranges(numeric: Numeric, half: Among, least: int) -> Conditions:
    """Find the ranges that fail most clearly on one half against the rates of their tasks, among those with `least`
    items there but not most of all: those around the best, and the best apart from it."""
    num_bins = len(numeric.first)
    known = half.items & (numeric.bins >= 0)
    items = _sums(numeric.bins[known], num_bins)
    fails = _sums(numeric.bins[known & half.failed], num_bins)
    chance = _sums(numeric.bins[known], num_bins, half.rates[known])
    low, high = np.triu_indices(num_bins)
    num_items, num_failed = items[high + 1] - items[low], fails[high + 1] - fails[low]
    expected = chance[high + 1] - chance[low]
    all_failed, all_items = int((half.failed & half.items).sum()), int(half.items.sum())
    worth = contrast(num_failed, num_items, expected, all_failed, all_items)
    worth = np.where((num_items >= max(least, 1)) & (num_items <= MOST * all_items), worth, 0.0)
    order = np.lexsort((high, low, -worth))
    order = order[worth[order] > 0]
    chosen = order[:_NEAR_BEST]
    if len(order):
        apart = order[(low[order] > high[order[0]]) | (high[order] < low[order[0]])]
        chosen = np.concatenate([chosen, apart[:_OTHERS]])
    is_part = [k for k in dict.fromkeys(chosen.tolist()) if high[k] - low[k] + 1 < num_bins]
    ranges = [numeric.range_of(int(low[k]), int(high[k])) for k in is_part]
    return Conditions(
        names=tuple((numeric.key, name) for name, _ in ranges),
        ranks=np.full(len(ranges), numeric.rank),
        costs=np.full(len(ranges), np.log(len(low))),
        holds=csc_array(np.stack([inside for _, inside in ranges], axis=1, dtype=np.float64))
        if ranges
        else csc_array((len(numeric.bins), 0)),
    )


def _values(column: NDArray[np.object_]) -> list[tuple[str, NDArray[np.int64]]]:
    """Places of each value, in the order of values."""
    codes: dict[str, int] = {}
    code_of = np.array([-1 if value is None else codes.setdefault(value, len(codes)) for value in column], np.int64)
    order = np.argsort(code_of, kind="stable")
    ends = np.searchsorted(code_of[order], np.arange(len(codes) + 1))
    return [(value, order[ends[code] : ends[code + 1]]) for value, code in sorted(codes.items())]


def _quartered(numeric: Numeric) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield ranges between quartiles, and single lengths where they are few."""
    known = np.sort(numeric.bins[numeric.bins >= 0])
    cuts = sorted({int(known[int(q * (len(known) - 1))]) for q in (0.25, 0.5, 0.75)})
    edges = [-1, *cuts, len(numeric.first) - 1]
    for start, low in enumerate(edges):
        for high in edges[start + 1 :]:
            if low < high and high - low < len(numeric.first):
                yield numeric.range_of(low + 1, high)
    if numeric.rank == LENGTH and len(numeric.cuts) <= _FEW_NUMBERS:
        yield from (numeric.range_of(number, number) for number in range(len(numeric.cuts)))


def _numeric(key: str, rank: int, values: NDArray[np.float64]) -> Numeric:
    known = np.sort(values[np.isfinite(values)])
    cuts = np.unique(known)
    evenly = np.arange(_MAX_BINS) * len(known) // _MAX_BINS
    first = cuts if len(cuts) <= _MAX_BINS else np.unique(known[evenly])
    bins = np.searchsorted(first, values, side="right") - 1
    return Numeric(key, rank, np.where(np.isfinite(values), bins, -1), first, cuts)


def _sums(bins: NDArray[np.int64], num_bins: int, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Total weight of the items before each bin, and of all; without weights, their number."""
    return np.concatenate([[0.0], np.cumsum(np.bincount(bins, weights, minlength=num_bins))])
