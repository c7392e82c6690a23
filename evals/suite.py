"""Settings of `evals.*`: which tasks are measured, and how."""

from dataclasses import dataclass, field
from typing import Any

from evals.leaks.templates import make_templates
from evals.validation import FREE


@dataclass
class EvalSuite:
    """Settings of the measurement; every field is a key `evals.<field>`."""

    tasks: list[str] = field(default_factory=list)
    """Names of lm-eval tasks or groups."""
    include_path: str | None = field(default=None, metadata=FREE)
    """Folder of lm-eval YAML task files, searched before the built-in ones."""
    guards: list[str] = field(default_factory=list)
    """Further tasks or groups that must not get worse; measured like `tasks`, never fixed."""
    guard_rest: bool = True
    """Whether all other items of the tasks, beside those that a fix is for, must not get worse either."""
    limit: int | None = None
    """Items per task (the first ones); unset means all."""
    num_fewshot: int | None = None
    slices: list[str] = field(default_factory=list)
    """Fields of the item's document by which failures are reported."""
    metric: str | None = None
    """Judge items by this metric of each task; unset means the task's first."""
    templates: dict[str, list[str]] = field(default_factory=dict)
    """Rules for near copies: patterns with named groups; texts that match patterns of one rule with the same groups
    ask the same (`evals.leaks.templates`)."""
    samples: Any = field(default_factory=list, metadata=FREE)
    """Folder of results that were made elsewhere, or several, of one model each: logs of lm-eval, Inspect or Every Eval
    Ever (`evals.samples`). They are diagnosed in the place of a measurement."""
    filter: str | None = None
    """Filter whose answers are read from `samples`; unset means the one that a task has."""
    batch_size: int = 64
    max_gen_toks: int | None = None
    """Longest answer, in tokens; unset leaves it to the task."""

    def __post_init__(self) -> None:
        self.samples = [self.samples] if isinstance(self.samples, str) else list(self.samples or ())
        if self.filter is not None and not self.samples:
            raise ValueError(
                f"evals.filter chooses among recorded answers, got {self.filter} without evals.samples; a measured "
                "task is judged by another filter with evals.metric=exact_match/FILTER"
            )
        for key in ("limit", "batch_size", "max_gen_toks"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"evals.{key} must be at least 1, got {value}; leave it unset for no limit")
        make_templates(self.templates)
        if self.num_fewshot is not None and self.num_fewshot < 0:
            raise ValueError(f"evals.num_fewshot must not be negative, got {self.num_fewshot}")
