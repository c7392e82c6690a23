"""From failing items to training rows: which predicate over rows names the skill that fails?

Evaluation and training data are joined by predicates that read the same on both: metadata fields, `source`,
runs of words. The chosen one is broad: it covers the failing slice, seldom holds for other items, its rows
help more than the rest do by attribution, and among near ties it has the most rows. Breadth is measured, not
taste: on SCAN with a starved `jump` the 400 top-scored rows lose to 400 at random (.861 against .901), and
400 drawn broadly among all rows of the right name beat both (.967).

Where items and rows share no predicate (coverage is then unknown), fields and runs of words are taken from
the rows with the highest scores: found on one half of the rows, confirmed on the other. If nothing is
confirmed there is no data slice, and the cause stays unknown.

Cost: one sparse product over items and one over rows; about a second for 100,000 short rows.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.finding import DataSlice, Interval
from diagnose.ngrams import word_grams
from diagnose.slices import PROMPT_CONTAINS, PROMPT_WORDS, SOURCE, Slice, SliceTable

MIN_COVERAGE = 0.8
"""Of the failing slice's items."""
MAX_OUTSIDE = 0.3
"""Share of the other items for which a predicate may hold."""
MIN_Z = 2.0
"""Contrast of attribution that confirms a predicate of known coverage."""
MIN_Z_FOUND = 4.0
"""And one that was searched for among the rows: thousands were looked at."""
NEAR_TIE = 0.8
MIN_ROWS = 5
"""Fewer scored rows cannot contradict a predicate, nor confirm one."""
_TOP_SHARE = 0.05
_MAX_LISTED = 8
_MAX_VALUES = 200
_MAX_RUNS = 40


@dataclass(frozen=True, slots=True)
class RowScores:
    """Attribution of one failing slice to training rows."""

    effect: NDArray[np.float32]
    """[num_scored]; positive means that more of the row helps."""
    retrieval: NDArray[np.float32]
    """[num_scored], cosine."""
    rows: NDArray[np.int64]
    """[num_scored]: which rows, corpus first and then pool."""


@dataclass(frozen=True, slots=True)
class DataJoin:
    """Data slices of a failing slice, best first; none if attribution confirms no predicate."""

    slices: tuple[DataSlice, ...]
    coverage: float | None
    """Share of the failing slice's items in the first; None without one, or where items lack the field."""
    unconfirmed: Slice | None
    """The best by items alone, when attribution does not confirm it."""


@dataclass(frozen=True, slots=True)
class _Judged:
    slice: Slice
    members: NDArray[np.bool_]
    """[num_rows]"""
    coverage: float | None
    outside: float
    mean: float
    stderr: float
    contrast: float
    """Mean effect of its rows less that of the rest."""
    z: float
    num_scored: int

    @property
    def is_confirmed(self) -> bool:
        if self.coverage is None:
            return self.z >= MIN_Z_FOUND
        return self.num_scored < MIN_ROWS or self.z >= MIN_Z


def find_data_slices(
    failing: Slice,
    in_slice: NDArray[np.bool_],
    items: SliceTable,
    rows: SliceTable,
    scores: RowScores,
    *,
    num_corpus: int,
) -> DataJoin:
    """Data slices behind a failing slice.

    Args:
        failing: The failing slice; its own conditions are candidates, `task` aside.
        in_slice: [num_items], its items among all probe items.
        items: All probe items, with the fields of `rows` that documents have.
        rows: Corpus and then pool, with the fields by which data is reported, and `source`.
        scores: Attribution of the failing items.
        num_corpus: Rows of the corpus.
    """
    judged = [
        _judge(where, in_slice, items, rows, scores)
        for where in _named_candidates(failing, in_slice, items, rows, scores)
        if not _is_a_side(where, rows, num_corpus)
    ]
    matching = [j for j in judged if j.coverage is not None and _separates(j)]
    found = [j for j in matching if j.is_confirmed]
    if not found:
        unshared = [j for j in judged if j.coverage is None]
        found = [j for j in [*unshared, *_from_rows(rows, scores)] if j.is_confirmed]
    if not found:
        best = max(matching, key=_balance, default=None)
        return DataJoin((), None, None if best is None else best.slice)
    first = _broadest(found)
    rest = sorted((j for j in found if j is not first), key=lambda j: -_balance(j) * j.contrast)
    listed = [first, *_distinct(rest, first)][:_MAX_LISTED]
    scale = max((abs(j.mean) for j in listed), default=0.0) or 1.0
    return DataJoin(
        slices=tuple(_data_slice(j, num_corpus, scale) for j in listed),
        coverage=first.coverage,
        unconfirmed=None,
    )


