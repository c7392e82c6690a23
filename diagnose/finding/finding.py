"""What diagnosis hands on: the failing slices, the cause of each, and the data behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from diagnose.finding.evidence import Evidence
from diagnose.finding.forms import Form
from diagnose.slices.data.data_slice import DataSlice, ScoredExample
from diagnose.slices.predicate import Slice
from diagnose.slices.tree import SliceNode
from evals.statistics.intervals import Interval


class Cause(StrEnum):
    """Each defined by the repair that would work (docs/diagnosis.md); order is precedence."""

    TRAINING_SETUP = "training_setup"
    CONTAMINATION = "contamination"
    FORMAT = "format"
    WRONG_GOLD = "wrong_gold"
    WRONG_LABELS = "wrong_labels"
    SHORTCUT = "shortcut"
    DUPLICATES = "duplicates"
    UNDERWEIGHTED = "underweighted"
    MISSING_DATA = "missing_data"
    CAPACITY = "capacity"
    UNKNOWN = "unknown"


NOT_DATA = frozenset({Cause.TRAINING_SETUP, Cause.FORMAT, Cause.WRONG_GOLD, Cause.CAPACITY})


@dataclass(frozen=True, slots=True)
class Examples:
    """Training examples behind a finding, best first."""

    helpful: tuple[ScoredExample, ...]
    harmful: tuple[ScoredExample, ...]
    nearest: tuple[ScoredExample, ...] = ()
    """Of the corpus, by word similarity to a failed item."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A failed probe item shown to people."""

    id: str
    task: str
    prompt: str
    target: str
    answer: str
    has_rival: bool = False
    """Multiple choice where another answer won."""
    leaned_on: tuple[tuple[str, float], ...] = ()
    """The words of the prompt, each with its share of what the prompt does for the log-probability of the gold answer,
    or of the rival over the gold answer; absolute values sum to 1. Empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Finding:
    slice: Slice
    """Predicate over evaluation items."""
    data_slice: Slice
    """Over training rows, a predicate or a list of the nearest: where a fix acts."""
    num_items: int
    num_failed: int
    failure_rate: float
    ci: Interval
    p_adjusted: float
    """Benjamini-Hochberg, on the half of the probe items that did not find the slice."""
    modes: Mapping[str, float]
    """Share of the failed items in each failure mode."""
    causes: Mapping[Cause, float]
    """Probabilities, sum 1."""
    data_slices: tuple[DataSlice, ...]
    """Best first; `data_slice` is the slice of the first."""
    named_by: Mapping[str, str]
    """The data slice that each control (`diagnose.baselines`) names by the same rule; empty where it names none."""
    evidence: Mapping[str, float | str]
    """The numbers of all tests, by name."""
    tests: tuple[Evidence, ...]
    """What each test found, in the order in which they were made."""
    examples: Examples
    failed_items: tuple[FailedItem, ...]
    queries: tuple[str, ...]
    """Question and target of the failed probe items that were attributed."""
    forms: tuple[Form, ...] = ()
    """In which the failed items come right, from the training's to the evaluation's."""
    unconfirmed: Slice | None = None
    """Over training rows: the best by the items alone where attribution confirms no data slice."""
    golds: Mapping[str, int] = field(default_factory=dict)
    """Probe items of its tasks by gold answer, where answers are labels (`diagnose.finding.answer_labels`); else
    empty."""

    @property
    def fails(self) -> str:
        """In words, as reasons begin."""
        return f"{self.slice} fails {self.num_failed} of {self.num_items}"

    @property
    def acted_on(self) -> Slice:
        """Rows that a fix acts on: the data slice, or what the failing slice asks where no rows are known."""
        return self.data_slice if self.data_slices else self.slice

    @property
    def expected_gain(self) -> float:
        """Failed items that a fix for its cause may make right: those that do not fail for another one, outside the
        data."""
        elsewhere = (NOT_DATA | {Cause.CONTAMINATION}) - {self.cause}
        return self.num_failed * (1 - sum(self.causes.get(cause, 0.0) for cause in elsewhere))

    @property
    def cause(self) -> Cause:
        """The most probable; on a tie the first in the order of `Cause`."""
        return max(Cause, key=lambda cause: self.causes.get(cause, 0.0))


@dataclass(frozen=True, slots=True)
class Profile:
    """One slice, on both sides."""

    slice: Slice
    num_items: int
    failure_rate: float
    ci: Interval
    num_rows: int
    """Of the sample of the corpus."""
    features: Mapping[str, float]
    """By `diagnose.evidence.profiles.FEATURES`; all but `rows` are left out where there is no row."""


@dataclass(frozen=True, slots=True)
class FeatureWeight:
    """How failing goes with a feature, over slices."""

    feature: str
    weight: float
    """Change of the log-odds of failing with a standard deviation of the feature, the others held."""
    ci: Interval
    """Of a bootstrap over slices."""


@dataclass(frozen=True, slots=True)
class Profiles:
    profiles: tuple[Profile, ...]
    """The one that fails most first."""
    weights: tuple[FeatureWeight, ...]
    """The largest first; none where the slices are too few."""
    explained: float | None
    """Share of the variance of the log-odds that is told of slices left out, at most 1; 0 or less is no better than
    their mean. None without a fit."""


@dataclass(frozen=True, slots=True)
class Attributed:
    """The training rows whose gradients were asked."""

    num_rows: int
    num_truncated: int
    """Longer than the model's context or `train.max_length`: scored by the tokens that are left."""
    num_left_out: int
    """Their loss or gradient is not finite at some checkpoint; their scores are 0."""
    left_out: tuple[str, ...]
    """Ids of the first of them."""
    num_items_left_out: int
    """Failed items of that kind."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    findings: tuple[Finding, ...]
    """What explains most failed items first; contamination, which explains successes, before them where it is much of a
    task and behind them where it is little."""
    num_items: int
    num_failed: int
    num_tokens: int
    """Tokens that went through the model for the diagnosis, forward and backward; three forward alone count as one."""
    attributed: Attributed | None = None
    """None where nothing was."""
    profiles: Profiles | None = None
    """What the data of each slice is like, beside how the model behaves on it; None where nothing fails."""

    tree: tuple[SliceNode, ...] = ()
    """The failing slices, each under the one that it is inside of (`diagnose.slices.tree`)."""

    @property
    def attributed_findings(self) -> tuple[Finding, ...]:
        """Those of failing slices, in the order of their effects; contamination explains successes."""
        return tuple(finding for finding in self.findings if finding.queries)
