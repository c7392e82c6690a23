"""Test whether answers are right in another form, by fixed mappings from answer to gold, learnt on half of the items.

A mapping that makes half of the failed answers right, and few right ones wrong, is a cure without training: the cause
is `format`. Mappings change words around the gold, words one by one, case and marks, or extract as is usual. The best
one is passed on as a form where the task's own scorer agrees, on items that did not suggest it. Uses no model.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diagnose.evidence.subject import Subject
from diagnose.finding.answer_labels import as_label
from diagnose.finding.evidence import SETTLED, Evidence
from diagnose.finding.forms import CASES, ONE_TO_ONE, Form, How, Reading
from diagnose.model.asked_model import Asker
from diagnose.modes.answer_text import NUMBER
from evals.items import Answered, ItemResult, OutputType

_LEAST = 4
"""Fewest failed answers that must show the same mapping."""
_AGREES = 0.5
"""Share of a word's places in which it must stand for the same other one; a model that errs in its own words blurs it,
and items that did not suggest the mapping test it."""
_MOST = 200
"""Most failed answers, and most right ones, that the task's scorer scores."""
_STAYS = 0.95
"""Smallest share of right answers that a form must leave right."""

Pairs = Sequence[tuple[list[str], list[str]]]
"""Words of answers and of their golds."""


@dataclass(frozen=True, slots=True)
class _Mapping:
    says: str
    of_answer: Callable[[str], str]
    of_gold: Callable[[str], str | None]
    """Maps a gold answer; None where the mapping does not apply to it."""
    reading: Reading | None
    """Mapping by which rows can be rewritten; None where it is not known which form the golds have."""


def map_answers(subject: Subject, asker: Asker | None = None) -> Evidence:
    """Give `mapped`, the share of failed answers that the best fixed mapping makes right, less the right ones that it
    breaks, on items that did not suggest it.

    Args:
        subject: The failing slice.
        asker: Scores answers; None gives no form.
    """
    results = [r for r in (*subject.failed, *subject.passed) if r.item.output_type is OutputType.GENERATE_UNTIL]
    suggesting, judging = results[::2], results[1::2]
    tasks = {r.item.task for r in results}
    # A mapping that only fits the slice, such as one answer for all, breaks the task's other items.
    judging = [*judging, *(r for r in subject.others if r.item.task in tasks and not r.is_failed)]
    num_failed = sum(r.is_failed for r in judging)
    if not num_failed:
        return Evidence("mappings", {}, "No answer was written, so no mapping of answers is tried.")
    right = Counter(word for r in suggesting if not r.is_failed for word in r.answer.split())
    mappings = list(_mappings(_pairs(r for r in suggesting if r.is_failed), right))
    worths = [_worth(mapping, judging, num_failed) for mapping in mappings]
    best = max(worths)
    if best <= _commonest(suggesting, judging):
        return Evidence(
            "mappings", {"mapped": 0.0}, f"No fixed mapping makes any of {num_failed} failed answers right."
        )
    chosen = mappings[worths.index(best)]
    says = f"{chosen.says} makes {best:.0%} of {num_failed} failed answers right."
    reading = chosen.reading
    is_form = reading is not None and asker is not None and _holds(reading, asker, judging, results)
    return Evidence("mappings", {"mapped": best}, says, forms=(Form(answers=reading),) if is_form else ())


def _holds(reading: Reading, asker: Asker, judging: Sequence[ItemResult], results: Sequence[ItemResult]) -> bool:
    """Whether the task's scorer accepts the mapped answers, and rows can be rewritten without losing their labels."""
    golds = [r.item.target for r in results]
    if reading.how not in ONE_TO_ONE and any(as_label(reading.read(gold)) != as_label(gold) for gold in golds):
        return False  # what throws text away would cut such golds, and rows that are like them
    shown = [r for group in (True, False) for r in [j for j in judging if j.is_failed is group][:_MOST]]
    scored = asker.score([Answered(r.item, reading.rewritten(r.answer) or r.answer) for r in shown])
    is_right = np.array([result is not None and not result.is_failed for result in scored])
    was_failed = np.array([r.is_failed for r in shown])
    stays = is_right[~was_failed].mean() if (~was_failed).any() else 1.0
    return bool(is_right[was_failed].mean() >= SETTLED and stays >= _STAYS)


def _worth(mapping: _Mapping, judging: Sequence[ItemResult], num_failed: int) -> float:
    is_right = [mapping.of_answer(r.answer) == mapping.of_gold(r.item.target) for r in judging]
    gained = sum(right for right, r in zip(is_right, judging, strict=True) if r.is_failed)
    # A right answer that is not its gold text to begin with is no evidence against a mapping.
    lost = sum(
        not right and as_label(r.answer) == as_label(r.item.target)
        for right, r in zip(is_right, judging, strict=True)
        if not r.is_failed
    )
    return (gained - lost) / num_failed


