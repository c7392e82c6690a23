"""Tell whether a task's filter could read an answer out of what a model wrote.

A filter extracts where one of its steps has a fallback, the text that stands for an answer that it did not find:
lm-eval's `regex`, `multi_choice_regex` and `regex_pos`, and what tasks derive from them. Later steps may change the
fallback, so they are applied to it too. An answer that is empty in the end was not read either.
"""

from collections.abc import Sequence
from typing import Any

from lm_eval.api.filter import FilterEnsemble


def tell_unparsed(
    pipeline: FilterEnsemble, answers: Sequence[Any], documents: Sequence[Any], repeats: int
) -> list[bool | None]:
    """Tell of each answer, as the filter left it, whether it is none; always None where the filter extracts nothing.

    Args:
        answers: Answer to each document, after the filter.
        documents: As the task has them.
        repeats: Number of times that each document was asked.
    """
    steps = [make() for make in pipeline.filters]
    fallbacks: list[list[Any]] = []
    for place, step in enumerate(steps):
        if hasattr(step, "fallback"):
            left: Any = [[step.fallback] * repeats for _ in documents]
            for later in steps[place + 1 :]:
                left = later.apply(left, documents)
            fallbacks.append(list(left))
    if not fallbacks:
        return [None] * len(answers)
    return [
        is_empty(answer) or any(answer == of_step[place] for of_step in fallbacks)
        for place, answer in enumerate(answers)
    ]


def is_empty(answer: Any) -> bool:
    """Whether nothing is left of an answer, or of all answers of a list."""
    if isinstance(answer, (list, tuple)):
        return all(is_empty(one) for one in answer)
    return answer is None or not str(answer).strip()
