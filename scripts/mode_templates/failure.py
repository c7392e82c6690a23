"""One made failure, and what its makers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

VOWELS, CONSONANTS = "aeiou", "bdfgklmnprstvz"


@dataclass(frozen=True, slots=True)
class Failure:
    prompt: str
    target: str
    answer: str
    output_type: str = "generate_until"


Template = Callable[[Random], Failure]


def coined(rng: Random, syllables: int = 2) -> str:
    """A name that nothing bears."""
    parts = [rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(syllables)]
    return ("".join(parts) + rng.choice(["n", "r", "l", "th", "s", ""])).capitalize()


def person(rng: Random) -> str:
    first = ["Ada", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko", "Lars"]
    return f"{rng.choice(first)} {coined(rng, rng.randint(1, 2))}"


def two(rng: Random, choices: Sequence[str]) -> tuple[str, str]:
    first, second = rng.sample(list(choices), 2)
    return first, second
