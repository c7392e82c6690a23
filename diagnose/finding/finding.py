"""Result of a diagnosis: the failing slices, the cause of each, and the data behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from diagnose.finding.evidence import Evidence, LeftOut
from diagnose.finding.forms import Form
from diagnose.slices.data.data_slice import DataSlice, ScoredExample
from diagnose.slices.predicate import Slice
from diagnose.slices.tree import SliceNode
from evals.items import ItemKey
from evals.statistics.intervals import Estimate, Interval


class Cause(StrEnum):
    """Causes of failures, each defined by the repair that would work (docs/diagnosis.md), in order of precedence."""

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


SHOWN = 0.9
"""Probability from which a repair is shown to work."""

LEAD = 0.05
"""Probability from which a cause is worth an experiment."""
BY_HEART = (Cause.TRAINING_SETUP, Cause.UNDERWEIGHTED)
"""Causes whose repair shows the same rows again."""
NOT_DATA = frozenset({Cause.TRAINING_SETUP, Cause.FORMAT, Cause.WRONG_GOLD, Cause.CAPACITY})


@dataclass(frozen=True, slots=True)
class Experiment:
    """What the repair of one cause did to a finding's items in small trainings, beside a control."""

    cause: Cause
    repair: str
    """What was changed, in words."""
    control: str
    """What it is compared with, in words."""
    effect: Estimate
    """Gain over the control in the likelihood of the gold answers, as a share of the gap between items that fail and
    items that pass; 1 closes it. Where answers are labels, less what the items of other labels lose."""
    score: Estimate | None
    """Gain over the control in score; None where no item was answered."""
    works: float
    """Probability that the repair closes at least half of the gap if it is trained on for as long as an arm."""
    is_first: float
    """Probability that it is the cause: it works and does at least half of what the best repair does in as many tokens,
    and no repair of an earlier cause does so."""
    num_items: int
    num_seeds: int
    length: float
    """Tokens of a small training as a share of an arm's."""
    is_part: bool = False
    """Whether it helps by less than half of the gap, as a repair of several slices at once: nothing is concluded for or
    against it, for the dose was a part of one."""
    is_rising: bool = False
    """Whether the log-likelihood still rose at the end of a longer training, and the likelihood hardly had yet: what
    the repair does in a whole arm cannot be told."""
    at_random: Estimate | None = None
    """Gain of as many rows at random, where the repair adds rows, over the same control and as the same share."""
    before: float = 0.0
    """Probability that other evidence gave the cause."""

    @property
    def closes(self) -> float:
        """Share of the gap that the repair would close if it were trained on for as long as an arm, at the same
        rate."""
        return 1.0 - float(max(1.0 - self.effect.mean, 0.0) ** (1.0 / self.length))


@dataclass(frozen=True, slots=True)
class Examples:
    """Training examples behind a finding, best first."""

    helpful: tuple[ScoredExample, ...]
    harmful: tuple[ScoredExample, ...]
    nearest: tuple[ScoredExample, ...] = ()
    """Rows of the corpus nearest to a failed item by word similarity."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A failed probe item shown to people."""

    id: str
    task: str
    prompt: str
    target: str
    answer: str
    has_rival: bool = False
    """Whether it is multiple choice and another answer won."""
    leaned_on: tuple[tuple[str, float], ...] = ()
    """Words of the prompt, each with its share of the prompt's effect on the log-probability of the gold answer, or of
    the rival over the gold answer; absolute values sum to 1. Empty where it is not known."""
    leaned_by: str = ""
    """How that was found: `integrated_gradients`, or `occlusion` where those do not add up."""


