"""What can be done about one finding: steps, or the reason why not."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.finding import Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import Slice
from interventions.admission.gate import Stock
from interventions.plan.advice import advice

RETRIEVE, REWEIGHT, CLEAN = "retrieve", "reweight", "clean"
COUNTER_EXAMPLES, PROGRAMS, REFORMAT = "counter_examples", "programs", "reformat"
"""Kinds of actions: the module of `interventions` that carries each out."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Rows of the pool that a retrieval adds."""

    finding: Finding
    rows: NDArray[np.int64]
    """In the order in which they are added: fewer are the first of them."""
    why: str
    """Which they are."""
    blocked: Mapping[str, str]
    """Id of each row that the gate kept out, with the reason."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Rows of the corpus that get more weight."""

    finding: Finding
    rows: NDArray[np.int64]
    share: float
    """Of the draws, that they should have."""
    present: float
    """That they have now."""
    why: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Rows of the corpus that leave it."""

    finding: Finding
    kind: str
    """The module of `interventions` that removes them."""
    rows: NDArray[np.int64]
    """Ascending."""
    why: str


@dataclass(frozen=True, slots=True)
class Made:
    """New rows, made from others or by a program."""

    finding: Finding
    kind: str
    """The module of `interventions` that made them."""
    rows: TrainPool
    """In the order in which they are added, as of `Supply`."""
    parents: tuple[str, ...]
    """Id of the row that each was made from; empty where a program made them."""
    maker: str
    verifier: str
    """What held each of them to be right."""
    why: str
    is_in_place: bool
    """They stand for rows that leave: however many there are, they count for none of the rows that a fix may add."""
    is_raised: bool
    """They get a share of the draws, as other additions do; otherwise each is drawn as often as a row of the corpus."""
    blocked: Mapping[str, str]
    """As of `Supply`."""


Step = Supply | Raise | Remove | Made


@dataclass(frozen=True, slots=True)
class Declined:
    """Why a fix is not for this finding."""

    reason: str


Steps = tuple[Step, ...] | Declined
"""At least one of them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much all steps of a plan may change together."""

    num_examples: int | None
    """Rows added, divided among findings by their expected gains; None means all."""
    share: float
    """Of the draws; the corpus's own rows keep the rest."""
    synthetic_share: float
    """Of the draws, for rows that no person wrote."""
    is_fair: bool = False
    """Added rows whose answers are labels get less, where the share would make one of them more frequent than it is
    among the measured items; false where a user asked for the share."""
    dose: float = 1.0
    """Of the rows that each step would add, so many times as many: the first of them, and never more than it has."""
    scale: float = 1.0
    """Part of the draws that they get, of those that they would take from the corpus's other rows: the rest is
    replay."""


RowEffects = Callable[[Finding, NDArray[np.int64]], NDArray[np.float32]]
"""What more of each row of the corpus would do to the failed items of a finding, as `DataSlice.effect` says it:
negative rows work against them; nan where a row was not asked. As dear as a forward and backward pass over the rows."""


@dataclass(frozen=True, slots=True)
class States:
    """Where the model puts rows of the pool and failed items: mean hidden states."""

    rows: NDArray[np.float32]
    """[num_rows, hidden_size]"""
    items: NDArray[np.float32]
    """[num_items, hidden_size], question and gold answer, in the order of `Finding.queries`."""


ModelStates = Callable[[Finding, TrainPool], States]
"""Of rows, and of the failed items of a finding. As dear as a forward pass over them."""


PoolEffects = Callable[[Finding], NDArray[np.float32]]
"""What each row of the pool would do to the failed items of a finding, [num_pool], as `RowEffects` says it; nan where
the diagnosis did not ask. Costs nothing."""


Solves = Callable[[TrainPool], NDArray[np.bool_]]
"""Whether greedy decoding by the model gives the completion of each row. As dear as a forward pass over them."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a fix can draw on."""

    stock: Stock
    judged: Collection[str] = ()
    """`Plan.keys` that this model was already tried with."""
    seed: int = 0
    """Of rows that are made or drawn: another one in each round, for those of earlier rounds stand in the corpus."""
    scale: float = 1.0
    """As of `Limits`: less where the same fix has broken a guard."""
    row_effects: RowEffects | None = None
    """None where no gradients may be asked for."""
    pool_effects: PoolEffects | None = None
    """As `row_effects`."""
    states: ModelStates | None = None
    """None where the model may not be asked."""
    solves: Solves | None = None
    """None where the model may not be asked."""


class Intervention(Protocol):
    """One kind of fix; its fields are its settings."""

    licences: list[str]
    """The only ones that added rows may name, if any are given."""

    def limits(self) -> Limits: ...

    def adding(self, num_examples: int) -> "Intervention":
        """The same fix, adding so many rows in all."""
        ...

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        """What to do about a finding of a diagnosis."""
        ...


def unfit(finding: Finding) -> str:
    """Why no change of data is for this finding; empty if one may be."""
    if told := advice(finding):
        return told
    return "" if finding.data_slices else "no training data could be told to belong to it"


def action_key(kind: str, where: Slice) -> str:
    """As in `Plan.keys`."""
    return f"{kind}: {where}"
