"""Name the way in which a failed answer is wrong: by rules, by the model's certainty, by a classifier, in that order.

A rule that fits is right by its definition, so it comes first. The classifier may abstain, and what it leaves is
`wrong`. Costs an edit distance for each failed item, and half a millisecond to one where the classifier is used.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log

from diagnose.modes.classifier import ModeClassifier, answered
from diagnose.modes.mode import Likelihood, Mode
from diagnose.modes.rules import mode_by_rules
from evals.items import ItemKey, ItemResult, OutputType

_CONFIDENT = log(0.9)
"""Smallest log-probability per token of an answer that the model is certain of."""
_UNLIKELY = log(2)
"""Smallest lead of that answer over the gold in log-probability per token."""


def modes_of(
    failed: Sequence[ItemResult],
    classifier: ModeClassifier | None = None,
    likelihoods: Mapping[ItemKey, Likelihood] | None = None,
) -> list[Mode]:
    """Name the mode of each of comparable failed items.

    Args:
        classifier: Names what rules leave; without it that is `wrong`.
        likelihoods: Likelihood of answer and gold, by item. An item without one cannot be `confident_wrong`.
    """
    gold_words = {word for result in failed for word in result.item.target.split()}
    modes: list[Mode | None] = []
    for result in failed:
        key = result.item.key
        mode = mode_by_rules(result, gold_words)
        if mode is None and likelihoods is not None and key in likelihoods and _is_confident(likelihoods[key]):
            mode = Mode.CONFIDENT_WRONG
        modes.append(mode)
    left = [k for k, mode in enumerate(modes) if mode is None and has_answer(failed[k])]
    if classifier is not None:
        for k, mode in zip(left, classifier.modes_of([answered(failed[k]) for k in left]), strict=True):
            modes[k] = mode
    return [mode or Mode.WRONG for mode in modes]


def mode_shares(
    failed: Sequence[ItemResult],
    classifier: ModeClassifier | None = None,
    likelihoods: Mapping[ItemKey, Likelihood] | None = None,
) -> Mapping[str, float]:
    """Share of failed items in each mode that occurs, largest first; sum 1. Arguments are those of `modes_of`. Of texts
    whose likelihood is all that was asked there is none."""
    asked = [result for result in failed if result.item.output_type is not OutputType.LOGLIKELIHOOD_ROLLING]
    counts = Counter(modes_of(asked, classifier, likelihoods))
    return {mode.value: count / len(asked) for mode, count in counts.most_common()}


def _is_confident(likelihood: Likelihood) -> bool:
    return likelihood.answer >= _CONFIDENT and likelihood.answer - likelihood.gold >= _UNLIKELY


def has_answer(result: ItemResult) -> bool:
    """Whether there is an answer to look at; a task of log-likelihoods alone leaves none."""
    return result.item.output_type in (OutputType.GENERATE_UNTIL, OutputType.MULTIPLE_CHOICE) and bool(
        result.answer.strip()
    )