@dataclass(frozen=True, slots=True)
class Finding:
    slice: Slice
    """Predicate over evaluation items."""
    data_slice: Slice
    """Slice of training rows where a fix acts, a predicate or a list of the nearest, or those that a test blames; no
    condition if unknown."""
    num_items: int
    num_failed: int
    failure_rate: float
    ci: Interval
    p_adjusted: float
    """Benjamini-Hochberg p on the half of the probe items that did not find the slice, times two for the two halves."""
    modes: Mapping[str, float]
    """Share of the failed items in each failure mode."""
    causes: Mapping[Cause, float]
    """Probability of each cause, sum 1."""
    data_slices: tuple[DataSlice, ...]
    """Data slices, best first; `data_slice` is the slice of the first."""
    named_by: Mapping[str, str]
    """Data slice that each control (`diagnose.evidence.baselines`) names by the same rule; empty where it names
    none."""
    evidence: Mapping[str, float | str]
    """Numbers of all tests by name, with the data slice's `coverage` or `unconfirmed_data_slice`, and
    `unlike_fitted` where probabilities of causes were fitted on nothing like it."""
    tests: tuple[Evidence, ...]
    """Results of the tests, in the order in which they were made."""
    examples: Examples
    failed_items: tuple[FailedItem, ...]
    queries: tuple[str, ...]
    """Question and target of the failed probe items that were attributed."""
    forms: tuple[Form, ...] = ()
    """Forms in which the failed items come right, from the training's to the evaluation's."""
    unconfirmed: Slice | None = None
    """Best slice of training rows by the items alone, where attribution confirms no data slice."""
    sources: tuple[DataSlice, ...] = ()
    """Rows of each source of corpus and pool, the most harmful first; empty where they have one."""
    golds: Mapping[str, int] = field(default_factory=dict)
    """Number of probe items with each gold answer, where answers are labels (`diagnose.finding.answer_labels`); else
    empty."""
    held_out: tuple[ItemKey, ...] = ()
    """Failed items that were not attributed, so that no row was chosen by them: repairs are tried on these."""
    experiments: tuple[Experiment, ...] = ()
    """Repairs that were tried, in the order of their causes; empty where none was."""
    also: tuple[Cause, ...] = ()
    """Causes that are true at once with the most probable one, by what small trainings did; empty where none is."""

    def shows(self, cause: Cause) -> bool:
        """Whether small trainings showed that the repair of this cause works."""
        return any(one.cause is cause and one.works >= SHOWN for one in self.experiments)

    def with_causes(self, causes: Mapping[Cause, float]) -> "Finding":
        """Give it other probabilities of causes; where labels are to blame, a source that a test blames for them comes
        first of its data slices."""
        blamed = [test.blames for test in self.tests if test.blames is not None]
        first = tuple(source for source in self.sources if source.slice in blamed)
        slices = tuple(one for one in self.data_slices if one not in first)
        if max(Cause, key=lambda cause: causes.get(cause, 0.0)) is Cause.WRONG_LABELS:
            slices = (*first, *slices)
        where = slices[0].slice if slices else Slice(())
        return replace(self, causes=causes, data_slices=slices, data_slice=where)

    @property
    def named(self) -> tuple[Cause, ...]:
        """Causes that are named: the most probable one and those that are true at once with it, in the order of what
        their repairs did, the most probable one first where its own was not tried."""
        did = {one.cause: one.closes for one in self.experiments}
        return tuple(sorted((self.cause, *self.also), key=lambda cause: -did.get(cause, float("inf"))))

    @property
    def fails(self) -> str:
        """Failures of the slice in words, as reasons begin."""
        return f"{self.slice} fails {self.num_failed} of {self.num_items}"

    @property
    def acted_on(self) -> Slice:
        """Slice of the rows that a fix acts on: the data slice, or the failing slice where no rows are known."""
        return self.data_slice if self.data_slices else self.slice

    @property
    def expected_gain(self) -> float:
        """Number of failed items that a fix for the cause may make right: those that do not fail for another one,
        outside the data."""
        elsewhere = (NOT_DATA | {Cause.CONTAMINATION}) - {self.cause}
        return self.num_failed * (1 - sum(self.causes.get(cause, 0.0) for cause in elsewhere))

    @property
    def cause(self) -> Cause:
        """Most probable cause; of equal ones the first in the order of `Cause`."""
        return max(Cause, key=lambda cause: self.causes.get(cause, 0.0))


@dataclass(frozen=True, slots=True)
class Profile:
    """Features of a slice's training rows beside the failure rate of its items."""

    slice: Slice
    num_items: int
    failure_rate: float
    ci: Interval
    num_rows: int
    """Number of the slice's rows in the sample of the corpus."""
    features: Mapping[str, float]
    """Values of `diagnose.evidence.profiles.FEATURES`; all but `rows` are left out where there is no row."""


@dataclass(frozen=True, slots=True)
class FeatureWeight:
    """Weight of a feature in predicting which slices fail."""

    feature: str
    weight: float
    """Change of the log-odds of failing per standard deviation of the feature, the others held fixed."""
    ci: Interval
    """Bootstrap interval over slices, 95 %."""


@dataclass(frozen=True, slots=True)
class Profiles:
    profiles: tuple[Profile, ...]
    """Profiles, that of the slice that fails most first."""
    weights: tuple[FeatureWeight, ...]
    """Weights of the features, the largest absolute one first; none where the slices are too few."""
    explained: float | None
    """R² of predicting the log-odds of failing, leaving one slice out at a time, at most 1; 0 or less is no better than
    their mean. None without a fit."""


@dataclass(frozen=True, slots=True)
class Attributed:
    """Training rows that were attributed."""

    num_rows: int
    num_truncated: int
    """Number of rows longer than the model's context or `train.max_length`, scored by the tokens that are left."""
    num_left_out: int
    """Number of rows whose loss or gradient is not finite at some checkpoint; their scores are 0."""
    left_out: tuple[str, ...]
    """Ids of the first rows left out."""
    num_items_left_out: int
    """Number of failed items whose loss or gradient is not finite."""
    last_blocks: int | None = None
    """Number of the model's last blocks whose gradients were taken; None for all."""
    num_checkpoints: int = 1
    """Number of checkpoints whose effects are averaged; of one alone they are less sure."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    findings: tuple[Finding, ...]
    """Findings by the failed items that they explain, most first; contamination, which explains successes, is before
    them where it is much of a task and behind them where it is little."""
    num_items: int
    num_failed: int
    num_tokens: int
    """Tokens that went through the model for the diagnosis, forward and backward; three forward alone count as one."""
    attributed: Attributed | None = None
    """Rows that were attributed; None where nothing was."""
    profiles: Profiles | None = None
    """Profiles of the slices' data and failures; None where nothing fails."""

    tree: tuple[SliceNode, ...] = ()
    """Failing slices, each under the one that contains it (`diagnose.slices.tree`)."""
    left_out: tuple[LeftOut, ...] = ()
    """Tests that recorded answers leave out, each with the reason."""

    @property
    def attributed_findings(self) -> tuple[Finding, ...]:
        """Findings of failing slices, in the order of their effects; contamination explains successes and has none."""
        return tuple(finding for finding in self.findings if finding.queries)
