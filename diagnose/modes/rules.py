"""Name failure modes that the texts of answer and gold show by themselves.

The first rule that fits names the mode. Costs an edit distance for each failed item, with a band as wide as the
distance that still counts as near.
"""

import re
from collections.abc import Collection, Sequence

from diagnose.modes.answer_text import (
    bare,
    equations_of,
    final_answer,
    has_final,
    num_repeats,
    number_of,
    numbers_of,
    options_of,
)
from diagnose.modes.mode import Mode
from evals.items import ItemResult, OutputType

_NEAR = 0.25
"""Largest edit distance of a near miss, as a share of the gold's length."""
_NEAR_NUMBER = 0.01
"""Largest difference of a number that is a near miss, as a share of the gold."""
_MIN_REPEATS = 4
"""Smallest number of times in a row that a run of words stands at the end of a repetitive answer."""
_MOST_WRAPPING = 8
"""Most words that an answer may have beyond a gold that the question names."""
_MIN_WORDS_CUT = 6
"""Fewest words of an answer whose end can show that it is cut off."""
_EXTRACTION_FAILED = "[invalid]"
"""Text that lm-eval's filters put in the place of an answer that they do not find."""

_OPEN_END = re.compile(
    r"(?:[,(\[{=+*/×÷$<;]|\s-|\b(?:a|an|the|of|to|and|or|is|are|was|were|in|on|at|for|with|by|from|than|per|which|"
    r"because|if|so|then|his|her|their|its|has|have|had|will|would|be|been|each|every|into|as|there))$",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"(?:\b(?:i|we)(?:['’]m| am| are|['’]re)(?: (?:very|so|really|truly))? (?:sorry|afraid|unable"
    r"|not (?:able|sure|allowed|permitted|comfortable))\b"
    r"|^\W*(?:sorry|apologies|my apologies)\b"
    r"|\bi (?:must |have to )?apologi[sz]e\b"
    r"|\b(?:i|we) (?:can['’]?t|cannot|can not|could not|couldn['’]t|won['’]t|will not|must decline|decline|refuse"
    r"|would rather not)(?: to)?(?: \w+)? (?:help|assist|answer|provide|do|comply|give|discuss|respond|fulfil|fulfill"
    r"|share|say|tell|engage|complete|support|offer|solve|determine|comment)\b"
    r"|\b(?:i|we) (?:do not|don['’]t|really do not) (?:know"
    r"|have (?:\w+ )?(?:information|knowledge|access|enough|opinions?))\b"
    r"|\bi have no (?:idea|information|knowledge|way of knowing)\b"
    r"|\bas an? (?:ai|artificial intelligence|(?:large )?language model|assistant)\b"
    r"|\b(?:against|violates?) my (?:guidelines|policy|policies|programming)\b)",
    re.IGNORECASE,
)
_MAY_DECLINE = re.compile(r"\b(?:i|we|sorry|apologies|my|ai|assistant|model|intelligence)\b", re.IGNORECASE)
"""Cheap pattern that matches wherever `_DECLINES` does."""
_DECLINES_WITHIN = 120
"""Number of characters at the beginning of an answer in which a refusal is searched."""


def mode_by_rules(result: ItemResult, gold_words: Collection[str]) -> Mode | None:
    """Name the mode of a failed item; None where no rule fits.

    Args:
        gold_words: Words of the golds of comparable items. An answer that adds such words to the gold is
            another answer; one that adds `The answer is` is the right one in a wrong form.
    """
    if result.item.output_type is not OutputType.GENERATE_UNTIL:
        return None
    answer, gold = result.answer.split(), result.item.target.split()
    if not answer:
        return Mode.NO_ANSWER
    if answer == [_EXTRACTION_FAILED]:
        return Mode.FORMAT
    if gold and _is_right_in_another_form(answer, gold, gold_words, result.item.text):
        return Mode.FORMAT
    if 2 * len(answer) >= len(gold) > len(answer) and gold[: len(answer)] == answer:
        return Mode.TRUNCATED
    if len(answer) > len(gold) and num_repeats(answer) >= max(_MIN_REPEATS, num_repeats(gold) + 1):
        return Mode.REPETITION
    if _breaks_off(answer, gold):
        return Mode.TRUNCATED
    if declines(result.answer) and not declines(result.item.target):
        return Mode.REFUSAL
    return Mode.NEAR_MISS if _is_near_miss(answer, gold) else None


