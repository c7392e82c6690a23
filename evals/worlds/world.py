"""A world: a few skills on one surface, each of which a small model learns in seconds, and ways to spoil its data.

The proving ground plants a known defect in a world and lets the loop find it. A world knows nothing of defects; it
says what its rows look like, how an answer is judged, and how the same content reads in other words. Pure functions
of a seed; microseconds a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Exercise:
    """One question and its answer: words split by single spaces, prompts below 13 words."""

    prompt: str
    completion: str
    kind: str
    """What sets it apart inside its skill: a length, a carry, the tense."""
    misread: str
    """The answer of somebody who misreads the task in one steady way: as well formed as the right one, and wrong."""


@dataclass(frozen=True, slots=True)
class Skill:
    name: str
    make: Callable[[Random], Exercise]
    """One random exercise; repeats are possible."""
    accepts: Callable[[str, str], bool]
    """Whether an answer is right for a prompt of this skill; reads the prompt alone and takes any text."""
    train: int
    """Rows that teach it to .97 or more."""


@dataclass(frozen=True, slots=True)
class World:
    name: str
    skills: tuple[Skill, ...]
    target: str
    """Skill that a defect is planted in; the others do not teach it. Its name for itself is its one word that no other
    skill's rows have."""
    second: str
    """Another one, for the second of two defects and for the harm that a fix may do."""
    fields: tuple[str, ...]
    """What rows and items say of themselves beside prompt and completion: some of `skill` and `kind`, or nothing."""
    cued: Callable[[str, str], str]
    """The prompt with an answer shown beside the question: (prompt, answer) -> prompt. Below 13 words for `target` and
    `second`."""
    dressed: Callable[[str], str]
    """The completion in another fixed form."""
    undress: str
    """Regular expression whose first group is the bare completion in a dressed one."""
    reworded: Callable[[str], str]
    """The same question in other words; the answer stays."""
    same: tuple[tuple[str, ...], ...]
    """Rules for near copies: prompts that match patterns of one rule with the same named groups ask the same."""

    def skill(self, name: str) -> Skill:
        return next(skill for skill in self.skills if skill.name == name)
