"""`loop.json`: the machine-readable result of a run; its schema is `docs/loop.schema.json`.

These types are the file: pydantic writes them and `scripts/make_schema.py` derives the schema. Every
number is finite: a value that could not be computed is left out or is null with its reason beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from controller.data.patches import SourceChange
from controller.engine.budget import Cost, Used
from controller.engine.journal.approvals import Answer
from controller.engine.journal.changes import FIXED, Changeable
from controller.engine.whole_file import write_whole
from controller.results.diagnosis_json import DiagnosisRecord, Measure
from controller.results.verdict_json import Endpoint, GuardRecord, VerdictRecord
from controller.train.before.mixture import SourceCounts
from evals.statistics.intervals import Estimate

SCHEMA_VERSION = 1
LOOP_FILE = "loop.json"
Status = Literal["running", "waiting", "ended"]


@dataclass(frozen=True, slots=True)
class ActionRecord:
    kind: str
    slice: Mapping[str, str]
    num_added: int
    num_removed: int
    num_reweighted: int
    share: float
    tokens: int
    """Tokens of the added rows, once each."""
    why: str


@dataclass(frozen=True, slots=True)
class PilotRecord:
    """Small training of the fix, measured on the `probe` items: what a share of the draws does to the items that the
    fix is for and to the rest."""

    scale: float
    """Multiplies the draws that the fix would take from the corpus's other rows."""
    endpoint: float
    """Score on the failing slices."""
    rest: float
    """Score on the other items of the tasks and on the guards."""
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class PlanRecord:
    actions: tuple[ActionRecord, ...]
    reason: str
    num_blocked: int
    """Number of rows that the quality gate kept out."""
    endpoint: Endpoint | None
    """Endpoint of the gate; None where there is nothing to train."""
    warning: str
    """Warning of too few items or seeds for the expected gain; empty when there are enough."""
    controls: Mapping[str, str] = field(default_factory=dict)
    """Description of what each control trains on in the place of the fix, or why it is not trained."""
    blocked: Mapping[str, int] = field(default_factory=dict)
    """Number of rows that the quality gate kept out, by reason."""
    pilots: tuple[PilotRecord, ...] = ()
    """Small trainings that determined the share of the draws, ascending; none where it was known without."""


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """Question to a person before anything of the plan is trained (`controller.approval=ask`)."""

    proposal: str
    """Hash of the plan and of every row that it trains on, to which an answer is bound."""
    num_trainings: int
    """Trainings of all arms and seeds up to the first look, which take `tokens` and `flops`."""
    most_trainings: int
    """Trainings with all seeds that `verify.max_seeds` allows."""
    tokens: int
    flops: float
    seconds: float | None
    """Estimated from earlier trainings of the loop; null where there were none."""
    sources: tuple[SourceChange, ...]
    answer: Answer | None
    changeable: Changeable = FIXED
    """What of it an approval may leave out."""


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    measure: Measure
    diagnosis: DiagnosisRecord
    plan: PlanRecord
    verdict: VerdictRecord
    costs: Mapping[str, Cost]
    studies: Mapping[str, Any] = field(default_factory=dict)
    """Findings of further studies of the fix, by name."""
    approval: ApprovalRecord | None = None
    """Null where nobody was asked; its `answer` is null while the round waits."""


@dataclass(frozen=True, slots=True)
class Sealed:
    gain: float
    ci: tuple[float, float]
    claim: str
    """Claim, confirmed or unconfirmed; a gain is not confirmed where the rest of the tasks is shown to lose more than
    the margin."""
    num_items: int
    alpha: float
    rest: GuardRecord | None = None
    """Change of all other items of the tasks, champion against starting model; None where they are not guarded, or
    there are none."""
    before: Estimate | None = None
    """Score of the starting model on the items; `after` is the champion's, mean over its seeds. None in files that were
    written before these were kept."""
    after: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Champion:
    path: str
    round: int | None
    """Round of the champion; None for the model of round 0."""
    recipe: str


@dataclass(frozen=True, slots=True)
class LoopResult:
    schema_version: int
    name: str
    rounds: tuple[Round, ...]
    sealed: Sealed | None
    """Gain on the sealed items; None when nothing was accepted: they stay closed."""
    champion: Champion
    stopped_because: str
    """Reason why the loop stopped; empty while it runs."""
    costs: Mapping[str, Cost]
    """Costs over all rounds, by stage; `overhead` is wall time that no stage accounts for."""
    versions: Mapping[str, str]
    config_hash: str
    data_hash: str
    seed: int
    corpus: tuple[SourceCounts, ...] = ()
    """Sources of `corpus.train` as it stands, that of most draws first."""
    status: Status = "ended"
    """State: over; waiting for a decision on the plan of the last round; or running, as a killed loop says, too."""
    budget: Mapping[str, Used] = field(default_factory=dict)
    """Use of each limit of `budget.*` that is set; its seconds are those of the last process alone."""


def read_loop(path: Path) -> LoopResult:
    """Read the `loop.json` of a run directory.

    Raises:
        ValueError: there is none, or it is not of this schema.
    """
    file = path / LOOP_FILE
    if not file.is_file():
        raise ValueError(f"{path} holds no {LOOP_FILE}; name the run_dir of a finished loop")
    return TypeAdapter(LoopResult).validate_json(file.read_bytes())


def write_loop(result: LoopResult, path: Path) -> None:
    """Write `loop.json` atomically."""
    write_whole(path / LOOP_FILE, TypeAdapter(LoopResult).dump_json(result, indent=1))
