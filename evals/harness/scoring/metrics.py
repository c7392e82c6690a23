"""Turn what a task computes for one item into a score, and scores into failures.

An lm-eval metric is not always a number for each item: some hand a pair to a function of the whole task
(`perplexity`, `f1`, `bleu`). What each becomes here:

- numbers and truth values stay what they are;
- log-likelihoods (`perplexity`, `word_perplexity`, `byte_perplexity`, `bits_per_byte`) are nats per unit of
  their weight (word, byte; the whole target for `perplexity`), at most 0, higher is better, whatever the
  task says: exponentials of single items overflow, and their mean is not the perplexity;
- pairs of gold and predicted label (`f1`, `mcc`) become 1 if they agree, else 0;
- what only a whole corpus has (`bleu`, `chrf`, `ter`) has no score for one item and is left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from statistics import median
from typing import SupportsFloat

from evals.suite import EvalSuite


class MetricKind(Enum):
    VALUE = auto()
    LOG_LIKELIHOOD = auto()
    LABEL_PAIR = auto()


@dataclass(frozen=True, slots=True)
class Metric:
    """A task's metric as one of its filters gives it."""

    name: str
    """The task's name for the metric, with `/<filter>` appended for every filter but the task's first."""
    kind: MetricKind
    is_higher_better: bool
    filter: str | None = None
    """Filter whose answers it judges; None where answers were recorded without one."""

    @property
    def names(self) -> tuple[str, ...]:
        """What a user may call it: as it stands, and with the filter left out or written out."""
        own = self.name if self.filter is None else self.name.removesuffix(f"/{self.filter}")
        return (self.name, own, f"{own}/{self.filter}")


def item_value(raw: object, kind: MetricKind) -> float | None:
    """Value of the metric for one item, None where it is not a finite number."""
    value: object = raw
    if isinstance(raw, (tuple, list)):
        if len(raw) != 2:
            return None
        first, second = raw
        if kind is MetricKind.LABEL_PAIR:
            value = second in first if isinstance(first, list) else first == second
        elif kind is MetricKind.LOG_LIKELIHOOD and float(second) > 0:
            value = float(first) / float(second)
        else:
            return None
    if not isinstance(value, SupportsFloat) or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def oriented(value: float, metric: Metric) -> float:
    """Score in which higher is better. A metric where lower is better counts as 1 minus its value, which keeps 0/1
    metrics in [0, 1] and the differences of the others."""
    is_higher_better = metric.kind is not MetricKind.VALUE or metric.is_higher_better
    return value if is_higher_better else 1 - value


def may_judge(suite: EvalSuite, metrics: Sequence[Metric]) -> list[Metric]:
    """Metrics of a task that may judge it, the best first: that of `evals.metric` alone, else all of `evals.filter`."""
    of_filter = [metric for metric in metrics if metric.filter == suite.filter] or list(metrics)
    return [metric for metric in of_filter if suite.metric in metric.names] or of_filter


def judged_metric(suite: EvalSuite, metrics: Sequence[Metric], values: Sequence[Mapping[str, float]]) -> Metric | None:
    """Metric by which a task's items are judged: the first that may judge and has a value for any item; None where none
    has one."""
    return next((one for one in may_judge(suite, metrics) if any(one.name in of_item for of_item in values)), None)


def check_judged_by(settings: Mapping[str, EvalSuite], metrics: Mapping[str, Sequence[Metric]]) -> None:
    """Check that the metrics and filters that the settings of each task name exist.

    Raises:
        ValueError: none of the tasks that are to be judged by a metric or a filter has it, or a metric is of another
            filter than the wanted one.
    """
    filters = {task: [one.filter for one in own if one.filter is not None] for task, own in metrics.items()}
    names = {task: [name for one in own for name in one.names] for task, own in metrics.items()}
    listed = {task: [one.name for one in own] for task, own in metrics.items()}
    _check_known("metric", {task: own.metric for task, own in settings.items()}, names, listed)
    _check_known("filter", {task: own.filter for task, own in settings.items()}, filters, filters)
    for task, own in settings.items():
        has_both = own.filter in filters[task] and own.metric in names[task]
        if has_both and own.metric not in may_judge(own, metrics[task])[0].names:
            raise ValueError(
                f"evals.metric={own.metric!r} and evals.filter={own.filter!r} choose two filters for task {task!r}; "
                "leave one of them out"
            )


def _check_known(
    noun: str,
    wanted: Mapping[str, str | None],
    known: Mapping[str, Sequence[str]],
    listed: Mapping[str, Sequence[str]],
) -> None:
    """Raise a ValueError for a value that none of its tasks knows; the message has the listed names."""
    for value in dict.fromkeys(value for value in wanted.values() if value is not None):
        tasks = [task for task, own in wanted.items() if own == value]
        if not any(value in known[task] for task in tasks):
            names = list(dict.fromkeys(name for task in tasks for name in listed[task]))
            near = get_close_matches(value, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"evals.{noun}={value!r} is a {noun} of no task that it is for ({', '.join(tasks)}); {hint}they have "
                f"{', '.join(names) or 'none'}"
            )


def failures(scores: Sequence[float]) -> list[bool]:
    """Tell which items of one task failed, from their scores in one report.

    Scores that all lie in [0, 1] fail below one half: a 0/1 metric fails at 0, an F1 or a ROUGE when it
    misses more than it has. Where the scale has no such point (log-likelihoods, BLEU in percent) the worse
    half fails: what is strictly below the median of the task's items in this report. This shows where
    a model is comparatively weak; compare scores between models, never these failures.
    """
    if all(0 <= score <= 1 for score in scores):
        return [score < 0.5 for score in scores]
    middle = median(scores)
    return [score < middle for score in scores]