def _named_candidates(
    failing: Slice, in_slice: NDArray[np.bool_], items: SliceTable, rows: SliceTable, scores: RowScores
) -> list[Slice]:
    """Field values of items and rows, runs of words of the failing items, the failing slice itself."""
    own = tuple(
        (key, value)
        for key, value in failing.conditions
        if key in (PROMPT_CONTAINS, PROMPT_WORDS) or (key in rows.fields and key != "task")
    )
    names = [Slice(own)] if own else []
    for field, values in rows.fields.items():
        on_items = items.fields[field][in_slice] if field in items.fields else np.empty(0, object)
        is_shared = any(value is not None for value in on_items)
        least = MIN_COVERAGE * int(in_slice.sum()) if is_shared else MIN_ROWS
        counts = Counter((on_items if is_shared else values).tolist()).most_common(_MAX_VALUES)
        names += [Slice(((field, value),)) for value, count in counts if value is not None and count >= least]
    return list(dict.fromkeys([*names, *_covering_runs(in_slice, items, rows, scores)]))


def _covering_runs(in_slice: NDArray[np.bool_], items: SliceTable, rows: SliceTable, scores: RowScores) -> list[Slice]:
    """Runs of words that stand in most failing items and in few others; the most promising by attribution."""
    least = max(1, math.ceil(MIN_COVERAGE * int(in_slice.sum())))
    grams = word_grams(items.texts, least)
    coverage = grams.holds.T @ in_slice.astype(float) / max(int(in_slice.sum()), 1)
    outside = grams.holds.T @ (~in_slice).astype(float) / max(int((~in_slice).sum()), 1)
    names = [grams.grams[i] for i in np.flatnonzero((coverage >= MIN_COVERAGE) & (outside <= MAX_OUTSIDE))]
    if len(names) > _MAX_RUNS:
        # A long template without other tasks beside it: judge its words on a part of the rows first.
        part = np.linspace(0, len(scores.rows) - 1, min(len(scores.rows), 2000)).astype(np.int64)
        texts = [rows.texts[index] for index in scores.rows[part]]
        effect = scores.effect[part]
        names.sort(key=lambda g: -_attribution(np.array([f" {g} " in t for t in texts], bool), effect)[3])
    return [Slice(((PROMPT_CONTAINS, gram),)) for gram in names[:_MAX_RUNS]]


def _judge(
    where: Slice, in_slice: NDArray[np.bool_], items: SliceTable, rows: SliceTable, scores: RowScores
) -> _Judged:
    is_shared = all(key in items.fields or key in (PROMPT_CONTAINS, PROMPT_WORDS) for key, _ in where.conditions)
    on_items = items.members(where)
    members = rows.members(where)
    mean, stderr, contrast, z = _attribution(members[scores.rows], scores.effect)
    return _Judged(
        slice=where,
        members=members,
        coverage=float(on_items[in_slice].mean()) if is_shared else None,
        outside=float(on_items[~in_slice].mean()) if is_shared and not in_slice.all() else 0.0,
        mean=mean,
        stderr=stderr,
        contrast=contrast,
        z=z,
        num_scored=int(members[scores.rows].sum()),
    )