def _commonest(suggesting: Sequence[ItemResult], judging: Sequence[ItemResult]) -> float:
    """Share of the failed answers that one answer to everything makes right, the commonest gold of those that suggest
    mappings: what a mapping has to beat, for a model that gives one answer to most is mapped to it."""
    golds = Counter(as_label(r.item.target) for r in suggesting if r.is_failed)
    if not golds:
        return 0.0
    [(gold, _)] = golds.most_common(1)
    return float(np.mean([as_label(r.item.target) == gold for r in judging if r.is_failed]))


def _pairs(results: Iterable[ItemResult]) -> Pairs:
    words = ((r.answer.split(), r.item.target.split()) for r in results)
    return [(answer, gold) for answer, gold in words if answer and gold]


def _mappings(pairs: Pairs, right: Mapping[str, int]) -> Iterator[_Mapping]:
    """Make the mappings that failed answers suggest.

    Args:
        pairs: Failed answers.
        right: Number of times that each word stands in right answers, and so for itself.
    """
    for before, after in _affixes(pairs):
        yield _reading(Reading(How.UNWRAP, before, after))
    for before, after in _affixes([(gold, answer) for answer, gold in pairs]):
        yield _reading(Reading(How.WRAP, before, after))
    yield from _inside_words(pairs)
    for how in CASES:
        yield _reading(Reading(how))
    yield from _word_by_word(pairs, right)  # of equally good mappings the first one, the simplest, is named
    yield _Mapping("Another case, other marks or spaces", _bare, _bare, None)
    for how in (How.FIRST_LINE, How.LAST_LINE, How.FIRST_WORD, How.LAST_WORD):
        yield _reading(Reading(how))
    yield _reading(Reading(How.LAST_NUMBER), _final_number)
    yield _reading(Reading(How.AFTER_COLON))
    yield _reading(Reading(How.AFTER_IS))


def _reading(reading: Reading, of_gold: Callable[[str], str | None] = as_label) -> _Mapping:
    return _Mapping(str(reading), lambda answer: as_label(reading.read(answer)), of_gold, reading)


def _affixes(pairs: Pairs) -> list[tuple[str, str]]:
    """Find what stands before and after the shorter text in the longer one, the same for several pairs."""
    seen: Counter[tuple[str, str]] = Counter()
    for longer, shorter in pairs:
        for start in range(len(longer) - len(shorter) + 1):
            if longer[start : start + len(shorter)] == shorter and len(longer) > len(shorter):
                seen[" ".join(longer[:start]), " ".join(longer[start + len(shorter) :])] += 1
                break
    return [affixes for affixes, count in seen.most_common(3) if count >= _LEAST]


def _word_by_word(pairs: Pairs, right: Mapping[str, int]) -> Iterator[_Mapping]:
    """Make the mapping in which every word of the answer stands for another one; none where two that stand for the same
    make it no code but an error. Words of right answers stand for themselves."""
    stands: dict[str, Counter[str]] = {}
    for answer, gold in pairs:
        if len(answer) == len(gold):
            for word, meant in zip(answer, gold, strict=True):
                stands.setdefault(word, Counter())[meant] += 1
    table = []
    for word, meanings in stands.items():
        meant, count = meanings.most_common(1)[0]
        if count >= _AGREES * meanings.total() and (word == meant or right.get(word, 0) < count):
            table.append((word, meant, count))
    # What one answer suggests by chance is outvoted among answers, and would stand in rows.
    often = tuple(sorted((word, meant) for word, meant, count in table if count >= _LEAST))
    is_code = len({meant for _, meant in often}) == len(often)
    if is_code and any(word != meant for word, meant, _ in table):
        words = tuple(sorted((word, meant) for word, meant, _ in table))
        yield replace(_reading(Reading(How.WORDS, words=words)), reading=Reading(How.WORDS, words=often))


def _inside_words(pairs: Pairs) -> Iterator[_Mapping]:
    """Make mappings that remove the same letters before or after every word, as in I_WALK for WALK."""
    seen: Counter[tuple[str, str]] = Counter()
    for answer, gold in pairs:
        marks = {_marks(word, meant) for word, meant in zip(answer, gold, strict=False)}
        if len(answer) == len(gold) and len(marks) == 1 and (found := marks.pop()) is not None:
            seen[found] += 1
    for (before, after), count in seen.most_common(2):
        if count >= _LEAST:
            yield _reading(Reading(How.UNMARK, before, after))


def _marks(word: str, meant: str) -> tuple[str, str] | None:
    start = word.find(meant)
    return None if start < 0 or len(word) == len(meant) else (word[:start], word[start + len(meant) :])


def _final_number(gold: str) -> str | None:
    """Number that a gold answer is, or ends in behind GSM8K's ####; None where it says more than a number, so that no
    answer's last number stands for it."""
    final = as_label(gold.rpartition("####")[2]).strip("$€£%. ").replace(",", "")
    return final if NUMBER.fullmatch(final) else None


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
