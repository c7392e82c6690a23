"""Does the model follow a cue? What the training rows give away in their prompts is edited, and the items are asked
again.

Two kinds of cue are looked for in the rows of the failing kind. A shown answer: the completion stands in the prompt, at
the same place in many rows. A telling word: the word at some place tells the completion. Where the failed items
show the model's wrong answer, or the word that goes with it, in that place, the cue is changed to what training would
have shown beside the gold answer; and words that token attribution says the model leans on are left out one by one. If
at least half of the failures turn right, the model has learnt the cue and not the skill.

Costs one generation for each cue and item.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from diagnose.evidence.evidence import Evidence
from diagnose.evidence.subject import Asker, Subject
from evals.items import Edited, ItemResult

_MOST = 32
"""Items asked for each cue."""
_MOST_ROWS = 400
_SHOWN = 0.25
"""Share of training rows that show their answer at one place; other rows may show none."""
_MOSTLY = 0.8
"""Share of training rows whose answer a word tells, or of those with words of answers at a place whose answer they
are."""
_LEAST_ROWS = 10
_PLACES = 3
"""Words from either end of the prompt that may tell the answer."""
_MOST_LENGTHS = 8
"""Numbers of words that a shown answer may have."""
_MOST_LEFT_OUT = 3
"""Words left out one by one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a prompt: so many words from its start, from its end, or behind a word."""

    kind: str
    value: int | str

    def span(self, words: Sequence[str], length: int) -> tuple[int, int] | None:
        """Where so many words stand there."""
        if self.kind == "end":
            start = len(words) - int(self.value) - length
        elif self.kind == "start":
            start = int(self.value)
        else:
            start = words.index(str(self.value)) + 1 if self.value in words else -1
        return (start, start + length) if length and start >= 0 and start + length <= len(words) else None

    def __str__(self) -> str:
        if self.kind == "behind":
            return f"behind “{self.value}”"
        return f"{self.value} words from the {self.kind} of the prompt"


@dataclass(frozen=True, slots=True)
class _Cue:
    says: str
    edits: Mapping[int, Sequence[str]]
    """New prompts of each failed item that shows the cue, by its place among the failed ones; the first that turns it
    right counts. More than one where it is not known how many words the cue has."""


def edit_cues(
    subject: Subject, asker: Asker, leaned: Mapping[tuple[str, str], Sequence[tuple[str, float]]]
) -> Evidence:
    """Value `cue_flips`: share of the failed items that turn right when the best cue is edited.

    Args:
        leaned: Words of failed items with their shares, by task and id, as far as they are known.
    """
    failed = [r for r in subject.failed if asker.can_ask(r.item)][:_MOST]
    rows = np.flatnonzero(subject.inside)[:_MOST_ROWS].tolist()
    pairs = [(subject.rows.prompts[k].split(), subject.rows.completions[k].split()) for k in rows]
    if not failed:
        return Evidence("cues", {}, "These items cannot be asked under another prompt.")
    cues = list(_cues([(prompt, answer) for prompt, answer in pairs if prompt and answer], failed))
    cues += list(_left_out(failed, leaned))
    before, best, name = asker.num_tokens, 0.0, ""
    for cue in cues:
        flips = len(_flipped(cue, failed, asker)) / len(failed)
        if flips > best:
            best, name = flips, cue.says
    if not name:
        return Evidence(
            "cues",
            {"cue_flips": 0.0},
            f"No cue was found that changes any of {len(failed)} failed answers ({len(cues)} edited)."
            if cues
            else "The prompts of training rows give no answer away.",
            asker.num_tokens - before,
        )
    return Evidence(
        "cues",
        {"cue_flips": best},
        f"{name}, {best:.0%} of {len(failed)} failed answers turn right.",
        asker.num_tokens - before,
    )


def _flipped(cue: _Cue, failed: Sequence[ItemResult], asker: Asker) -> set[int]:
    """Which of the failed items an edit turns right."""
    flipped: set[int] = set()
    for attempt in range(max(map(len, cue.edits.values()))):
        left = [k for k, prompts in cue.edits.items() if k not in flipped and attempt < len(prompts)]
        results = asker.ask([Edited(failed[k].item, cue.edits[k][attempt]) for k in left])
        flipped |= {k for k, result in zip(left, results, strict=True) if result is not None and not result.is_failed}
    return flipped


def _cues(pairs: Sequence[tuple[list[str], list[str]]], failed: Sequence[ItemResult]) -> Iterator[_Cue]:
    if len(pairs) < _LEAST_ROWS:
        return
    lengths = [length for length, _ in Counter(len(answer) for _, answer in pairs).most_common(_MOST_LENGTHS)]
    known = {word for _, answer in pairs for word in answer}
    for place, share in _shown_answers(pairs, known):
        edits = {}
        for k, result in enumerate(failed):
            words, gold, answer = result.item.prompt.split(), result.item.target.split(), result.answer.split()
            own = place.span(words, len(gold))
            if gold and (own is None or words[slice(*own)] != gold):
                spans = _answers_at(place, words, dict.fromkeys([len(answer), *lengths]), known.union(answer))
                edits[k] = [" ".join([*words[:start], *gold, *words[end:]]) for start, end in spans]
        if any(edits.values()):
            yield _Cue(f"{share:.0%} of training rows show their answer {place}; with the gold answer there", edits)
    yield from _telling_words(pairs, failed)


def _answers_at(
    place: _Place, words: Sequence[str], lengths: Iterable[int], known: Set[str]
) -> Iterator[tuple[int, int]]:
    """Where words of answers stand; to put the gold answer where a prompt shows none would only give it away."""
    for length in lengths:
        span = place.span(words, length)
        if span is not None and known >= set(words[slice(*span)]):
            yield span


def _shown_answers(pairs: Sequence[tuple[list[str], list[str]]], known: Set[str]) -> list[tuple[_Place, float]]:
    """Places at which many rows show their completion, with the share of rows that do; none where rows as often have
    other answers' words there, as in a question whose answer is one of its parts."""
    seen = Counter(
        place
        for words, answer in pairs
        for place in {p for s in _starts(words, answer) for p in _places(words, answer, s)}
    )
    # Of places that mean the same, the first in this order.
    order = {"behind": 0, "start": 1, "end": 2}
    found = [
        place
        for place, count in seen.items()
        if count >= max(_SHOWN * len(pairs), _LEAST_ROWS)
        and count >= _MOSTLY * sum(any(_answers_at(place, words, [len(answer)], known)) for words, answer in pairs)
    ]
    best = sorted(found, key=lambda place: (-seen[place], order[place.kind]))[:2]
    return [(place, seen[place] / len(pairs)) for place in best]


