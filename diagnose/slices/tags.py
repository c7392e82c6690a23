"""Tag prompts and answers by a few plain rules: type of question, operation, background, form of the answer.

Tags are conditions of slices where no field of the user says as much, and read the same on evaluation items (text and
target) and on training rows (prompt and completion). A text may have several tags of one key, or none. The rules know
English key words only. How the harness asks (likelihood or generation) and whether examples stand before the question
are left out, since rows do not show it. Where a few answers are all there are, as in a classification, each answer is a
tag.

Cost: about 20 microseconds for a short text and all tags.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.slices.ranges import number

PROMPT_TYPE = "prompt type"
PROMPT_OPERATION = "prompt operation"
PROMPT_BACKGROUND = "prompt background"
ANSWER_FORM = "answer form"
GOLD_ANSWER = "gold answer"
"""Key whose values are the answers themselves."""
TAG_KEYS = (PROMPT_TYPE, PROMPT_OPERATION, PROMPT_BACKGROUND, ANSWER_FORM, GOLD_ANSWER)

LONG_CONTEXT, LONG_ANSWER = 200, 50
"""Fewest words of a prompt with a long context, and of an answer that is a long text."""
_FEW = 5
_MOST_ANSWERS = 60
"""Most distinct answers of a classification."""

_OPTIONS = re.compile(r"(?:^|\s)\(?A[.):] .*\s\(?B[.):] ")
_OPERATOR = re.compile(r"\d\s*[-+*/×÷^]\s*\d")
_QUOTED = re.compile(r"\"[^\" ]+ [^\"]+\"|“[^”]+ [^”]+”")
_CODE = re.compile(r"```|\b(?:def|class) \w+[(:]|\breturn \w+|\bimport \w+|\w\(\);|[;{] *\}|=> *\{|</\w+>")
_DIGIT = re.compile(r"\d")
EDGES = ".,;:!?()[]{}\"'“”‘’`"
"""Marks that are stripped around a word."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A text and its answer, read once for all rules; whitespace is one space."""

    text: str
    words: frozenset[str]
    """Words of the text, in lower case and without punctuation around them."""
    answer: str
    num_answer_words: int


_Rule = Callable[[_Read], bool]


def _any_of(*words: str) -> _Rule:
    return lambda read: not read.words.isdisjoint(words)


def _is_arithmetic(read: _Read) -> bool:
    return _computes(read) or _OPERATOR.search(read.text) is not None


def _is_negated(read: _Read) -> bool:
    return _denies(read) or "n't" in read.text or "n’t" in read.text


def _is_counting(read: _Read) -> bool:
    lower = read.text.lower()
    return _counts(read) or "how many" in lower or "number of" in lower


def _has_words(least: int, most: int) -> _Rule:
    return lambda read: least <= read.num_answer_words <= most and not _is_bare(read.answer)


def _is_bare(answer: str) -> bool:
    """Whether the answer is a number, yes or no, or one letter, each a form of its own."""
    return len(answer.strip(EDGES)) == 1 or _is_number(answer) or answer.strip(EDGES).lower() in _YES_OR_NO


def _is_number(answer: str) -> bool:
    return bool(answer) and not np.isnan(number(answer.strip("$%€£. ").replace(",", "")))


_YES_OR_NO = ("yes", "no", "true", "false")
_computes = _any_of(
    "plus", "minus", "sum", "add", "added", "subtract", "multiply", "times", "divide", "divided", "product"
)  # fmt: skip
_denies = _any_of("not", "no", "never", "none", "neither", "nor", "without", "except", "cannot")
_counts = _any_of("count", "counts")

