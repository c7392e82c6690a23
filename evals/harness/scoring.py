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
from enum import Enum, auto
from statistics import median
from typing import SupportsFloat


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


def judged_metric(
    wanted: str | None, metrics: Sequence[Metric], values: Sequence[Mapping[str, float]]
) -> Metric | None:
    """Metric by which a task's items are judged: the wanted one where the task has it, else the first that has a value
    for any item; None where no metric has one."""
    named = [metric for metric in metrics if metric.name == wanted]
    for metric in named or metrics:
        if any(metric.name in of_item for of_item in values):
            return metric
    return None


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
