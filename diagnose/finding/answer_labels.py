"""Tell whether the answers of failing items are labels, and count the measured items with each as gold answer.

Labels are few answers that many items share: a model chooses among them, and how often training shows one decides how
often it is given, also where another is right (prior shift, Saerens et al. 2002, Neural Computation 14(1)). Answers
that are written out do not compete. Uses no model.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool
from evals.items import ItemResult

MOST_LABELS = 60
"""Most distinct answers of a classification."""
LEAST_OF_LABEL = 5
"""Fewest items that share an answer, for it to be a label."""
_NEARLY_ALL = 0.95
"""Smallest share of the failing slice's items whose gold answer is a label."""


def as_label(answer: str) -> str:
    """Put single spaces between the words of an answer, so that answers can be compared."""
    return " ".join(answer.split())


def labels_of(rows: TrainPool) -> list[str]:
    """Completions of rows, each as a label."""
    return [as_label(completion) for completion in rows.rows["completion"][:]]


def label_golds(results: Sequence[ItemResult], inside: NDArray[np.bool_]) -> Mapping[str, int]:
    """Count the measured items with each label as gold answer; empty where the slice's answers are no labels.

    They are counted over the tasks of the slice's items; where most of its failed answers are no gold answer there,
    also over the items of other tasks, guards among them, that have those as gold answers: one task for each class is
    one classification.

    Args:
        results: All probe items.
        inside: Whether each is in the failing slice, [num_results].
    """
    own_tasks = {result.item.task for result, own in zip(results, inside, strict=True) if own}
    golds = [as_label(result.item.target) for result in results]
    is_own = np.array([result.item.task in own_tasks for result in results], bool)
    counts = _frequent(golds, is_own)
    of_slice = [gold in counts for gold, own in zip(golds, inside, strict=True) if own]
    if not of_slice or sum(of_slice) < _NEARLY_ALL * len(of_slice):
        return {}
    given = [as_label(r.answer) for r, own in zip(results, inside, strict=True) if own and r.is_failed]
    foreign = [answer for answer in given if answer not in counts]
    if 2 * len(foreign) > len(given):
        counts |= _frequent(golds, ~is_own, among=set(foreign))
    return counts if 2 <= len(counts) <= MOST_LABELS else {}


def _frequent(golds: Sequence[str], chosen: NDArray[np.bool_], among: Collection[str] | None = None) -> dict[str, int]:
    counts = Counter(gold for gold, is_chosen in zip(golds, chosen, strict=True) if is_chosen)
    return {
        gold: number
        for gold, number in counts.items()
        if gold and number >= LEAST_OF_LABEL and (among is None or gold in among)
    }
