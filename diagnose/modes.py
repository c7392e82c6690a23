"""In what way a failed answer is wrong, by rules on the answer and the gold alone.

The first rule that fits names the mode. Only generated answers have modes beyond `wrong`: a choice among
given texts cannot be empty, cut off or badly formatted. Costs an edit distance for each failed item, with a
band as wide as the distance that still counts as near.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from evals.items import ItemResult, OutputType

_NEAR = 0.25
"""Largest edit distance of a near miss, as a share of the gold's length."""
_MIN_REPEATS = 4
"""Times in a row that a run of words stands at the end of a repetitive answer."""
_LONGEST_RUN = 8


class Mode(StrEnum):
    """Order is precedence."""

    NO_ANSWER = "no_answer"
    FORMAT = "format"
    """The gold stands in the answer among words that no gold has, or equals it but for case, space and
    punctuation."""
    TRUNCATED = "truncated"
    """The answer is the beginning of the gold, at least half of it."""
    REPETITION = "repetition"
    """The answer is longer than the gold and ends in a run of words again and again."""
    NEAR_MISS = "near_miss"
    """At most a quarter of the gold's words differ; of its characters, where there are fewer than four."""
    WRONG = "wrong"


def mode_of(result: ItemResult, gold_words: Collection[str]) -> Mode:
    """How a failed item went wrong.

    Args:
        gold_words: Words of the golds of comparable items. An answer that adds such words to the gold is
            another answer; one that adds `The answer is` is the right one in a wrong form.
    """
    if result.item.output_type is not OutputType.GENERATE_UNTIL:
        return Mode.WRONG
    answer, gold = result.answer.split(), result.item.target.split()
    if not answer:
        return Mode.NO_ANSWER
    if gold and (_bare(answer) == _bare(gold) or _is_wrapped(answer, gold, gold_words)):
        return Mode.FORMAT
    if 2 * len(answer) >= len(gold) > len(answer) and gold[: len(answer)] == answer:
        return Mode.TRUNCATED
    if len(answer) > len(gold) and _num_repeats(answer) >= max(_MIN_REPEATS, _num_repeats(gold) + 1):
        return Mode.REPETITION
    is_near = _is_near(answer, gold) if len(gold) >= 4 else _is_near(" ".join(answer), " ".join(gold))
    return Mode.NEAR_MISS if is_near else Mode.WRONG


def mode_shares(failed: Sequence[ItemResult]) -> Mapping[str, float]:
    """Share of failed items in each mode that occurs, largest first; sum 1."""
    gold_words = {word for result in failed for word in result.item.target.split()}
    counts = Counter(mode_of(result, gold_words) for result in failed)
    return {mode.value: count / len(failed) for mode, count in counts.most_common()}


def _is_wrapped(answer: Sequence[str], gold: Sequence[str], gold_words: Collection[str]) -> bool:
    bare = [word.strip(".,;:!?()[]{}\"'*`$") for word in answer]
    contains = f" {' '.join(gold)} " in f" {' '.join(answer)} " or f" {' '.join(gold)} " in f" {' '.join(bare)} "
    return contains and any(word not in gold_words for word in bare if word and word not in gold)


def _bare(words: Sequence[str]) -> str:
    text = "".join(words).casefold()
    return "".join(character for character in text if character.isalnum()) or text


def _num_repeats(words: Sequence[str]) -> int:
    """How often the run of words at the end stands there in a row, for the best length of the run."""
    best = 1
    for length in range(1, min(_LONGEST_RUN, len(words) // 2) + 1):
        run = words[-length:]
        count = 1
        while words[-length * (count + 1) : -length * count] == run:
            count += 1
        best = max(best, count)
    return best


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
