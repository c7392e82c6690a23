"""Slices of training rows that a control can name without a diagnosis, and the rows that a diagnosis blames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.finding import Diagnosis
from diagnose.rows.ngrams import word_grams
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, SOURCE, Slice, row_table

MOST_ROWS_OF_A_WORD = 0.5
"""Largest share of the rows that a word's slice may have; what most rows contain names no skill."""


@dataclass(frozen=True, slots=True)
class RowSlice:
    slice: Slice
    rows: NDArray[np.int64]
    """Row numbers, ascending."""


def known_slices(pool: TrainPool, fields: Sequence[str]) -> list[RowSlice]:
    """Slices by the values of the fields that the rows have; without any, by `source`, if there are several."""
    columns = row_table(pool, fields).fields
    found = [part for name in columns if name != SOURCE for part in _values(name, columns[name])]
    if found:
        return found
    sources = _values(SOURCE, columns[SOURCE])
    return sources if len(sources) > 1 else []


def word_slices(pool: TrainPool, rows: NDArray[np.int64], least: int) -> list[RowSlice]:
    """Slices of rows that share a word or a pair of words, for data without fields: from `least` to half of `rows`."""
    texts = row_table(pool.select(rows), ()).texts
    grams = word_grams(texts, least)
    sizes = np.diff(grams.holds.indptr)
    return [
        RowSlice(
            Slice(((PROMPT_CONTAINS, grams.grams[k]),)),
            rows[np.sort(grams.holds.indices[grams.holds.indptr[k] : grams.holds.indptr[k + 1]])],
        )
        for k in np.flatnonzero(sizes <= MOST_ROWS_OF_A_WORD * len(texts)).tolist()
    ]


def strata(pool: TrainPool, rows: NDArray[np.int64], fields: Sequence[str]) -> NDArray[np.int64]:
    """Stratum of each of `rows`, [num_rows]: its values in all fields that the rows have, else its source."""
    columns = row_table(pool.select(rows), fields).fields
    named = [name for name in columns if name != SOURCE] or [SOURCE]
    keys = ["\x00".join(map(repr, values)) for values in zip(*(columns[name].tolist() for name in named), strict=True)]
    return np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)


def blamed_rows(diagnosis: Diagnosis, pool: TrainPool) -> NDArray[np.bool_]:
    """Whether each row is in a failing slice or in the data slice of one, [num_rows]."""
    slices = [finding.slice for finding in diagnosis.findings]
    slices += [finding.data_slice for finding in diagnosis.findings if finding.data_slices]
    table = row_table(pool, {key for where in slices for key, _ in where.conditions})
    blamed = np.zeros(len(pool), bool)
    for where in slices:
        if where.conditions:  # an empty one would hold everywhere
            blamed |= table.members(where)
    return blamed


def _values(name: str, column: NDArray[np.object_]) -> list[RowSlice]:
    has_value = np.array([value is not None for value in column], bool)
    rows = np.flatnonzero(has_value).astype(np.int64)
    values, place = np.unique(column[has_value].astype(str), return_inverse=True)
    order = np.argsort(place, kind="stable")
    parts = np.split(rows[order], np.cumsum(np.bincount(place, minlength=len(values)))[:-1]) if len(values) else []
    return [RowSlice(Slice(((name, str(value)),)), part) for value, part in zip(values, parts, strict=True)]
