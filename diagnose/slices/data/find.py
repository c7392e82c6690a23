"""Find the predicate over training rows that names the skill of failing items.

Evaluation and training data are joined by predicates that read the same on both: metadata fields, `source`,
runs of words, and whatever else names the failing slice. The chosen one is broad: it covers the failing slice,
seldom holds for other items, its rows help more than the rest do by attribution, and among near ties it has the
most rows. Breadth is a measured choice: on SCAN with a starved `jump` the 400 top-scored rows lose to 400 at
random (.861 against .901), and 400 drawn broadly among all rows of the right name beat both (.967).

Where items and rows share no predicate (coverage is then unknown), fields and runs of words are taken from
the rows with the highest scores: found on one half of the rows, confirmed on the other. If nothing is
confirmed, rows are joined by nearness (`diagnose.evidence.nearest`), and where none is near the cause stays unknown.

Cost: two passes over the rows for all failing slices together, a third where items and rows share no predicate;
about a second each for 100,000 short rows. Nothing grows with the number of rows.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.ngrams import word_grams
from diagnose.rows.selection import evenly_spaced
from diagnose.slices.data.data_slice import DataSlice, Nearness
from diagnose.slices.data.effects import SliceEffect, SliceQuery, slice_effects, welch
from diagnose.slices.data.parts import ScoredPart, ScoredParts
from diagnose.slices.predicate import PROMPT_CONTAINS, SOURCE, TEXT_KEYS, Slice, SliceTable
from diagnose.slices.ranges import bounds
from diagnose.slices.tags import GOLD_ANSWER, all_tags
from evals.statistics.intervals import Interval, Z

MIN_COVERAGE = 0.8
"""Smallest share of the failing slice's items for which a predicate holds."""
MAX_OUTSIDE = 0.3
"""Largest share of the other items for which a predicate may hold."""
MIN_Z = 2.0
"""Smallest z of the contrast that confirms a predicate of known coverage."""
MIN_Z_FOUND = 4.0
"""Smallest z for a predicate searched for among the rows, where thousands were tried."""
NEAR_TIE = 0.8
MIN_ROWS = 5
"""Fewest scored rows that confirm or contradict a predicate."""
_TOP_SHARE = 0.05
_MOST_TOP = 1000
_MAX_LISTED = 8
_MAX_VALUES = 200
_MOST_DISTINCT = 20_000
"""Most values of a field that names slices; one with more names rows."""
_MAX_RUNS = 40
_RANKING_ROWS = 2000
"""Scored rows by which runs of words are ranked where there are too many runs."""


@dataclass(frozen=True, slots=True)
class FailingItems:
    """A failing slice among all probe items."""

    slice: Slice
    is_in: NDArray[np.bool_]
    """Whether each item is in the slice, [num_items]."""


@dataclass(frozen=True, slots=True)
class DataJoin:
    """Data slices of a failing slice, best first; none if attribution confirms no predicate."""

    slices: tuple[DataSlice, ...]
    coverage: float | None
    """Share of the failing slice's items in the first data slice; None without one, or where items lack the field."""
    unconfirmed: Slice | None
    """Best predicate by items alone, when attribution does not confirm it."""
    num_siblings: int | None = None
    """Number of values, each of some rows, of the field that names the first slice; None where no field does."""
    sources: tuple[DataSlice, ...] = ()
    """Rows of each source, where there are several, the most harmful first."""
    is_by_words: bool = False
    """Whether only a run of words that most failing items share supports the first slice, or the unconfirmed one: few
    rows have it, or most, or its attribution is below the bound for predicates that were searched for."""


@dataclass(frozen=True, slots=True)
class _Judged:
    rows: SliceEffect
    coverage: float | None
    outside: float

    @property
    def slice(self) -> Slice:
        return self.rows.slice

    @property
    def is_confirmed(self) -> bool:
        if self.coverage is None:
            return self.rows.z >= MIN_Z_FOUND
        return self.rows.num_scored < MIN_ROWS or self.rows.z >= MIN_Z


