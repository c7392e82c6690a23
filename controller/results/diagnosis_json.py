"""What `loop.json` says of a diagnosis: findings with their evidence, slices, how far attribution can be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnose.finding.evidence import Evidence
from diagnose.finding.finding import Attributed, Examples, FailedItem, FeatureWeight
from diagnose.slices.data.data_slice import Nearness
from evals.statistics.intervals import Estimate, Interval


@dataclass(frozen=True, slots=True)
class DataSliceRecord:
    slice: Mapping[str, str]
    effect: float
    ci: Interval
    num_examples: int
    num_pool: int
    losses: tuple[float, ...] = ()
    """Mean loss of its rows at each checkpoint, oldest first, nats for each token; empty where none was attributed."""
    nearness: Nearness | None = None
    """Null where a predicate tells its rows."""


@dataclass(frozen=True, slots=True)
class FindingRecord:
    slice: Mapping[str, str]
    data_slice: Mapping[str, str]
    num_items: int
    num_failed: int
    failure_rate: float
    ci: Interval
    p_adjusted: float
    modes: Mapping[str, float]
    cause: str
    cause_probability: float
    causes: Mapping[str, float]
    data_slices: tuple[DataSliceRecord, ...]
    evidence: Mapping[str, float | str]
    examples: Examples
    failed_items: tuple[FailedItem, ...]
    named_by: Mapping[str, str] = field(default_factory=dict)
    """The data slice that BM25, hidden states and plain loss name by the same rule; empty where they name none."""
    tests: tuple[Evidence, ...] = ()
    """In the order in which they were made."""
    would_decide: str = ""
    """The cheapest experiment that would change the answer, or confirm it."""


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """A slice that items and rows share: what its rows are like, and how often its items fail."""

    slice: Mapping[str, str]
    num_items: int
    failure_rate: float
    ci: Interval
    num_rows: int
    """Of a sample of the corpus."""
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProfilesRecord:
    profiles: tuple[ProfileRecord, ...]
    weights: tuple[FeatureWeight, ...]
    explained: float | None
    """Share of the variance of the log-odds told of slices left out; None without a fit."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """What leaving rows out changed in a failing slice, against training on everything; mean over seeds, and each."""

    loss: float
    """Nats of a failed item, as attribution predicts it; positive is harm."""
    losses: tuple[float, ...]
    score: float
    """Of all probe items of the slice; negative is harm."""
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DroppedRecord:
    """The rows that help a finding most by attribution left out, and as many at random."""

    slice: Mapping[str, str]
    num_rows: int
    score: float
    """Retrained on everything, mean over seeds."""
    helpful: ChangeRecord
    random: ChangeRecord
    """Mean over several draws."""


@dataclass(frozen=True, slots=True)
class LeftOutRecord:
    """A data slice left out: what was foretold of a failing slice, and what came of it."""

    data_slice: Mapping[str, str]
    slice: Mapping[str, str]
    num_rows: int
    predicted: float | None
    """Sum of the effects of its rows, nats of the loss; positive is harm. Null where none of them was attributed."""
    change: ChangeRecord
    expected_loss: Estimate | None
    """Calibrated on the other data slices alone, 95 % prediction interval; null for `reason`."""
    expected_score: Estimate | None
    reason: str


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """`log real = intercept + slope log odds` over all data slices left out: real the change of the loss in nats, odds
    the absolute effect of the slice's rows over that of all others, where harm is predicted."""

    slope: float
    intercept: float
    residual_sd: float
    num_changes: int
    """Predicted to do harm, and did."""
    num_contradicted: int
    """Predicted to do harm, and did none."""


@dataclass(frozen=True, slots=True)
class FidelityRecord:
    """How far attribution can be believed, by retraining the model on parts of its corpus."""

    num_parts: int
    """Random halves that were trained on."""
    num_seeds: int
    num_rows: int
    """Attributed rows of the corpus: what the halves are halves of."""
    num_diverged: int
    """Trainings without a finite loss: left out with their part."""
    lds: Estimate | None
    """Rank correlation of predicted and real losses over the halves, mean over findings, in [-1, 1]; null for
    `reason`."""
    ceiling: float | None
    """The most that any prediction could reach with these seeds; null with one seed."""
    reason: str
    slice_lds: Estimate | None
    """The same correlation over the data slices left out, which are larger than single rows' noise; null with fewer
    than 4."""
    slice_ceiling: float | None
    dropped: tuple[DroppedRecord, ...]
    left_out: tuple[LeftOutRecord, ...]
    calibration: CalibrationRecord | None
    """Null with fewer than 5 changes."""


@dataclass(frozen=True, slots=True)
class SliceNodeRecord:
    """A failing slice, or a task that has some inside."""

    slice: Mapping[str, str]
    inside: Mapping[str, str] | None
    """The smallest other node that holds all of its items; null for a root."""
    depth: int
    """Nodes above it."""
    num_items: int
    num_failed: int
    failure_rate: float
    ci: Interval
    is_finding: bool


@dataclass(frozen=True, slots=True)
class DiagnosisRecord:
    findings: tuple[FindingRecord, ...]
    attributed: Attributed | None = None
    fidelity: FidelityRecord | None = None
    """Null where `diagnose.fidelity` is off, nothing was attributed, or the budget does not allow it."""
    profiles: ProfilesRecord | None = None
    """What the data of each slice is like, beside how the model behaves on it; None where nothing fails."""
    tree: tuple[SliceNodeRecord, ...] = ()
    """In reading order: each node is followed by what is inside it."""