def _attribution(members: NDArray[np.bool_], effect: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Mean effect inside, its standard error, the contrast to the outside, and Welch's z of that."""
    inside, outside = effect[members].astype(float), effect[~members].astype(float)
    if len(inside) < 2 or len(outside) < 2:
        return (float(inside.mean()) if len(inside) else 0.0), 0.0, 0.0, 0.0
    stderr = float(inside.std(ddof=1) / math.sqrt(len(inside)))
    spread = math.hypot(stderr, float(outside.std(ddof=1)) / math.sqrt(len(outside)))
    contrast = float(inside.mean() - outside.mean())
    return float(inside.mean()), stderr, contrast, contrast / spread if spread > 0 else 0.0


def _is_a_side(where: Slice, rows: SliceTable, num_corpus: int) -> bool:
    """Whether it names the one source of the whole pool or of the whole corpus: rows drawn from there are the
    random control, and the name of the only file says nothing about a skill."""
    if [key for key, _ in where.conditions] != [SOURCE]:
        return False
    members = rows.members(where)
    return any(bool(side.all()) for side in (members[:num_corpus], members[num_corpus:]) if len(side))


def _separates(judged: _Judged) -> bool:
    return judged.coverage is not None and judged.coverage >= MIN_COVERAGE and judged.outside <= MAX_OUTSIDE


def _balance(judged: _Judged) -> float:
    """How much more often it holds for failing items than for others; 1 where items cannot tell."""
    return 1.0 if judged.coverage is None else judged.coverage - judged.outside


def _broadest(found: Sequence[_Judged]) -> _Judged:
    """Of the near ties for the best, the one with the most rows; then a field, then the shorter one."""
    largest = max(j.contrast for j in found)
    worth = [
        # Without enough scored rows the items decide alone.
        _balance(j) * (j.contrast / largest if largest > 0 and j.num_scored >= MIN_ROWS else 1.0)
        for j in found
    ]
    ties = [j for j, value in zip(found, worth, strict=True) if value >= NEAR_TIE * max(worth)]

    def preference(j: _Judged) -> tuple[int, bool, int]:
        return -int(j.members.sum()), j.slice.conditions[0][0] == PROMPT_CONTAINS, len(str(j.slice))

    return min(ties, key=preference)


def _distinct(rest: Iterable[_Judged], first: _Judged) -> list[_Judged]:
    """Without predicates that hold for the same rows as one listed before."""
    seen = {first.members.tobytes()}
    kept = []
    for judged in rest:
        if judged.members.tobytes() not in seen:
            seen.add(judged.members.tobytes())
            kept.append(judged)
    return kept


def _from_rows(rows: SliceTable, scores: RowScores) -> list[_Judged]:
    """Runs of words of the rows with the highest cosine, confirmed on rows that did not find them."""
    finds = np.zeros(len(scores.rows), bool)
    finds[::2] = True  # scored rows are in file order, so neighbours share their origin
    top_count = max(MIN_ROWS * 2, int(_TOP_SHARE * finds.sum()))
    found_in = np.flatnonzero(finds)
    top = scores.rows[found_in[np.argsort(-scores.retrieval[found_in], kind="stable")[:top_count]]]
    texts = [rows.texts[index] for index in top]
    confirming = RowScores(scores.effect[~finds], scores.retrieval[~finds], scores.rows[~finds])
    judged = []
    for gram in word_grams(texts, max(MIN_ROWS, len(texts) // 2)).grams:
        where = Slice(((PROMPT_CONTAINS, gram),))
        members = rows.members(where)
        mean, stderr, contrast, z = _attribution(members[confirming.rows], confirming.effect)
        num_scored = int(members[confirming.rows].sum())
        if num_scored >= MIN_ROWS and members.mean() <= 0.5:  # what most rows contain names no skill
            judged.append(_Judged(where, members, None, 0.0, mean, stderr, contrast, z, num_scored))
    return judged


def _data_slice(judged: _Judged, num_corpus: int, scale: float) -> DataSlice:
    half = 1.959964 * judged.stderr
    return DataSlice(
        slice=judged.slice,
        effect=judged.mean / scale,
        ci=Interval(low=(judged.mean - half) / scale, high=(judged.mean + half) / scale),
        num_examples=int(judged.members[:num_corpus].sum()),
        num_pool=int(judged.members[num_corpus:].sum()),
    )
