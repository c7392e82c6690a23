"""Verdict of a round as `loop.json` has it: what was promised, the arms, their gains and losses, and the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from controller.results.diagnosis_json import Score
from controller.train.before.mixture import Drawn
from evals.statistics.looks_power import Prospect


class Decision(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RANDOM_IS_ENOUGH = "random_is_enough"
    NOT_DATA = "not_data"
    NOTHING_TO_DO = "nothing_to_do"
    AWAITING_APPROVAL = "awaiting_approval"
    NOT_APPROVED = "not_approved"


class Ending(StrEnum):
    """Why a judgement ends at a look, or that it does not."""

    ACCEPTED = "accepted"
    HARMED = "harmed"
    """A guard or a group is shown to lose more than it may."""
    FUTILE = "futile"
    """More seeds would hardly show the gain."""
    LAST = "last"
    """All seeds are trained."""
    BUDGET = "budget"
    """The budget ends before the seeds of the next look."""
    GOES_ON = "goes_on"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the gate tests, written down before training."""

    metric: str
    slice: Mapping[str, str]
    num_items: int
    """Number of `select` items that match, failed before or not."""
    min_gain: float
    expected_gain: float
    detectable_gain: float | None
    """True gain that the gate, guards included, would accept in 80 % of runs with these items and seeds; null where
    it would accept no possible gain so often, and the plan's warning says what is missing."""
    prospects: tuple[Prospect, ...] = ()
    """What the looks that `verify.max_seeds` allows would do without a gain, at the smallest useful one and at the
    expected one; empty where there is one look."""


@dataclass(frozen=True, slots=True)
class ArmRecord:
    score: float
    ci: tuple[float, float]
    seeds: tuple[float, ...]
    """Score of each training seed on the endpoint."""
    tokens: int
    """Training tokens per seed."""
    flops: float
    steps: int
    scores: tuple[Score, ...]
    """Every task and slice on `select`, mean over seeds."""
    drawn: tuple[Drawn, ...] = ()
    """Rows, draws and tokens of each source, the most draws first, mean over seeds; empty for a model that the round
    did not train."""


@dataclass(frozen=True, slots=True)
class Gain:
    mean: float
    ci: tuple[float, float]
    p: float
    """One-sided p-value."""
    control: str
    """Control that the gain is measured against."""


@dataclass(frozen=True, slots=True)
class LookRecord:
    """One look of a judgement that trains more seeds where they can still decide."""

    num_seeds: int
    """Training seeds of each arm that is still trained."""
    level: float
    """One-sided level of this look."""
    gain: Gain
    """Gain over the hardest control."""
    boundary: float
    """Gain over that control above which it counts as beaten at this look."""
    predictive_power: float
    """Probability, given this look, that the last would show the control beaten that is least sure to be; 0 or 1 at the
    last."""
    ending: Ending
    beaten: tuple[str, ...] = ()
    """Controls that count as beaten for good and are trained no more, where it goes on."""


@dataclass(frozen=True, slots=True)
class GuardRecord:
    task: str
    change: float
    ci: tuple[float, float]
    ok: bool
    lower: float
    """One-sided lower 95 % bound of the change, by which `ok` is decided."""
    margin: float
    """Largest loss allowed: `ok` is lower > -margin, and `since` >= -margin where it is known."""
    since: float | None = None
    """Measured change from the better of the models that the round and the loop opened with; None where neither is
    known."""


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Gain or loss of one task, or of one class or field value in it; one that is shown to lose, and more than twice
    the margin, is harmed."""

    slice: Mapping[str, str]
    num_items: int
    before: float
    control: float
    """Score of `continue`, mean over the seeds; `challenger` likewise."""
    challenger: float
    change: float
    """Challenger minus `continue`."""
    ci: tuple[float, float]
    p: float
    """One-sided p-value of the hypothesis that the group loses nothing."""
    is_harmed: bool
    """A loss is shown against `continue` or against the models before, corrected for the number of groups, and its
    estimate is larger than twice the margin."""
    best_before: float | None = None
    """Better score of the models that the round and the loop opened with; None where they are one."""

    @property
    def held_to(self) -> float:
        return self.before if self.best_before is None else self.best_before


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Test of a step of the plan that removes or relabels rows, by the plan without it."""

    step: str
    """Step in words: what is done, for which failing slice."""
    arm: str
    """Arm that was trained without the step."""
    gain: float
    """Gain of the whole plan over the plan without the step, on the items that the step should fix."""
    ci: tuple[float, float]
    p: float
    """One-sided p-value."""
    is_kept: bool
    is_shown: bool = False
    """Whether small trainings had shown that the repair of its cause mends these items: then it is kept unless it
    loses, or goes with others that are left out."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Items that differ between one pair of models: a description that never accepts."""

    fixed: int
    broken: int
    p: float
    """McNemar's p-value, exact and two-sided."""


@dataclass(frozen=True, slots=True)
class DosePoint:
    """Scores at one number of added rows: a description that never accepts."""

    dose: float
    """Multiple of the rows that the fix adds; 1 is the fix itself."""
    num_added: int
    """Number of rows really added: a pool may have no more."""
    score: float
    """Score on the endpoint, mean over the seeds."""
    ci: tuple[float, float]
    tokens: int
    """Training tokens per seed."""
    guards: Mapping[str, float]
    """Score on each guard."""


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    decision: Decision
    reason: str
    endpoint: Endpoint | None
    gain: Gain | None
    """Gain over the strongest control."""
    gains: tuple[Gain, ...]
    """Gain over every control."""
    arms: Mapping[str, ArmRecord]
    """`before` is the champion that the round opened with, `challenger` the fix; the others are controls."""
    guards: tuple[GuardRecord, ...]
    flips: Flips | None
    """Items of the endpoint that the majority of the challenger's seeds fixed or broke."""
    alpha: float | None
    """One-sided level that every control had to be beaten at; with `looks` that of the one that ended the judgement."""
    groups: tuple[GroupRecord, ...] = ()
    """Changes of all groups, the largest loss first."""
    steps: tuple[StepRecord, ...] = ()
    """Steps of the plan that were tested by leaving them out; one that is not kept is not in the challenger."""
    champion_arm: str = ""
    """Arm whose model opens the next round; empty where the old champion stays."""
    doses: tuple[DosePoint, ...] = ()
    """Points by number of added rows, the fix among them, the smallest first; empty without `verify.doses`."""
    looks: tuple[LookRecord, ...] = ()
    """Looks of the judgement, the first first; empty where `verify.max_seeds` allows one only."""
