"""Are the answers right in another form? Fixed mappings from answer to gold, learnt on half of the items.

A mapping that makes half of the failed answers right, and few right ones wrong, is a cure without training: the cause
is `format`. Words around the gold answer, other words one by one, case and marks, and what usual extractors take. Costs
no model.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from diagnose.evidence.evidence import Evidence
from diagnose.evidence.subject import Subject
from evals.items import ItemResult, OutputType

_LEAST = 4
"""Failed answers that must show the same mapping."""
_AGREES = 0.5
"""Share of a word's places in which it stands for the same other one; a model that errs in its own words blurs it, and
items that did not suggest the mapping judge it."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")

Pairs = Sequence[tuple[list[str], list[str]]]
"""Words of answers and of their golds."""


@dataclass(frozen=True, slots=True)
class _Mapping:
    says: str
    of_answer: Callable[[str], str]
    of_gold: Callable[[str], str | None]
    """None where the mapping says nothing of such a gold."""


def map_answers(subject: Subject) -> Evidence:
    """Value `mapped`: the share of failed answers that the best fixed mapping makes right, less the right ones that
    it breaks, on the half of the items that did not suggest it."""
    results = [r for r in (*subject.failed, *subject.passed) if r.item.output_type is OutputType.GENERATE_UNTIL]
    suggesting, judging = results[::2], results[1::2]
    tasks = {r.item.task for r in results}
    # A mapping that only fits the slice, such as one answer for all, breaks the task's other items.
    judging = [*judging, *(r for r in subject.others if r.item.task in tasks and not r.is_failed)]
    num_failed = sum(r.is_failed for r in judging)
    if not num_failed:
        return Evidence("mappings", {}, "No answer was written, so no mapping of answers is tried.")
    words = [(r.answer.split(), r.item.target.split()) for r in suggesting if r.is_failed]
    mappings = list(_mappings([(answer, gold) for answer, gold in words if answer and gold]))
    worths = [_worth(mapping, judging, num_failed) for mapping in mappings]
    best = max(worths)
    if best <= 0:
        return Evidence(
            "mappings", {"mapped": 0.0}, f"No fixed mapping makes any of {num_failed} failed answers right."
        )
    says = f"{mappings[worths.index(best)].says} makes {best:.0%} of {num_failed} failed answers right."
    return Evidence("mappings", {"mapped": best}, says)


def _worth(mapping: _Mapping, judging: Sequence[ItemResult], num_failed: int) -> float:
    is_right = [mapping.of_answer(r.answer) == mapping.of_gold(r.item.target) for r in judging]
    gained = sum(right for right, r in zip(is_right, judging, strict=True) if r.is_failed)
    # A right answer that is not its gold text to begin with says nothing against a mapping.
    lost = sum(
        not right and _plain(r.answer) == _plain(r.item.target)
        for right, r in zip(is_right, judging, strict=True)
        if not r.is_failed
    )
    return (gained - lost) / num_failed


def _mappings(pairs: Pairs) -> Iterator[_Mapping]:
    for before, after in _affixes(pairs):
        yield _Mapping(f"Leaving out “{before} … {after}”", partial(_inner, before=before, after=after), _plain)
    for before, after in _affixes([(gold, answer) for answer, gold in pairs]):
        yield _Mapping(f"Putting “{before} … {after}” around it", _plain, partial(_inner, before=before, after=after))
    yield from _word_by_word(pairs)
    yield from _inside_words(pairs)
    yield _Mapping("Another case, other marks or spaces", _bare, _bare)
    yield from _extractors()


def _affixes(pairs: Pairs) -> list[tuple[str, str]]:
    """What stands before and after the shorter text in the longer one, the same for several pairs."""
    seen: Counter[tuple[str, str]] = Counter()
    for longer, shorter in pairs:
        for start in range(len(longer) - len(shorter) + 1):
            if longer[start : start + len(shorter)] == shorter and len(longer) > len(shorter):
                seen[" ".join(longer[:start]), " ".join(longer[start + len(shorter) :])] += 1
                break
    return [affixes for affixes, count in seen.most_common(3) if count >= _LEAST]


def _word_by_word(pairs: Pairs) -> Iterator[_Mapping]:
    """Every word of the answer stands for another one."""
    stands: dict[str, Counter[str]] = {}
    for answer, gold in pairs:
        if len(answer) == len(gold):
            for word, meant in zip(answer, gold, strict=True):
                stands.setdefault(word, Counter())[meant] += 1
    table = {}
    for word, meanings in stands.items():
        meant, count = meanings.most_common(1)[0]
        if count >= _AGREES * meanings.total():
            table[word] = meant
    changed = sorted((word, meant) for word, meant in table.items() if word != meant)
    if changed:
        shown = ", ".join(f"{word} for {meant}" for word, meant in changed[:3]) + (", …" if len(changed) > 3 else "")
        yield _Mapping(
            f"Reading {shown}", lambda answer: " ".join(table.get(word, word) for word in answer.split()), _plain
        )


def _inside_words(pairs: Pairs) -> Iterator[_Mapping]:
    """The same letters before or after every word, as in I_WALK for WALK."""
    seen: Counter[tuple[str, str]] = Counter()
    for answer, gold in pairs:
        marks = {_marks(word, meant) for word, meant in zip(answer, gold, strict=False)}
        if len(answer) == len(gold) and len(marks) == 1 and (found := marks.pop()) is not None:
            seen[found] += 1
    for (before, after), count in seen.most_common(2):
        if count >= _LEAST:

            def stripped(answer: str, before: str = before, after: str = after) -> str:
                return " ".join(word.removeprefix(before).removesuffix(after) for word in answer.split())

            yield _Mapping(f"Leaving out “{before}…{after}” in every word", stripped, _plain)


def _marks(word: str, meant: str) -> tuple[str, str] | None:
    start = word.find(meant)
    return None if start < 0 or len(word) == len(meant) else (word[:start], word[start + len(meant) :])


def _extractors() -> Iterator[_Mapping]:
    yield _Mapping("Taking the first line", lambda a: _plain(a.strip().split("\n")[0]), _plain)
    yield _Mapping("Taking the last line", lambda a: _plain(a.strip().split("\n")[-1]), _plain)
    yield _Mapping("Taking the first word", lambda a: (a.split() or [""])[0], _plain)
    yield _Mapping("Taking the last word", lambda a: (a.split() or [""])[-1], _plain)
    yield _Mapping("Taking the last number", _last_number, _final_number)
    yield _Mapping("Taking what follows the last colon", lambda a: _plain(a.rpartition(":")[2]), _plain)
    yield _Mapping("Taking what follows the last “is”", lambda a: _plain(a.rpartition(" is ")[2].rstrip(" .")), _plain)


def _last_number(text: str) -> str:
    found = _NUMBER.findall(text)
    return found[-1].replace(",", "") if found else _plain(text)


def _final_number(gold: str) -> str | None:
    """The number that a gold answer is, or ends in behind GSM8K's ####; None where it says more than a number, so that
    no answer's last number stands for it."""
    final = _plain(gold.rpartition("####")[2]).strip("$€£%. ").replace(",", "")
    return final if _NUMBER.fullmatch(final) else None


def _inner(text: str, before: str, after: str) -> str:
    words = _plain(text)
    if words.startswith(before) and words.endswith(after) and len(words) > len(before) + len(after):
        return words[len(before) : len(words) - len(after)].strip()
    return words


def _plain(text: str) -> str:
    return " ".join(text.split())


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