@dataclass
class _Collected:
    """What candidates are made from, collected in one pass over the rows."""

    values: dict[str, Counter[str]] = field(default_factory=dict)
    """Number of rows with each value, by field; empty where there are too many values to be slices."""
    texts: list[str] = field(default_factory=list)
    """Texts of scored rows, evenly spaced."""
    row_effects: list[NDArray[np.float32]] = field(default_factory=list)
    """Effects of each of these rows, [num_queries]."""
    top: list[list[tuple[float, int, str]]] = field(default_factory=list)
    """Rows of highest cosine for each query, among every second scored row: cosine, minus the row's place, text."""


def find_data_slices(failing: Sequence[FailingItems], items: SliceTable, rows: ScoredParts) -> list[DataJoin]:
    """Find data slices behind each failing slice.

    Args:
        failing: Failing slices in the order of the queries of `rows`; their conditions except `task` are candidates.
        items: All probe items, with the fields of `rows` that documents have.
        rows: Corpus and pool, with the fields by which data is reported, and `source`.
    """
    collected = _collect(rows, len(failing))
    slice_queries = [
        SliceQuery(where, query)
        for query, found in enumerate(failing)
        for where in _named_candidates(found, query, items, collected)
    ]
    judged: list[list[_Judged]] = [[] for _ in failing]
    for one, effect in zip(slice_queries, slice_effects(rows, slice_queries), strict=True):
        if not _is_a_side(effect, rows):
            judged[one.query].append(_judge(effect, failing[one.query], items))
    unmatched = [query for query in range(len(failing)) if not any(map(_is_match, judged[query]))]
    for query, found in _from_rows(rows, collected, unmatched).items():
        judged[query] = [*judged[query], *found]
    num_rows = rows.num_corpus + rows.num_pool
    joins = [_join(judged[query], query in unmatched, collected, num_rows) for query in range(len(failing))]
    return [replace(join, sources=_sources(judged[query])) for query, join in enumerate(joins)]


def _sources(judged: Sequence[_Judged]) -> tuple[DataSlice, ...]:
    found = [j.rows for j in judged if [key for key, _ in j.slice.conditions] == [SOURCE] and j.rows.num_scored]
    scale = max((abs(rows.mean) for rows in found), default=0.0) or 1.0
    return tuple(data_slice(rows, scale) for rows in sorted(found, key=lambda rows: rows.mean)[:_MAX_LISTED])


def _join(judged: Sequence[_Judged], is_unmatched: bool, collected: _Collected, num_rows: int) -> DataJoin:
    matching = [j for j in judged if _separates(j)]
    found = [j for j in judged if (j.coverage is None and j.is_confirmed if is_unmatched else _is_match(j))]
    if not found:
        best = max(matching, key=_balance, default=None)
        if best is None:
            return DataJoin((), None, None)
        return DataJoin((), None, best.slice, is_by_words=_is_by_words(best, num_rows))
    first = _broadest(found)
    rest = sorted((j for j in found if j is not first), key=lambda j: -_balance(j) * j.rows.contrast)
    listed = [first, *_distinct(rest, first)][:_MAX_LISTED]
    scale = max((abs(j.rows.mean) for j in listed), default=0.0) or 1.0
    (name, value), *further = first.slice.conditions
    siblings = None if further or bounds(value) else collected.values.get(name)
    return DataJoin(
        slices=tuple(data_slice(j.rows, scale) for j in listed),
        coverage=first.coverage,
        unconfirmed=None,
        num_siblings=None if siblings is None else sum(size >= MIN_ROWS for size in siblings.values()),
        is_by_words=_is_by_words(first, num_rows),
    )


def _is_by_words(judged: _Judged, num_rows: int) -> bool:
    effect = judged.rows
    is_sure = effect.num_scored >= MIN_ROWS and effect.z >= MIN_Z_FOUND and effect.num_rows <= num_rows / 2
    return [key for key, _ in judged.slice.conditions] == [PROMPT_CONTAINS] and not is_sure


