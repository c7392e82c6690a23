"""Diagnosis in `loop.json`: findings with their evidence, slices, and how reliable attribution is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnose.finding.evidence import Evidence, LeftOut
from diagnose.finding.finding import Attributed, Examples, Experiment, FailedItem, FeatureWeight
from diagnose.slices.data.data_slice import Nearness
from evals.statistics.intervals import Estimate, Interval


@dataclass(frozen=True, slots=True)
class Score:
    """Mean score of one task or slice on one split, Wilson interval for 0/1 metrics."""

    task: str
    slice: Mapping[str, str]
    """Slice of the task; empty for the whole task."""
    metric: str
    score: Estimate
    num_items: int
    unparsed_rate: float | None = None
    """Share of the answers that the task's extractor could not read; null where nothing is extracted from answers."""


@dataclass(frozen=True, slots=True)
class Measure:
    split: str
    num_items: int
    num_failed: int
    num_unscored: int
    scores: tuple[Score, ...]
    splits: Mapping[str, int]
    """Number of items in each split."""


@dataclass(frozen=True, slots=True)
class DataSliceRecord:
    slice: Mapping[str, str]
    effect: float
    ci: Interval
    num_examples: int
    num_pool: int
    losses: tuple[float, ...] = ()
    """Mean loss of its rows at each checkpoint, oldest first, nats per token; empty where none was attributed."""
    nearness: Nearness | None = None
    """How near the rows are to the failed items; null where a predicate defines them."""


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
    """Data slice that BM25, hidden states and plain loss name by the same rule; empty where they name none."""
    tests: tuple[Evidence, ...] = ()
    """Evidence of all tests, in the order in which they were made."""
    sources: tuple[DataSliceRecord, ...] = ()
    """Rows of each source of corpus and pool, the most harmful first; empty where they have one."""
    would_decide: str = ""
    """Cheapest experiment that would change the answer, or confirm it; empty where it was made."""
    experiments: tuple[Experiment, ...] = ()
    """Repairs that were tried in small trainings, in the order of their causes; empty where none was."""
    concluded: str = ""
    """What these showed, in a sentence."""
    shown_causes: tuple[str, ...] = ()
    """All causes, where more than one is true at once, in the order of what their repairs did; else empty."""


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """A slice that items and rows share: features of its rows, and how often its items fail."""

    slice: Mapping[str, str]
    num_items: int
    failure_rate: float
    ci: Interval
    num_rows: int
    """Rows of the slice in a sample of the corpus."""
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProfilesRecord:
    profiles: tuple[ProfileRecord, ...]
    weights: tuple[FeatureWeight, ...]
    explained: float | None
    """R² of predicting the log-odds of failing, leaving one slice out at a time; None without a fit."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """Change of a failing slice by leaving rows out, against training on everything: mean over seeds, and each seed."""

    loss: float
    """Change of the loss of a failed item, nats, as attribution predicts it; positive is harm."""
    losses: tuple[float, ...]
    score: float
    """Change of the score over all probe items of the slice; negative is harm."""
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DroppedRecord:
    """Change by leaving out the rows that help a finding most by attribution, and as many at random."""

    slice: Mapping[str, str]
    num_rows: int
    score: float
    """Score after retraining on everything, mean over seeds."""
    helpful: ChangeRecord
    random: ChangeRecord
    """Change by leaving out random rows, mean over several draws."""


@dataclass(frozen=True, slots=True)
class LeftOutRecord:
    """Predicted and real change of a failing slice by leaving out a data slice."""

    data_slice: Mapping[str, str]
    slice: Mapping[str, str]
    num_rows: int
    predicted: float | None
    """Sum of the effects of its rows, nats of the loss; positive is harm. Null where none of them was attributed."""
    change: ChangeRecord
    expected_loss: Estimate | None
    """Expected change of the loss, 95 % prediction interval, calibrated on other data slices; null for `reason`."""
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
    """Changes that were predicted to do harm, and did."""
    num_contradicted: int
    """Changes that were predicted to do harm, and did none."""


@dataclass(frozen=True, slots=True)
class FidelityRecord:
    """How reliable attribution is, by retraining the model on parts of its corpus."""

    num_parts: int
    """Random halves of the attributed rows that were trained on."""
    num_seeds: int
    num_rows: int
    """Attributed rows of the corpus, of which the halves are drawn."""
    num_diverged: int
    """Trainings without a finite loss, left out with their part."""
    lds: Estimate | None
    """Rank correlation of predicted and real losses over the halves, mean over findings, in [-1, 1]; null for
    `reason`."""
    ceiling: float | None
    """Largest correlation that any prediction could reach with these seeds; null with one seed."""
    reason: str
    slice_lds: Estimate | None
    """Rank correlation over the data slices left out, which are larger than single rows' noise; null with fewer
    than 4."""
    slice_ceiling: float | None
    dropped: tuple[DroppedRecord, ...]
    left_out: tuple[LeftOutRecord, ...]
    calibration: CalibrationRecord | None
    """Calibration on all data slices left out; null with fewer than 5 changes."""


@dataclass(frozen=True, slots=True)
class SliceNodeRecord:
    """A failing slice, or a task with failing slices inside."""

    slice: Mapping[str, str]
    inside: Mapping[str, str] | None
    """Smallest other node with all of its items; null for a root."""
    depth: int
    """Number of nodes above."""
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
    """Features of the data of each slice, beside how the model does on it; None where nothing fails."""
    tree: tuple[SliceNodeRecord, ...] = ()
    """Failing slices in reading order: each node is followed by those inside it."""
    left_out: tuple[LeftOut, ...] = ()
    """Tests that could not be made, with the reason."""
    pilot_share: float = 0.0
    """Tokens of the small trainings that settled causes, as a share of those of the round's trainings at the first
    look; 0 where none was made. A later round with the same champion has those of the first one."""
