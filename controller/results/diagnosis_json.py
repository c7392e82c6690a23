"""What `loop.json` says of a diagnosis: findings with their evidence, slices, how far attribution can be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.results.estimate import Estimate


@dataclass(frozen=True, slots=True)
class ExampleRecord:
    id: str
    source: str
    prompt: str
    completion: str
    score: float


@dataclass(frozen=True, slots=True)
class NearnessRecord:
    """Rows of a data slice that no predicate tells; scores are the share of the failed items that lie no nearer to each
    other, in [0, 1]."""

    nearest: tuple[ExampleRecord, ...]
    farthest: tuple[ExampleRecord, ...]
    """The farthest first."""
    views: tuple[str, ...]
    """What said how near they are: words, hidden states, attribution."""


@dataclass(frozen=True, slots=True)
class DataSliceRecord:
    slice: Mapping[str, str]
    effect: float
    ci: tuple[float, float]
    num_examples: int
    num_pool: int
    losses: tuple[float, ...] = ()
    """Mean loss of its rows at each checkpoint, oldest first, nats for each token; empty where none was attributed."""
    nearness: NearnessRecord | None = None
    """Null where a predicate tells its rows."""


@dataclass(frozen=True, slots=True)
class ExamplesRecord:
    helpful: tuple[ExampleRecord, ...]
    harmful: tuple[ExampleRecord, ...]
    nearest: tuple[ExampleRecord, ...] = ()
    """Of the corpus, by word similarity to a failed item."""


@dataclass(frozen=True, slots=True)
class FailedItemRecord:
    id: str
    task: str
    prompt: str
    target: str
    answer: str
    has_rival: bool = False
    """Multiple choice where another answer won."""
    leaned_on: tuple[tuple[str, float], ...] = ()
    """Words of the prompt with their shares, absolute values sum to 1: positive speaks for the gold answer, or, where
    there is a rival, for the rival over the gold answer."""


@dataclass(frozen=True, slots=True)
class TestRecord:
    """What one test of a finding found."""

    test: str
    values: Mapping[str, float]
    says: str
    num_tokens: int
    seconds: float
    items: tuple[str, ...]
    """Ids of the probe items that it points at."""
    rows: tuple[str, ...]
    """Ids of the training rows that it points at."""


@dataclass(frozen=True, slots=True)
class FindingRecord:
    slice: Mapping[str, str]
    data_slice: Mapping[str, str]
    num_items: int
    num_failed: int
    failure_rate: float
    ci: tuple[float, float]
    p_adjusted: float
    modes: Mapping[str, float]
    cause: str
    cause_probability: float
    causes: Mapping[str, float]
    data_slices: tuple[DataSliceRecord, ...]
    evidence: Mapping[str, float | str]
    examples: ExamplesRecord
    failed_items: tuple[FailedItemRecord, ...]
    named_by: Mapping[str, str] = field(default_factory=dict)
    """The data slice that BM25, hidden states and plain loss name by the same rule; empty where they name none."""
    tests: tuple[TestRecord, ...] = ()
    """In the order in which they were made."""
    would_decide: str = ""
    """The cheapest experiment that would change the answer, or confirm it."""


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """A slice that items and rows share: what its rows are like, and how often its items fail."""

    slice: Mapping[str, str]
    num_items: int
    failure_rate: float
    ci: tuple[float, float]
    num_rows: int
    """Of a sample of the corpus."""
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FeatureWeightRecord:
    """Change of the log-odds of failing with a standard deviation of a feature, the others held."""

    feature: str
    weight: float
    ci: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ProfilesRecord:
    profiles: tuple[ProfileRecord, ...]
    weights: tuple[FeatureWeightRecord, ...]
    explained: float | None
    """Share of the variance of the log-odds told of slices left out; None without a fit."""


@dataclass(frozen=True, slots=True)
class AttributedRecord:
    """The training rows whose gradients were asked."""

    num_rows: int
    num_truncated: int
    num_left_out: int
    """Not finite: named, and scored 0."""
    left_out: tuple[str, ...]
    """Ids of the first of them."""
    num_items_left_out: int


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
    ci: tuple[float, float]
    is_finding: bool


@dataclass(frozen=True, slots=True)
class DiagnosisRecord:
    findings: tuple[FindingRecord, ...]
    attributed: AttributedRecord | None = None
    fidelity: FidelityRecord | None = None
    """Null where `diagnose.fidelity` is off, nothing was attributed, or the budget does not allow it."""
    profiles: ProfilesRecord | None = None
    """What the data of each slice is like, beside how the model behaves on it; None where nothing fails."""
    tree: tuple[SliceNodeRecord, ...] = ()
    """In reading order: each node is followed by what is inside it."""
