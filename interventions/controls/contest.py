"""Make controls that match their fix in numbers of rows and shares of the draws.

A control says which rows it would take (`Choose`); `stand_in` puts them where the fix has its own: as many rows
added, raised or removed, with the same share of the draws, through the same gate. A further kind of change, as a
relabelling, is one more block in `stand_in`.

Rows that the corpus has already may be added again: where the pool contains the corpus, the rest of it is exactly what
is missing, and leaving the known rows out would be a diagnosis by subtraction.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.finding import Diagnosis, Finding
from diagnose.model.losses import RowLosses
from diagnose.rows.pool import TrainPool
from interventions.admission.gate import Gate, Stock, admit
from interventions.mix.compose import Draw, compose
from interventions.mix.mix import Origin, TrainingMix
from interventions.plan.plan import Plan
from interventions.plan.step import Declined, Intervention, Resources


@dataclass(frozen=True, slots=True)
class Contest:
    """A fix, and what its controls may draw on."""

    intervention: Intervention
    diagnosis: Diagnosis
    plan: Plan
    mix: TrainingMix
    """Training mix that carries out the plan."""
    resources: Resources
    """What the fix could draw on."""
    row_fields: tuple[str, ...]
    """Metadata fields by which data is reported."""
    max_rows: int | None
    """Most rows whose loss a control may compute, as many as a diagnosis may."""
    row_losses: Callable[[TrainPool], RowLosses]
    """Computes rows' losses under the champion."""
    without_influence: Callable[[], Diagnosis]
    """Diagnoses the same failing slices with data slices found by words."""
    draw: int = 0
    """Number of the draw, where a control draws anew for each training."""

    @property
    def stock(self) -> Stock:
        return self.resources.stock

    @property
    def acted_on(self) -> tuple[Finding, ...]:
        """Findings that the plan acts on."""
        items = {action.items for action in self.plan.actions}
        return tuple(finding for finding in self.diagnosis.findings if finding.slice in items)


@dataclass(frozen=True, slots=True)
class ControlMix:
    """Training mix of a control."""

    mix: TrainingMix
    what: str
    """Description in words."""
    num_tokens: int
    """Tokens through a forward pass of the model to choose the rows."""


class Control(Protocol):
    """A way to choose data without a diagnosis; its fields are its settings."""

    @property
    def is_by_chance(self) -> bool:
        """Whether all of its rows are drawn at random. One draw may be better than most, and trainings on it would
        share its luck and look like several witnesses; so each training of the control has a draw of its own
        (`Contest.draw`)."""
        ...

    def mix(self, contest: Contest) -> ControlMix | Declined:
        """Mix that the control trains on, or why this data allows no such control."""
        ...


class Change(StrEnum):
    ADD = "added"
    RAISE = "raised"
    REMOVE = "removed"


@dataclass(frozen=True, slots=True)
class Side:
    """Rows that a control chooses among."""

    change: Change
    """Change that the chosen rows undergo."""
    pool: TrainPool
    rows: NDArray[np.int64]
    """Row numbers that may be chosen."""
    gate: Gate | None
    """Gate that chosen rows must pass; None where the rows have passed it."""

    def first(self, order: NDArray[np.int64], number: int) -> NDArray[np.int64]:
        """Take the first `number` row numbers of an order that pass, ascending; fewer if there are no more.

        Gated in growing blocks, so that a large pool is not normalised as a whole.
        """
        if self.gate is None:
            return np.sort(order[:number])
        size = 2 * number
        while True:
            rows = admit(self.pool, order[:size].astype(np.int64), self.gate, frozenset()).rows
            if len(rows) >= number or size >= len(order):
                return np.sort(rows[:number])
            size *= 4


@dataclass(frozen=True, slots=True)
class Chosen:
    rows: NDArray[np.int64]
    how: str
    """How the rows were chosen, in words, as in `200 rows added: drawn at random`."""
    num_tokens: int = 0


Choose = Callable[[Side, int, np.random.Generator], Chosen | Declined]
"""Chooses at most the given number of rows of a side."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A control whose rows stand in the place of the fix's."""

    kind: str
    """Kind of its rows in a mix."""
    choose: Callable[[Contest, Side, int, np.random.Generator], Chosen | Declined]
    """Chooses as `Choose` does."""
    is_by_chance: bool = False

    def mix(self, contest: Contest) -> ControlMix | Declined:
        return stand_in(contest, self.kind, partial(self.choose, contest))


def stand_in(contest: Contest, kind: str, choose: Choose) -> ControlMix | Declined:
    """Put rows of the control's choice in the place of the fix's.

    Added rows come from the pool, or are rows of the corpus once more where there is none.

    Raises:
        ValueError: no row of the pool passes the gate.
    """
    rng = np.random.default_rng([contest.resources.seed, contest.draw])
    actions, stock = contest.plan.actions, contest.stock
    draws: list[Draw] = []
    parts: list[str] = []
    num_tokens = 0
    if num_removed := sum(action.num_removed for action in actions):
        chosen = choose(Side(Change.REMOVE, stock.corpus, stock.kept, None), num_removed, rng)
        if isinstance(chosen, Declined):
            return chosen
        stock = replace(stock, kept=np.setdiff1d(stock.kept, chosen.rows))
        parts.append(_words(chosen, Change.REMOVE))
        num_tokens += chosen.num_tokens
    if num_added := sum(action.num_added for action in actions):
        source = stock.pool if stock.pool is not None else stock.corpus
        rows = np.arange(len(source)) if stock.pool is not None else stock.kept
        chosen = choose(Side(Change.ADD, source, rows, stock.gate), num_added, rng)
        if isinstance(chosen, Declined):
            return chosen
        if not len(chosen.rows):
            return Declined("no row passes the gate that could stand in the place of those of the fix")
        share = sum(action.share for action in actions if action.num_added)
        draws.append(Draw(Origin(kind, f"{chosen.how}, as many as the fix adds"), source, chosen.rows, share))
        parts.append(_words(chosen, Change.ADD))
        num_tokens += chosen.num_tokens
    if num_raised := sum(action.num_reweighted for action in actions):
        chosen = choose(Side(Change.RAISE, stock.corpus, stock.kept, None), min(num_raised, len(stock.kept)), rng)
        if isinstance(chosen, Declined):
            return chosen
        share = sum(action.share for action in actions if action.num_reweighted)
        draws.append(Draw(Origin(kind, f"{chosen.how}, as many as the fix raises"), None, chosen.rows, share))
        parts.append(_words(chosen, Change.RAISE))
        num_tokens += chosen.num_tokens
    return ControlMix(compose(draws, stock), "; ".join(parts), num_tokens)


def _words(chosen: Chosen, change: Change) -> str:
    return f"{len(chosen.rows):,} rows {change.value}: {chosen.how}"
