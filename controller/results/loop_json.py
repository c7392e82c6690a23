"""`loop.json`: the machine-readable result of a run; its schema is `docs/loop.schema.json`.

These types are the file: pydantic writes them and `scripts/make_schema.py` derives the schema. Every
number is finite: a value that could not be computed is left out or is null with its reason beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from controller.engine.budget import Cost
from controller.results.diagnosis_json import DiagnosisRecord
from evals.statistics.intervals import Estimate

SCHEMA_VERSION = 1

Status = Literal["running", "ended"]

LOOP_FILE = "loop.json"


class Decision(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RANDOM_IS_ENOUGH = "random_is_enough"
    NOT_DATA = "not_data"
    NOTHING_TO_DO = "nothing_to_do"
    AWAITING_APPROVAL = "awaiting_approval"


@dataclass(frozen=True, slots=True)
class Score:
    """Mean score of one task or slice on one split, Wilson interval for 0/1 metrics."""

    task: str
    slice: Mapping[str, str]
    """Empty for the whole task."""
    metric: str
    score: Estimate
    num_items: int


@dataclass(frozen=True, slots=True)
class Measure:
    split: str
    num_items: int
    num_failed: int
    num_unscored: int
    scores: tuple[Score, ...]
    splits: Mapping[str, int]
    """Items in each split."""


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
class Endpoint:
    """What the gate tests, written down before training."""

    metric: str
    slice: Mapping[str, str]
    num_items: int
    """`select` items that match, failed before or not."""
    min_gain: float
    expected_gain: float
    detectable_gain: float | None
    """True gain that the gate, guards included, would accept in 80 % of runs with these items and seeds; null where
    it would accept no possible gain so often, and the plan's warning says what is missing."""


@dataclass(frozen=True, slots=True)
class PilotRecord:
    """A small training of the fix, asked the `probe` items: what a share of the draws does to what it is to mend and to
    the rest."""

    scale: float
    """Part of the draws that the fix would take from the corpus's other rows."""
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
    """Rows that the quality gate kept out."""
    endpoint: Endpoint | None
    """None where there is nothing to train."""
    warning: str
    """Too few items or seeds for the expected gain; empty when there are enough."""
    controls: Mapping[str, str] = field(default_factory=dict)
    """What each control trains on in the place of the fix; or why it is not trained."""
    blocked: Mapping[str, int] = field(default_factory=dict)
    """Rows that the quality gate kept out, by reason."""
    pilots: tuple[PilotRecord, ...] = ()
    """Small trainings that settled the share of the draws, ascending; none where it was told without."""


@dataclass(frozen=True, slots=True)
class ArmRecord:
    score: float
    ci: tuple[float, float]
    seeds: tuple[float, ...]
    """Score of each training seed on the endpoint."""
    tokens: int
    """Per seed."""
    flops: float
    steps: int
    scores: tuple[Score, ...]
    """Every task and slice on `select`, mean over seeds."""


@dataclass(frozen=True, slots=True)
class Gain:
    mean: float
    ci: tuple[float, float]
    p: float
    """One-sided."""
    control: str
    """The control it is measured against."""


@dataclass(frozen=True, slots=True)
class GuardRecord:
    task: str
    change: float
    ci: tuple[float, float]
    ok: bool
    lower: float
    """One-sided lower 95 % bound of the change: what `ok` is decided by."""
    margin: float
    """`ok` is lower > -margin, and `since` >= -margin where it is known."""
    since: float | None = None
    """As measured, the challenger against the model that the round opened with or that the loop started with, whichever
    is better; None where neither is known."""


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Gain or loss of one task, or of one class or field value in it: none may be shown to lose, and more than twice
    the margin."""

    slice: Mapping[str, str]
    num_items: int
    before: float
    control: float
    """Of `continue`, mean over the seeds; as `challenger`."""
    challenger: float
    change: float
    """Challenger minus `continue`."""
    ci: tuple[float, float]
    p: float
    """One-sided: it loses nothing."""
    is_harmed: bool
    """A loss is shown against `continue` or against the models before, corrected for the number of groups, and it is
    larger than twice the margin."""
    best_before: float | None = None
    """Of the models that the round and the loop opened with, the better one's; None where they are one."""

    @property
    def held_to(self) -> float:
        return self.before if self.best_before is None else self.best_before


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Whether a step of the plan that takes rows out, or gives them other labels, was worth it."""

    step: str
    """In words: what is done, for which failing slice."""
    arm: str
    """That was trained without it."""
    gain: float
    """Of the whole plan over the plan without the step, on the items that the step should mend."""
    ci: tuple[float, float]
    p: float
    """One-sided."""
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Flips:
    """A description of one pair of models; it never accepts."""

    fixed: int
    broken: int
    p: float
    """McNemar's, exact and two-sided."""


