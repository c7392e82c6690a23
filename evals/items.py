"""Evaluation items, what a model did with each, and the report of many.

An item belongs to one of three splits (`evals.splits`). `ProbeReport` is the only report that a
function of `diagnose` or `interventions` accepts: it refuses items of the other splits when built.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from evals.model_ref import ModelRef
from evals.splits import Split, split_of


class OutputType(StrEnum):
    """lm-eval's four ways of asking a model."""

    GENERATE_UNTIL = "generate_until"
    MULTIPLE_CHOICE = "multiple_choice"
    LOGLIKELIHOOD = "loglikelihood"
    LOGLIKELIHOOD_ROLLING = "loglikelihood_rolling"


class ItemKey(NamedTuple):
    """Key of an item. Ids alone can repeat across tasks, where one task holds the documents of another."""

    task: str
    id: str

    def __str__(self) -> str:
        return f"{self.task}/{self.id}"


@dataclass(frozen=True, slots=True)
class Item:
    """One evaluation item as the harness asks it."""

    task: str
    id: str
    """Hash of the document and number of its occurrence in the task, `<hash>-<number>`."""
    split_key: str
    """Key that near copies share; it alone decides the split."""
    document: Mapping[str, Any]
    """The task's own document, JSON values only."""
    prompt: str
    """The context as sent, few-shot examples included; empty for rolling tasks."""
    target: str
    """The gold answer as text, without delimiter; the whole text of a rolling task."""
    delimiter: str
    """Text between prompt and target."""
    output_type: OutputType
    question: str = ""
    """The prompt without description and few-shot examples, the target where a task has no prompt;
    empty where it is the prompt itself."""
    is_chat: bool = False
    """Whether the prompt is a conversation in the markup of a chat template."""

    @property
    def key(self) -> ItemKey:
        return ItemKey(self.task, self.id)

    @property
    def text(self) -> str:
        """Text that identifies the item whatever few-shot examples precede it; near copies share it."""
        return self.question or self.prompt or self.target

    @property
    def split(self) -> Split:
        return split_of(self.split_key)

    @property
    def span(self) -> tuple[int, int]:
        """Start and end of the question in the prompt, after description, examples and markup; the whole prompt where
        it does not stand there as it is."""
        question = self.question.strip()
        start = self.prompt.rfind(question) if question else -1
        return (start, start + len(question)) if start >= 0 else (0, len(self.prompt))

    @property
    def asked(self) -> str:
        """The question as it stands in the prompt; the whole prompt where it does not."""
        start, end = self.span
        return self.prompt[start:end]

    @property
    def shown(self) -> str:
        """The prompt as people read it: of a conversation the question, without examples and markup."""
        return self.asked if self.is_chat else self.prompt

    def prompt_with(self, text: str) -> str:
        """The prompt with another text in place of the question."""
        start, end = self.span
        return self.prompt[:start] + text + self.prompt[end:]


@dataclass(frozen=True, slots=True)
class Edited:
    """An item to be asked under another prompt."""

    item: Item
    prompt: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An item with an answer to be scored, whoever wrote it."""

    item: Item
    answer: str


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What a model did with one item."""

    item: Item
    answer: str
    """Generated text after lm-eval's filter, or the choice with the highest likelihood."""
    metrics: Mapping[str, float]
    """Every finite scalar metric of the item."""
    metric: str
    """Name of the metric that the item is judged by: `evals.metric`, else the task's first."""
    score: float
    """Value of that metric, oriented so that higher is better; in [0, 1] for 0/1 metrics."""
    is_failed: bool
    is_unparsed: bool | None = None
    """Whether the filter that is judged found no answer in what was written; None where it looks for none."""


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Results of one model on the items of one split, in a fixed order (task, then document order)."""

    model: ModelRef
    split: Split
    results: tuple[ItemResult, ...]
    num_unscored: int
    """Items without a finite score: left out of `results`."""
    num_tokens: int
    """Tokens of prompts and answers that went through the model."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of each task, as the task file says; a task that is not named has an unknown version."""


def check_pairable(reports: Mapping[str, EvalReport]) -> None:
    """Check that scores of these reports, given by name, can be compared item by item.

    Raises:
        ValueError: a report lacks more items than it left unscored, or has a task of another version.
    """
    version_of: dict[str, tuple[str, str]] = {}
    for name, report in reports.items():
        for task, version in report.versions.items():
            other, known = version_of.setdefault(task, (name, version))
            if version != known:
                raise ValueError(
                    f"cannot pair reports of different task versions: {task} is version {known} in {other}, "
                    f"{version} in {name}; measure both with the same task files"
                )
    keys = {name: {str(r.item.key) for r in report.results} for name, report in reports.items()}
    most = max(keys, key=lambda name: len(keys[name]))
    everything = dict.fromkeys(key for of_report in keys.values() for key in sorted(of_report))
    for name, report in reports.items():
        missing = [key for key in everything if key not in keys[name]]
        if len(missing) > report.num_unscored:
            other = most if name != most else next(n for n in keys if missing[0] in keys[n])
            raise ValueError(
                f"cannot pair reports of different items: {other} has {len(keys[other])}, {name} has "
                f"{len(keys[name])} (first missing: {missing[0]}); measure both on the same items"
            )


@dataclass(frozen=True, slots=True)
class ProbeReport(EvalReport):
    """A report of probe items only, the one report that diagnosis and interventions may see.

    Raises:
        PermissionError: an item of `select` or `sealed` is among the results, whatever `split` says.
    """

    def __post_init__(self) -> None:
        foreign = [r.item for r in self.results if r.item.split is not Split.PROBE]
        if foreign or self.split is not Split.PROBE:
            first = f" (first: {foreign[0].key})" if foreign else ""
            raise PermissionError(
                f"a diagnosis may read probe items only, got {len(foreign)} of {len(self.results)} items "
                f"from another split{first}; pass the report of split 'probe'"
            )
