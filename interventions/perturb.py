"""New rows out of old ones: other entities and parameters in the same places, held right by a program's checker.

A word of the prompt becomes another that stands at that place in another row of the slice. The answer is the old one
with the same words replaced, or as it was, or that of another row: whichever the checker accepts first. For skills that
nobody has a generator for; where answers are long and change in every word it finds few. A hundred rows of short
answers take milliseconds, and a call of the checker for each answer tried.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

_MOST_ANSWERS = 200
"""Of other rows, tried for one prompt."""
_MOST_CHANGED = 2
"""Words of a prompt."""


@dataclass(frozen=True, slots=True)
class Perturbed:
    prompt: str
    completion: str
    parent: int
    """Place of the row that it was made from."""


class Perturbation:
    """Makes rows like the given ones.

    Args:
        pairs: Prompt and completion of each.
        accepts: (prompt, completion) -> whether the completion is right.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], accepts: Callable[[str, str], bool]) -> None:
        self._pairs = pairs
        self._accepts = accepts
        words: dict[tuple[int, int], dict[str, None]] = {}
        for prompt, _ in pairs:
            split = prompt.split(" ")
            for place, word in enumerate(split):
                words.setdefault((len(split), place), {})[word] = None
        self._words = {where: list(found) for where, found in words.items()}
        self._answers = list(dict.fromkeys(completion for _, completion in pairs))

    def make(self, rng: Random) -> Perturbed | None:
        """One row; None where no answer was accepted."""
        if not self._pairs:
            return None
        parent = rng.randrange(len(self._pairs))
        prompt, completion = self._pairs[parent]
        words = prompt.split(" ")
        free = [place for place in range(len(words)) if len(self._words[len(words), place]) > 1]
        if not free:
            return None
        changed = dict[str, str]()
        for place in rng.sample(free, min(len(free), rng.randint(1, _MOST_CHANGED))):
            changed[words[place]] = rng.choice(self._words[len(words), place])
        other = " ".join(changed.get(word, word) for word in words)
        if other == prompt:
            return None
        answers = self._candidates(completion, changed, rng)
        right = next((answer for answer in answers if self._accepts(other, answer)), None)
        return None if right is None else Perturbed(other, right, parent)

    def _candidates(self, completion: str, changed: dict[str, str], rng: Random) -> Iterator[str]:
        yield " ".join(changed.get(word, word) for word in completion.split(" "))
        yield completion
        yield from rng.sample(self._answers, min(len(self._answers), _MOST_ANSWERS))