@dataclass(frozen=True, slots=True)
class DosePoint:
    """A description; it never accepts."""

    dose: float
    """Multiple of the rows that the fix adds; 1 is the fix itself."""
    num_added: int
    """Rows that it really adds: a pool may have no more."""
    score: float
    """On the endpoint, mean over the seeds."""
    ci: tuple[float, float]
    tokens: int
    """Per seed."""
    guards: Mapping[str, float]
    """Score on each guard."""


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    decision: Decision
    reason: str
    endpoint: Endpoint | None
    gain: Gain | None
    """Against the strongest control."""
    gains: tuple[Gain, ...]
    """Against every control."""
    arms: Mapping[str, ArmRecord]
    """`before` is the champion that the round opened with, `challenger` the fix; the others are controls."""
    guards: tuple[GuardRecord, ...]
    flips: Flips | None
    """Items of the endpoint that the majority of the challenger's seeds fixed or broke."""
    alpha: float | None
    groups: tuple[GroupRecord, ...] = ()
    """The largest loss first."""
    steps: tuple[StepRecord, ...] = ()
    """Of plans of several steps, those that were tried without; what is not kept is not in the challenger."""
    champion_arm: str = ""
    """Whose model opens the next round: an arm; empty where the old champion stays."""
    doses: tuple[DosePoint, ...] = ()
    """Of the added rows, the fix among them, the smallest first; empty without `verify.doses`."""


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    measure: Measure
    diagnosis: DiagnosisRecord
    plan: PlanRecord
    verdict: VerdictRecord
    costs: Mapping[str, Cost]


@dataclass(frozen=True, slots=True)
class Sealed:
    gain: float
    ci: tuple[float, float]
    claim: str
    """confirmed or unconfirmed; a gain is not confirmed where the rest of the tasks is shown to lose more than the
    margin."""
    num_items: int
    alpha: float
    rest: GuardRecord | None = None
    """All other items of the tasks, champion against starting model; None where they are not guarded, or there are
    none."""


@dataclass(frozen=True, slots=True)
class Champion:
    path: str
    round: int | None
    """None: the model of round 0."""
    recipe: str


@dataclass(frozen=True, slots=True)
class LoopResult:
    schema_version: int
    name: str
    rounds: tuple[Round, ...]
    sealed: Sealed | None
    """None when nothing was accepted: the sealed items stay closed."""
    champion: Champion
    stopped_because: str
    """Empty while it runs."""
    costs: Mapping[str, Cost]
    """Over all rounds, by stage; `overhead` is wall time that no stage accounts for."""
    versions: Mapping[str, str]
    config_hash: str
    data_hash: str
    seed: int
    status: Status = "ended"
    """running: the rounds so far; the loop goes on, or was killed and goes on when it is started again."""


def read_loop(path: Path) -> LoopResult:
    """The `loop.json` of a run directory.

    Raises:
        ValueError: there is none, or it is not of this schema.
    """
    file = path / LOOP_FILE
    if not file.is_file():
        raise ValueError(f"{path} holds no {LOOP_FILE}; name the run_dir of a finished loop")
    return TypeAdapter(LoopResult).validate_json(file.read_bytes())


def write_loop(result: LoopResult, path: Path) -> None:
    """Write `loop.json` atomically."""
    temporary = path / f"{LOOP_FILE}.tmp"
    temporary.write_bytes(TypeAdapter(LoopResult).dump_json(result, indent=1))
    temporary.replace(path / LOOP_FILE)