def declines(text: str) -> bool:
    """Whether the text opens with a refusal, an apology, or that it does not know."""
    opening = text.strip()[:_DECLINES_WITHIN]
    return _MAY_DECLINE.search(opening) is not None and _DECLINES.search(opening) is not None


def _is_right_in_another_form(
    answer: Sequence[str], gold: Sequence[str], gold_words: Collection[str], question: str
) -> bool:
    text, target = " ".join(answer), " ".join(gold)
    final, gold_final = final_answer(text), final_answer(target)
    value = number_of(gold_final)
    if value is not None:
        if value == number_of(final):
            return True
        found = numbers_of(text)
        if found and found[-1] != value:  # 18 + 3 = 21 is not 18 in another form
            return False
    elif (has_final(target) or has_final(text)) and bare(gold_final) == bare(final):
        return True
    if bare(text) == bare(target) or _is_same_option(final, gold_final, question):
        return True
    if len(answer) > len(gold) + _MOST_WRAPPING and f" {target.casefold()} " in f" {_spaced(question).casefold()} ":
        return False  # who speaks at length of what the question names has not answered with it
    return _is_wrapped(answer, gold, gold_words)


def _is_same_option(answer: str, gold: str, question: str) -> bool:
    """Whether the answer is the letter of the gold, or the text of the gold's letter."""
    options = options_of(question)
    letter, gold_letter = (bare(text.removeprefix("Option").removeprefix("option")).upper() for text in (answer, gold))
    if letter in options:
        return bare(options[letter]) == bare(gold)
    return gold_letter in options and bare(options[gold_letter]) == bare(answer)


def _is_wrapped(answer: Sequence[str], gold: Sequence[str], gold_words: Collection[str]) -> bool:
    stripped = [_stripped(word) for word in answer]
    target = f" {' '.join(gold)} "
    contains = target in f" {' '.join(answer)} " or target in f" {' '.join(stripped)} "
    return contains and any(word not in gold_words for word in stripped if word and word not in gold)


def _spaced(text: str) -> str:
    return " ".join(_stripped(word) for word in text.split())


def _stripped(word: str) -> str:
    return word.strip(".,;:!?()[]{}\"'*`$")


def _breaks_off(answer: Sequence[str], gold: Sequence[str]) -> bool:
    """Whether prose ends in a word or a sign that something must follow, where the gold does not; a letter `a` at the
    end of a row of letters is no such word."""
    if len(answer) < _MIN_WORDS_CUT or (gold and _OPEN_END.search(gold[-1])):
        return False
    if sum(len(word) > 2 and word.isalpha() for word in answer) < _MIN_WORDS_CUT // 2:
        return False
    return _OPEN_END.search(" ".join(answer[-2:])) is not None


def _is_near_miss(answer: Sequence[str], gold: Sequence[str]) -> bool:
    text, target = " ".join(answer), " ".join(gold)
    value = number_of(final_answer(target))
    if value is not None:
        other = number_of(final_answer(text))
        return other is not None and abs(other - value) <= _NEAR_NUMBER * abs(value)
    if has_final(target) or equations_of(target):  # a derivation whose every word but the result is right is not right
        return False
    return _is_near(answer, gold) if len(gold) >= 4 else _is_near(text, target)


def _is_near(answer: Sequence[str], gold: Sequence[str]) -> bool:
    limit = int(_NEAR * len(gold))
    return limit > 0 and edit_distance(answer, gold, limit) <= limit


def edit_distance(first: Sequence[str], second: Sequence[str], limit: int) -> int:
    """Levenshtein distance, or `limit + 1` if it is larger; costs length times limit."""
    if abs(len(first) - len(second)) > limit:
        return limit + 1
    beyond = limit + 1
    before = {j: j for j in range(min(limit, len(second)) + 1)}
    for i, left in enumerate(first, start=1):
        row: dict[int, int] = {}
        for j in range(max(0, i - limit), min(len(second), i + limit) + 1):
            options = [before.get(j, beyond) + 1, row.get(j - 1, beyond) + 1]
            if j > 0:
                options.append(before.get(j - 1, beyond) + (left != second[j - 1]))
            row[j] = min(options)
        if min(row.values()) > limit:
            return beyond
        before = row
    return min(before.get(len(second), beyond), beyond)