_RULES: dict[tuple[str, str], _Rule] = {
    (PROMPT_TYPE, "multiple choice"): lambda read: _OPTIONS.search(read.text) is not None,
    (PROMPT_TYPE, "fill in"): lambda read: "__" in read.text,
    (PROMPT_TYPE, "question"): lambda read: "?" in read.text,
    (PROMPT_TYPE, "plain text"): lambda read: read.text == read.answer,
    (PROMPT_OPERATION, "arithmetic"): _is_arithmetic,
    (PROMPT_OPERATION, "counting"): _is_counting,
    (PROMPT_OPERATION, "comparison"): _any_of(
        "compare", "than", "largest", "smallest", "biggest", "greater", "larger", "smaller", "fewer", "older", "younger"
    ),
    (PROMPT_OPERATION, "sorting"): _any_of("sort", "sorted", "alphabetical", "ascending", "descending"),
    (PROMPT_OPERATION, "reversing"): _any_of("reverse", "reversed", "backwards", "backward"),
    (PROMPT_OPERATION, "negation"): _is_negated,
    (PROMPT_OPERATION, "translation"): _any_of("translate", "translation"),
    (PROMPT_OPERATION, "summary"): _any_of("summarize", "summarise", "summary"),
    (PROMPT_BACKGROUND, "digits"): lambda read: _DIGIT.search(read.text) is not None,
    (PROMPT_BACKGROUND, "table"): lambda read: read.text.count("|") >= 4,
    (PROMPT_BACKGROUND, "code"): lambda read: _CODE.search(read.text) is not None,
    (PROMPT_BACKGROUND, "quotation"): lambda read: _QUOTED.search(read.text) is not None,
    (PROMPT_BACKGROUND, "long context"): lambda read: read.text.count(" ") + 1 >= LONG_CONTEXT,
    (ANSWER_FORM, "number"): lambda read: _is_number(read.answer),
    (ANSWER_FORM, "yes or no"): lambda read: read.answer.strip(EDGES).lower() in _YES_OR_NO,
    (ANSWER_FORM, "letter"): lambda read: len(read.answer.strip(EDGES)) == 1 and read.answer.strip(EDGES).isalpha(),
    (ANSWER_FORM, "one word"): _has_words(1, 1),
    (ANSWER_FORM, "few words"): _has_words(2, _FEW),
    (ANSWER_FORM, "list"): lambda read: read.answer.count(", ") >= 2 and read.num_answer_words < LONG_ANSWER,
    (ANSWER_FORM, "code"): lambda read: _CODE.search(read.answer) is not None,
    (ANSWER_FORM, "long text"): lambda read: read.num_answer_words >= LONG_ANSWER,
}  # fmt: skip


def with_tag(key: str, value: str, texts: Iterable[str], answers: Iterable[str]) -> NDArray[np.bool_]:
    """Whether the rule of a tag holds for each text, [num_texts]; for none where there is no such tag."""
    if key == GOLD_ANSWER:
        return np.array([" ".join(answer.split()) == value for answer in answers], bool)
    rule: _Rule = _RULES.get((key, value), lambda _read: False)
    return np.array([rule(_read(*pair)) for pair in zip(texts, answers, strict=True)], bool)


def all_tags(
    texts: Sequence[str], answers: Sequence[str], keys: Sequence[str]
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield every tag of these keys and which texts have it, [num_texts]; each text is read once."""
    rules = {tag: rule for tag, rule in _RULES.items() if tag[0] in keys}
    holds = np.zeros((len(rules), len(texts)), bool)
    for place, pair in enumerate(zip(texts, answers, strict=True)):
        read = _read(*pair)
        holds[:, place] = [rule(read) for rule in rules.values()]
    yield from ((key, value, holds[k]) for k, (key, value) in enumerate(rules))
    if GOLD_ANSWER in keys:
        plain = np.array([" ".join(answer.split()) for answer in answers], object)
        distinct = sorted(set(plain.tolist()) - {""})
        if len(distinct) <= _MOST_ANSWERS:
            yield from ((GOLD_ANSWER, value, np.asarray(plain == value, bool)) for value in distinct)


def _read(text: str, answer: str) -> _Read:
    words = text.split()
    answer_words = answer.split()
    return _Read(
        text=" ".join(words),
        words=frozenset(word.strip(EDGES).lower() for word in words),
        answer=" ".join(answer_words),
        num_answer_words=len(answer_words),
    )
