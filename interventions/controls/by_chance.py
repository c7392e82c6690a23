"""Controls that choose at random: nothing new, any rows, equal shares of all slices, the wrong slices, one source."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from diagnose.slices.predicate import SOURCE
from interventions.controls.contest import Change, Chosen, Contest, ControlMix, Side
from interventions.controls.row_slices import RowSlice, blamed_rows, known_slices, strata, word_slices
from interventions.mix.compose import compose
from interventions.plan.step import Declined

_NUM_SLICES = 3
"""Slices whose rows stand in the place of those of the fix's."""


@dataclass(frozen=True)
class Continue:
    """Train on the corpus without evaluation items, as it stands; guards are compared with it."""

    is_by_chance: ClassVar[bool] = False

    def mix(self, contest: Contest) -> ControlMix | Declined:
        alike = "its sources by their weights" if contest.stock.corpus.source_weights else "every row alike"
        return ControlMix(compose((), contest.stock), f"the corpus as it stands, {alike}", 0)


def at_random(contest: Contest, side: Side, number: int, rng: np.random.Generator) -> Chosen:
    """Draw rows at random; against a reweighting, rows of one slice, which are more alike than random rows are."""
    if side.change is Change.RAISE:
        large = [part for part in _harmless_slices(contest, side) if len(part.rows) >= number]
        if large:
            part = large[int(rng.integers(len(large)))]
            rows = side.first(rng.permutation(part.rows), number)
            return Chosen(rows, f"of a slice at random ({part.slice})")
    return Chosen(side.first(rng.permutation(side.rows), number), "drawn at random")


def of_all_slices(contest: Contest, side: Side, number: int, rng: np.random.Generator) -> Chosen | Declined:
    """Take equal numbers of rows of every slice that `corpus.slices` names, else of every source, or all it has."""
    stratum = strata(side.pool, side.rows, contest.row_fields)
    sizes = np.bincount(stratum)
    if len(sizes) < 2:
        return Declined("all rows are of one source and corpus.slices names no field: it would be a random draw")
    shuffled = rng.permutation(len(stratum))
    grouped = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    turn = np.arange(len(grouped)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # place in its stratum
    first_come = rng.permutation(len(sizes))[stratum[grouped]]  # who gets what is left over
    order = grouped[np.lexsort((first_come, turn))]
    return Chosen(side.first(side.rows[order], number), f"equal shares of {len(sizes)} slices")


def of_other_slices(contest: Contest, side: Side, number: int, rng: np.random.Generator) -> Chosen | Declined:
    """Apply the same kind of fix to slices that do not fail, drawn at random, to test whether the slice matters."""
    least = math.ceil(number / _NUM_SLICES)
    found = _harmless_slices(contest, side) or _harmless_words(contest, side, least)
    if not found:
        return Declined("no slice is known that does not fail; name fields of the data in corpus.slices")
    shuffled = [found[k] for k in rng.permutation(len(found)).tolist()]
    shuffled.sort(key=lambda part: -min(len(part.rows), least))  # those large enough first
    picked = sorted(shuffled[:_NUM_SLICES], key=lambda part: len(part.rows))  # others make up for small ones
    taken = np.empty(0, np.int64)
    for left, part in zip(range(len(picked), 0, -1), picked, strict=True):
        free = np.setdiff1d(part.rows, taken)
        most = math.ceil((number - len(taken)) / left)
        taken = np.concatenate([taken, side.first(rng.permutation(free), most)])
    # Rows of two slices may say the same, so all pass the gate once more together.
    rows = side.first(rng.permutation(taken), number)
    return Chosen(rows, "of " + ", ".join(str(part.slice) for part in picked))


def of_source(source: str, contest: Contest, side: Side, number: int, rng: np.random.Generator) -> Chosen | Declined:
    """Draw rows of one source at random; declined where what the fix changes has none of them."""
    del contest
    is_own = np.array(side.pool.rows[SOURCE][:], dtype=object) == source
    own = side.rows[is_own[side.rows]]
    if not len(own):
        return Declined(f"no row that could be {side.change.value} is of the source {source}")
    return Chosen(side.first(rng.permutation(own), number), f"of the source {source}, drawn at random")


def _harmless_slices(contest: Contest, side: Side) -> list[RowSlice]:
    """Known slices of a side without the rows that the diagnosis blames."""
    allowed = _allowed(contest, side)
    parts = [
        RowSlice(part.slice, part.rows[allowed[part.rows]]) for part in known_slices(side.pool, contest.row_fields)
    ]
    return [part for part in parts if len(part.rows)]


def _harmless_words(contest: Contest, side: Side, least: int) -> list[RowSlice]:
    rows = np.flatnonzero(_allowed(contest, side)).astype(np.int64)
    return word_slices(side.pool, rows, least) if len(rows) else []


def _allowed(contest: Contest, side: Side) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    allowed = np.zeros(len(side.pool), bool)
    allowed[side.rows] = True
    return allowed & ~blamed_rows(contest.diagnosis, side.pool)