def _collect(rows: ScoredParts, num_queries: int) -> _Collected:
    collected = _Collected(top=[[] for _ in range(num_queries)])
    most_top = min(_MOST_TOP, max(MIN_ROWS * 2, int(_TOP_SHARE * (rows.num_scored // 2))))
    ranking = set(evenly_spaced(rows.num_scored, _RANKING_ROWS).tolist())
    too_many: set[str] = set()
    for part in rows:
        for name, values in part.table.fields.items():
            counter = collected.values.setdefault(name, Counter())
            if name not in too_many:
                counter.update(value for value in values.tolist() if value is not None)
                if len(counter) > _MOST_DISTINCT:
                    too_many.add(name)
                    counter.clear()
        for place, order, effect in zip(part.scored.tolist(), part.order.tolist(), part.effect, strict=True):
            if order in ranking:
                collected.texts.append(part.table.texts[place])
                collected.row_effects.append(effect)
        for query in range(num_queries):
            best = [*collected.top[query], *_finding_rows(part, query, most_top)]
            collected.top[query] = heapq.nlargest(most_top, best)
    return collected


def _finding_rows(part: ScoredPart, query: int, most: int) -> list[tuple[float, int, str]]:
    """Best rows of a part that may find slices: every second one, since neighbours in a file share their origin."""
    finds = np.flatnonzero(part.order % 2 == 0)
    best = finds[np.argsort(-part.retrieval[finds, query], kind="stable")[:most]]
    return [
        (float(part.retrieval[k, query]), -int(part.order[k]), part.table.texts[int(part.scored[k])])
        for k in best.tolist()
    ]


def _named_candidates(found: FailingItems, query: int, items: SliceTable, collected: _Collected) -> list[Slice]:
    """Candidates: field values of items and rows, runs of words of the failing items, the answer that they share where
    answers are labels, and the failing slice itself."""
    own = tuple(
        (key, value)
        for key, value in found.slice.conditions
        if key in TEXT_KEYS or (key in collected.values and key != "task")
    )
    names = [Slice(own)] if own else []
    names += _covering_answers(found.is_in, items)
    for name, of_rows in collected.values.items():
        on_items = items.fields[name][found.is_in] if name in items.fields else np.empty(0, object)
        is_shared = any(value is not None for value in on_items)
        least = MIN_COVERAGE * int(found.is_in.sum()) if is_shared else MIN_ROWS
        counts = Counter(v for v in on_items.tolist() if v is not None) if is_shared else of_rows
        names += [Slice(((name, value),)) for value, count in counts.most_common(_MAX_VALUES) if count >= least]
    return list(dict.fromkeys([*names, *_covering_runs(found.is_in, query, items, collected)]))


def _covering_answers(in_slice: NDArray[np.bool_], items: SliceTable) -> list[Slice]:
    """Label that most failing items have as their answer, and not all items: in a classification a class is a slice of
    rows."""
    if GOLD_ANSWER not in items.tag_keys:
        return []
    tags = all_tags(items.texts, items.answers, [GOLD_ANSWER])
    return [
        Slice(((key, value),))
        for key, value, holds in tags
        if holds[in_slice].mean() >= MIN_COVERAGE and not holds.all()
    ]


def _covering_runs(in_slice: NDArray[np.bool_], query: int, items: SliceTable, collected: _Collected) -> list[Slice]:
    """Runs of words that stand in most failing items and in few others; if too many, the best by attribution."""
    least = max(1, math.ceil(MIN_COVERAGE * int(in_slice.sum())))
    grams = word_grams(items.texts, least)
    coverage = grams.holds.T @ in_slice.astype(float) / max(int(in_slice.sum()), 1)
    outside = grams.holds.T @ (~in_slice).astype(float) / max(int((~in_slice).sum()), 1)
    names = [grams.grams[i] for i in np.flatnonzero((coverage >= MIN_COVERAGE) & (outside <= MAX_OUTSIDE))]
    if len(names) > _MAX_RUNS:
        # A long template without other tasks beside it: judge its words on a part of the rows first.
        effect = np.array([of_row[query] for of_row in collected.row_effects], np.float64)
        moments = np.stack([np.ones_like(effect), effect, effect**2])

        def z(gram: str) -> float:
            inside = np.array([f" {gram} " in text for text in collected.texts], bool)
            return welch(moments[:, inside].sum(axis=1), moments.sum(axis=1))[3]

        names.sort(key=lambda gram: -z(gram))
    return [Slice(((PROMPT_CONTAINS, gram),)) for gram in names[:_MAX_RUNS]]


def _judge(effect: SliceEffect, found: FailingItems, items: SliceTable) -> _Judged:
    conditions = effect.slice.conditions
    is_shared = all(key in items.fields or key in TEXT_KEYS for key, _ in conditions)
    on_items = items.members(effect.slice)
    return _Judged(
        rows=effect,
        coverage=float(on_items[found.is_in].mean()) if is_shared else None,
        outside=float(on_items[~found.is_in].mean()) if is_shared and not found.is_in.all() else 0.0,
    )


def _is_a_side(effect: SliceEffect, rows: ScoredParts) -> bool:
    """Whether a slice is the one source of the whole pool or of the whole corpus: rows drawn from there are the random
    control, and the name of the only file says nothing about a skill."""
    if [key for key, _ in effect.slice.conditions] != [SOURCE]:
        return False
    return effect.num_corpus == rows.num_corpus or effect.num_pool == rows.num_pool > 0


def _separates(judged: _Judged) -> bool:
    return judged.coverage is not None and judged.coverage >= MIN_COVERAGE and judged.outside <= MAX_OUTSIDE


def _is_match(judged: _Judged) -> bool:
    return _separates(judged) and judged.is_confirmed


def _balance(judged: _Judged) -> float:
    """How much more often the predicate holds for failing items than for others; 1 where items lack the field."""
    return 1.0 if judged.coverage is None else judged.coverage - judged.outside


def _broadest(found: Sequence[_Judged]) -> _Judged:
    """Choose among the near ties for the best the one with the most rows; then a field, then the shorter one."""
    largest = max(j.rows.contrast for j in found)
    worth = [
        # Without enough scored rows the items decide alone.
        _balance(j) * (j.rows.contrast / largest if largest > 0 and j.rows.num_scored >= MIN_ROWS else 1.0)
        for j in found
    ]
    ties = [j for j, value in zip(found, worth, strict=True) if value >= NEAR_TIE * max(worth)]

    def preference(j: _Judged) -> tuple[int, bool, int]:
        return -j.rows.num_rows, j.slice.conditions[0][0] == PROMPT_CONTAINS, len(str(j.slice))

    return min(ties, key=preference)


def _distinct(rest: Iterable[_Judged], first: _Judged) -> list[_Judged]:
    """Leave out predicates that hold for the same rows as one listed before."""
    seen = {first.rows.members}
    kept = []
    for judged in rest:
        if judged.rows.members not in seen:
            seen.add(judged.rows.members)
            kept.append(judged)
    return kept


def _from_rows(rows: ScoredParts, collected: _Collected, queries: Sequence[int]) -> dict[int, list[_Judged]]:
    """Find runs of words in the rows of highest cosine, by query, and judge them on rows that did not find them."""
    slice_queries = []
    for query in queries:
        texts = [text for _, _, text in collected.top[query]]
        grams = word_grams(texts, max(MIN_ROWS, len(texts) // 2)).grams
        slice_queries += [SliceQuery(Slice(((PROMPT_CONTAINS, gram),)), query, is_confirming=True) for gram in grams]
    found: dict[int, list[_Judged]] = {query: [] for query in queries}
    for one, effect in zip(slice_queries, slice_effects(rows, slice_queries), strict=True):
        is_most = effect.num_rows > 0.5 * (rows.num_corpus + rows.num_pool)  # what most rows contain names no skill
        if effect.num_scored >= MIN_ROWS and not is_most:
            found[one.query].append(_Judged(effect, None, 0.0))
    return found


def data_slice(effect: SliceEffect, scale: float, nearness: Nearness | None = None) -> DataSlice:
    """Make the data slice of an effect, with effects as fractions of `scale`."""
    half = Z * effect.stderr
    return DataSlice(
        slice=effect.slice,
        effect=effect.mean / scale,
        ci=Interval(low=(effect.mean - half) / scale, high=(effect.mean + half) / scale),
        num_examples=effect.num_corpus,
        num_pool=effect.num_pool,
        losses=effect.losses,
        nearness=nearness,
    )