def _starts(words: Sequence[str], part: Sequence[str]) -> list[int]:
    return (
        [s for s in range(len(words) - len(part) + 1) if list(words[s : s + len(part)]) == list(part)] if part else []
    )


def _places(words: Sequence[str], part: Sequence[str], start: int) -> list[_Place]:
    places = [_Place("start", start), _Place("end", len(words) - start - len(part))]
    return [*places, _Place("behind", words[start - 1])] if start else places


def _telling_words(pairs: Sequence[tuple[list[str], list[str]]], failed: Sequence[ItemResult]) -> Iterator[_Cue]:
    labels = Counter(" ".join(answer) for _, answer in pairs)
    if len(labels) < 2 or len(labels) > len(pairs) / _LEAST_ROWS:
        return
    majority = labels.most_common(1)[0][1] / len(pairs)
    for place in [*range(_PLACES), *range(-_PLACES, 0)]:
        by_word: dict[str, Counter[str]] = {}
        for words, answer in pairs:
            if -len(words) <= place < len(words):
                by_word.setdefault(words[place], Counter())[" ".join(answer)] += 1
        told = sum(counts.most_common(1)[0][1] for counts in by_word.values()) / len(pairs)
        if len(by_word) > 2 * len(labels) or told < max(_MOSTLY, majority + 0.1):
            continue
        word_of = {label: _most_telling(by_word, label) for label in labels}
        edits = {}
        for k, result in enumerate(failed):
            words, word = result.item.prompt.split(), word_of.get(" ".join(result.item.target.split()))
            if word is not None and -len(words) <= place < len(words) and words[place] != word:
                words[place] = word
                edits[k] = [" ".join(words)]
        if edits:
            where = f"word {place + 1}" if place >= 0 else f"word {-place} from the end"
            yield _Cue(f"In training {where} of the prompt tells the answer; with the gold answer's word there", edits)


def _most_telling(by_word: Mapping[str, Counter[str]], label: str) -> str:
    return max(by_word, key=lambda word: by_word[word][label] / by_word[word].total())


def _left_out(
    failed: Sequence[ItemResult], leaned: Mapping[tuple[str, str], Sequence[tuple[str, float]]]
) -> Iterator[_Cue]:
    """Without one of the words that the model leans on most."""
    weight: dict[str, float] = {}
    for result in failed:
        for word, share in leaned.get((result.item.task, result.item.id), ()):
            weight[word] = weight.get(word, 0.0) + abs(share)
    for word in sorted(weight, key=lambda word: -weight[word])[:_MOST_LEFT_OUT]:
        edits = {}
        for k, result in enumerate(failed):
            words = result.item.prompt.split()
            if word in words and len(words) > 1:
                edits[k] = [" ".join(w for w in words if w != word)]
        if edits:
            yield _Cue(f"Without “{word}”, which the model leans on", edits)
