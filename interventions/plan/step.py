"""Steps that a fix takes for one finding, or the reason why it takes none."""

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
"""Kinds of actions, each named as the module of `interventions.fixes` that carries it out."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Rows of the pool that a retrieval adds."""

    finding: Finding
    rows: NDArray[np.int64]
    """Rows in the order in which they are added: a smaller number takes the first of them."""
    why: str
    """Description of the rows, in words."""
    blocked: Mapping[str, str]
    """Id of each row that the gate kept out, with the reason."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Rows of the corpus that get more weight."""

    finding: Finding
    rows: NDArray[np.int64]
    share: float
    """Share of the draws that the rows should have."""
    present: float
    """Share of the draws that the rows have now."""
    why: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Rows of the corpus that leave it."""

    finding: Finding
    kind: str
    """Kind of action: `clean`, `relabel` or `counter_examples`."""
    rows: NDArray[np.int64]
    """Row numbers of the corpus, ascending."""
    why: str


@dataclass(frozen=True, slots=True)
class Made:
    """New rows, made from others or by a program."""

    finding: Finding
    kind: str
    """Kind of action: `relabel`, `counter_examples`, `programs` or `reformat`."""
    rows: TrainPool
    """Rows in the order in which they are added, as in `Supply`."""
    parents: tuple[str, ...]
    """Id of the row that each was made from; empty where a program made them."""
    maker: str
    verifier: str
    """How each row was verified."""
    why: str
    is_in_place: bool
    """The rows replace rows that leave: however many there are, they do not count among those that a fix may add."""
    is_raised: bool
    """The rows get a share of the draws, as other additions do; if not, each is drawn as often as a corpus row."""
    blocked: Mapping[str, str]
    """Id of each row that the gate kept out, with the reason."""


Step = Supply | Raise | Remove | Made


@dataclass(frozen=True, slots=True)
class Declined:
    """The reason why a fix does not act on a finding."""

    reason: str


Steps = tuple[Step, ...] | Declined
"""At least one step, or the reason why there is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest changes of all steps of a plan together."""

    num_examples: int | None
    """Number of rows added, divided among findings by their expected gains; None means all."""
    share: float
    """Share of the draws for added and raised rows; the corpus's other rows keep the rest."""
    synthetic_share: float
    """Largest share of the draws for rows that no person wrote."""
    is_fair: bool = False
    """Whether added rows whose answers are labels get less, where the share would make one of these more frequent than
    it is among the measured items; false where a user asked for the share."""
    dose: float = 1.0
    """Multiplies the number of rows each step adds, up to those that it has; 1 is the plan itself."""
    scale: float = 1.0
    """Multiplies the draws that the plan takes from the corpus's other rows; the rest of these is replay."""


RowEffects = Callable[[Finding, NDArray[np.int64]], NDArray[np.float32]]
"""Effect of more of each row of the corpus on the failed items of a finding, as in `DataSlice.effect`: negative rows
work against them; nan where a row was not attributed. Costs a forward and backward pass over the rows."""


@dataclass(frozen=True, slots=True)
class States:
    """Mean hidden states of rows of the pool and of failed items."""

    rows: NDArray[np.float32]
    """Hidden states of the rows, [num_rows, hidden_size]."""
    items: NDArray[np.float32]
    """Hidden states of question and gold answer, [num_items, hidden_size], in the order of `Finding.queries`."""


ModelStates = Callable[[Finding, TrainPool], States]
"""Computes the states of rows and of a finding's failed items. Costs a forward pass over them."""


PoolEffects = Callable[[Finding], NDArray[np.float32]]
"""Effect of each row of the pool on the failed items of a finding, [num_pool], as in `RowEffects`; nan where the
diagnosis did not attribute it. Costs nothing."""


Solves = Callable[[TrainPool], NDArray[np.bool_]]
"""Whether greedy decoding by the model gives the completion of each row, [num_rows]. Costs a forward pass over them."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a fix can draw on."""

    stock: Stock
    judged: Collection[str] = ()
    """Keys of plans that a verdict or a person has judged on this model (`Plan.keys`)."""
    seed: int = 0
    """Seeds the rows that are made or drawn, also those by which mixes are compared; differs in each round, since rows
    of earlier rounds are in the corpus."""
    scale: float = 1.0
    """Scale of the limits (`Limits.scale`), below 1 where the same fix has broken a guard."""
    row_effects: RowEffects | None = None
    """Computes effects of corpus rows; None where no gradients may be computed."""
    pool_effects: PoolEffects | None = None
    """Reads effects of pool rows; None where there are none."""
    states: ModelStates | None = None
    """Computes hidden states; None where the model may not be used."""
    solves: Solves | None = None
    """Tests which rows the model solves; None where the model may not be used."""
    left_out: Collection[str] = ()
    """Keys of actions that are left out of the plan (`Attempts.left_out`)."""


class Intervention(Protocol):
    """One kind of fix; its fields are its settings."""

    licences: list[str]
    """Licences that added rows may name; if empty, all are allowed."""

    def limits(self) -> Limits: ...

    def adding(self, num_examples: int) -> "Intervention":
        """Copy the fix, adding this many rows in all."""
        ...

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        """Steps for a finding of a diagnosis."""
        ...


def unfit(finding: Finding) -> str:
    """Reason why no change of data suits this finding; empty if one may."""
    if advised := advice(finding):
        return advised
    return "" if finding.data_slices else "no training data could be told to belong to it"


def key_of(step: Step) -> str:
    """Key of the action that carries a step out."""
    match step:
        case Supply():
            kind = RETRIEVE
        case Raise():
            kind = REWEIGHT
        case Remove() | Made():
            kind = step.kind
    return action_key(kind, step.finding.acted_on)


def action_key(kind: str, where: Slice) -> str:
    """Key of an action, as in `Plan.keys`."""
    return f"{kind}: {where}"
