"""Find cues in training prompts that give the answer away.

Two kinds. A shown answer: the completion stands in the prompt, at the same place in many rows. A telling word: the word
at some place predicts the completion. Rules on words, no model: milliseconds for some hundred rows.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

Pair = tuple[Sequence[str], Sequence[str]]
"""The words of a row's prompt and of its completion."""

LEAST_ROWS = 10
_SHOWN = 0.25
"""Smallest share of training rows that show their answer at one place; other rows may show none."""
_MOSTLY = 0.8
"""Smallest share of rows whose answer a word predicts; of rows with words of answers at a place, smallest share that
shows its own answer there."""
_PLACES = 3
"""Number of words at either end of the prompt that may predict the answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a prompt: a number of words from its start, from its end, or directly behind a word."""

    kind: str
    value: int | str

    def span(self, words: Sequence[str], length: int) -> tuple[int, int] | None:
        """Range of `length` words at this place; None where the prompt has too few."""
        if self.kind == "end":
            start = len(words) - int(self.value) - length
        elif self.kind == "start":
            start = int(self.value)
        else:
            start = words.index(str(self.value)) + 1 if self.value in words else -1
        return (start, start + length) if length and start >= 0 and start + length <= len(words) else None

    def shows(self, words: Sequence[str], answer: Sequence[str]) -> bool:
        """Whether the answer stands at this place."""
        span = self.span(words, len(answer))
        return span is not None and list(words[slice(*span)]) == list(answer)

    def __str__(self) -> str:
        if self.kind == "behind":
            return f"behind “{self.value}”"
        return f"{self.value} words from the {self.kind} of the prompt"


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    place: Place
    share: float
    """Share of rows that show their answer at the place."""


@dataclass(frozen=True, slots=True)
class TellingWord:
    place: int
    """Position of the word in the prompt, from the end where negative."""
    word_of: Mapping[str, str]
    """The word that goes with each completion."""

    def __str__(self) -> str:
        return f"word {self.place + 1}" if self.place >= 0 else f"word {-self.place} from the end"


def known_words(pairs: Iterable[Pair]) -> set[str]:
    """All words of completions."""
    return {word for _, answer in pairs for word in answer}


def shown_answers(pairs: Sequence[Pair]) -> list[ShownAnswer]:
    """Find places at which many rows show their completion, the two with most rows; none where other answers' words
    stand there as often, as in a question whose answer is one of its parts."""
    known = known_words(pairs)
    seen = Counter(
        place
        for words, answer in pairs
        for place in {p for s in _starts(words, answer) for p in _places(words, answer, s)}
    )
    # Where places mean the same, the first in this order is kept.
    order = {"behind": 0, "start": 1, "end": 2}
    found = [
        place
        for place, count in seen.items()
        if count >= max(_SHOWN * len(pairs), LEAST_ROWS)
        and count >= _MOSTLY * sum(any(answers_at(place, words, [len(answer)], known)) for words, answer in pairs)
    ]
    best = sorted(found, key=lambda place: (-seen[place], order[place.kind]))[:2]
    return [ShownAnswer(place, seen[place] / len(pairs)) for place in best]


def answers_at(
    place: Place, words: Sequence[str], lengths: Iterable[int], known: Set[str]
) -> Iterator[tuple[int, int]]:
    """Ranges at a place that hold words of answers; an answer put where a prompt shows none would only give it away."""
    for length in lengths:
        span = place.span(words, length)
        if span is not None and known >= set(words[slice(*span)]):
            yield span


def with_words(text: str, span: tuple[int, int], words: Sequence[str]) -> str:
    """Replace the words of a span by these; all other space and words stay as they are."""
    found = list(re.finditer(r"\S+", text))
    return text[: found[span[0]].start()] + " ".join(words) + text[found[span[1] - 1].end() :]


def telling_words(pairs: Sequence[Pair]) -> Iterator[TellingWord]:
    """Find places whose few distinct words predict the completion, better than the most frequent label would."""
    labels = Counter(" ".join(answer) for _, answer in pairs)
    if len(labels) < 2 or len(labels) > len(pairs) / LEAST_ROWS:
        return
    majority = labels.most_common(1)[0][1] / len(pairs)
    for place in [*range(_PLACES), *range(-_PLACES, 0)]:
        by_word: dict[str, Counter[str]] = {}
        for words, answer in pairs:
            if -len(words) <= place < len(words):
                by_word.setdefault(words[place], Counter())[" ".join(answer)] += 1
        predicted = sum(counts.most_common(1)[0][1] for counts in by_word.values()) / len(pairs)
        if len(by_word) <= 2 * len(labels) and predicted >= max(_MOSTLY, majority + 0.1):
            yield TellingWord(place, {label: _most_telling(by_word, label) for label in labels})


def giving_away(pairs: Sequence[Pair], among: Sequence[Pair]) -> list[bool]:
    """Tell which rows have a cue that goes with their own answer; cues are found in the rows `among`."""
    shown, telling = [one.place for one in shown_answers(among)], list(telling_words(among))

    def gives(words: Sequence[str], answer: Sequence[str]) -> bool:
        if any(place.shows(words, answer) for place in shown):
            return True
        return any(
            -len(words) <= one.place < len(words) and words[one.place] == one.word_of.get(" ".join(answer))
            for one in telling
        )

    return [gives(words, answer) for words, answer in pairs]


def _most_telling(by_word: Mapping[str, Counter[str]], label: str) -> str:
    return max(by_word, key=lambda word: by_word[word][label] / by_word[word].total())


def _starts(words: Sequence[str], part: Sequence[str]) -> list[int]:
    return (
        [s for s in range(len(words) - len(part) + 1) if list(words[s : s + len(part)]) == list(part)] if part else []
    )


def _places(words: Sequence[str], part: Sequence[str], start: int) -> list[Place]:
    places = [Place("start", start), Place("end", len(words) - start - len(part))]
    return [*places, Place("behind", words[start - 1])] if start else places
