"""Events of a loop, sent to listeners.

The files of a run, MLflow, the page and any listener of a user get the same events, one after the other, in the process
of the loop. A listener that raises stops the loop; what was computed stays in the journal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.engine.journal.approvals import Answer
from controller.results.diagnosis_json import FidelityRecord
from controller.results.loop_json import LoopResult, Round
from evals.items import ItemResult
from evals.splits import Split


@dataclass(frozen=True, slots=True)
class DataRead:
    """Rows that the loop works with."""

    context: str
    """Use of the rows: corpus, pool, or items, which are asked."""
    digest: str
    source: str
    """Path or `hub:...` of rows; names of the tasks of items."""
    num_rows: int


@dataclass(frozen=True, slots=True)
class LoopOpened:
    """Settings, data and tasks have been checked; nothing was trained."""

    run_dir: Path
    settings: Mapping[str, object]
    free: frozenset[str]
    """Dotted keys, or beginnings of them, of settings that do not determine the result: where, how fast, how far."""
    tags: Mapping[str, str]
    """Values that may differ between attempts at one run: version of the code, process."""
    data: tuple[DataRead, ...]


@dataclass(frozen=True, slots=True)
class ItemsAnswered:
    """A model has answered the items of a split."""

    split: Split
    round: int
    """Number of rounds before this one."""
    arm: str
    seed: int | None
    """Seed of the training; None for a model that was not trained in the round."""
    results: Sequence[ItemResult]


@dataclass(frozen=True, slots=True)
class ModelNamed:
    """A model is the champion or the challenger from now on."""

    folder: Path
    role: str
    """Role of the model: champion or challenger."""
    round: int
    """Number of the round; -1 for the model of round 0."""


@dataclass(frozen=True, slots=True)
class RoundEnded:
    """A round is over, judged or not."""

    round: Round
    fidelity: FidelityRecord | None
    patch: Path | None
    """Table of what the plan changes; None where it changes nothing."""
    result: LoopResult
    """Result of the loop so far."""


@dataclass(frozen=True, slots=True)
class ProposalApproved:
    """A person has approved the plan of a round, and its trainings begin."""

    round: int
    answer: Answer
    result: LoopResult
    """Result of the rounds before."""


@dataclass(frozen=True, slots=True)
class LoopWaits:
    """The plan of the last round waits for a person's approval, and the loop ends until there is an answer."""

    result: LoopResult
    """Result of the loop so far, the round that waits included."""


@dataclass(frozen=True, slots=True)
class LoopEnded:
    """No further round comes, and the sealed items were opened where there is a new champion."""

    result: LoopResult


@dataclass(frozen=True, slots=True)
class LoopInterrupted:
    """The loop was stopped by Ctrl-C or an error."""

    is_error: bool


Event = (
    LoopOpened | ItemsAnswered | ModelNamed | RoundEnded | ProposalApproved | LoopWaits | LoopEnded | LoopInterrupted
)


class Listener(Protocol):
    """Receiver of events."""

    def hear(self, event: Event) -> None: ...


Tell = Callable[[Event], None]
"""Sends an event to every listener."""
