"""Make new rows from old ones, with other words in the same places, verified by a program's checker.

A word of the prompt becomes another that stands at that place in another row of the slice. The answer is the old one
with the same words replaced, or as it was, or that of another row: whichever the checker accepts first. For skills that
nobody has a generator for; where answers are long and change in every word it finds few. Costs a call of the checker
for each answer that is tried: answers of other rows only while they are accepted now and then, and nothing more after
some thousand refusals in a row.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from interventions.makers.row import Row

_MOST_ANSWERS = 200
"""Most answers of other rows that are tried for one prompt."""
_PATIENCE = 2_000
"""Refusals in a row after which no more answers are tried, of other rows or at all."""
_MOST_CHANGED = 2
"""Most places of a prompt that are changed."""


class Perturbation:
    """Writes rows like the given ones.

    Args:
        rows: Rows to be changed; `parent` of each is its own id, which the rows made from it keep.
        accepts: (prompt, completion) -> whether the completion is right.
        rng: Draws rows, words and answers.
    """

    def __init__(self, rows: Sequence[Row], accepts: Callable[[str, str], bool], rng: Random) -> None:
        self._rows, self._accepts, self._rng = rows, accepts, rng
        words: dict[tuple[int, int], dict[str, None]] = {}
        for row in rows:
            split = row.prompt.split(" ")
            for place, word in enumerate(split):
                words.setdefault((len(split), place), {})[word] = None
        self._words = {where: list(found) for where, found in words.items()}
        self._answers = list(dict.fromkeys(row.completion for row in rows))
        self._prompts = {row.prompt for row in rows}
        self._refused = self._refused_of_others = 0

    def write(self) -> Row | None:
        """Write one row; None where no answer was accepted."""
        if not self._rows or self._refused >= _PATIENCE:
            return None
        rng, parent = self._rng, self._rng.choice(self._rows)
        words = parent.prompt.split(" ")
        free = [place for place in range(len(words)) if len(self._words[len(words), place]) > 1]
        if not free:
            return None
        changed = dict[str, str]()
        for place in rng.sample(free, min(len(free), rng.randint(1, _MOST_CHANGED))):
            changed[words[place]] = rng.choice(self._words[len(words), place])
        other = " ".join(changed.get(word, word) for word in words)
        if other in self._prompts:
            return None
        derived = (" ".join(changed.get(word, word) for word in parent.completion.split(" ")), parent.completion)
        for answer in dict.fromkeys(derived):
            if self._is_right(other, answer):
                return replace(parent, prompt=other, completion=answer)
        if self._refused_of_others < _PATIENCE:
            for answer in rng.sample(self._answers, min(len(self._answers), _MOST_ANSWERS)):
                self._refused_of_others += 1
                if self._is_right(other, answer):
                    self._refused_of_others = 0
                    return replace(parent, prompt=other, completion=answer)
        return None

    def _is_right(self, prompt: str, answer: str) -> bool:
        is_right = self._accepts(prompt, answer)
        self._refused = 0 if is_right else self._refused + 1
        return is_right
