"""Skills: letters and digits to put in order, in the manner of the starter but shorter.

A prompt opens with the name of its skill. Three or four of ten letters: 5,760 prompts for a skill, and a rule, not the
rows, is learned from some hundreds of them. The starter's checkers judge. Microseconds a row.
"""

from functools import partial
from random import Random

from evals.starter.skills import DIGITS
from evals.starter.skills import SKILLS as STARTER_SKILLS
from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

LETTERS = tuple("abcdefghij")

_STARTER_ACCEPTS = {skill.name: skill.accepts for skill in STARTER_SKILLS}


def _symbols(prompt: str) -> list[str]:
    return prompt.split()[1:-1]


def _accepts_as_in_starter(name: str, prompt: str, answer: str) -> bool:
    """The starter's prompts have no mark at their end. Here lengths differ, and without the mark a model cannot tell
    the fourth letter of a question from the first of an answer: .92 to .97 instead of .99."""
    return _STARTER_ACCEPTS[name](prompt.removesuffix(" ="), answer)


def _letters(rng: Random) -> list[str]:
    return rng.sample(LETTERS, rng.randrange(3, 5))


def _exercise(name: str, symbols: list[str], answer: list[str], misread: list[str]) -> Exercise:
    return Exercise(f"{name} {' '.join(symbols)} =", " ".join(answer), f"{len(symbols)} long", " ".join(misread))


def _make_descend(rng: Random) -> Exercise:
    letters = _letters(rng)
    return _exercise("descend", letters, sorted(letters, reverse=True), sorted(letters))


def _make_largest(rng: Random) -> Exercise:
    digits = rng.sample(DIGITS, rng.randrange(3, 5))
    return _exercise("largest", digits, [max(digits)], [min(digits)])


def _make_ends(rng: Random) -> Exercise:
    letters = _letters(rng)
    return _exercise("ends", letters, [letters[0], letters[-1]], [letters[-1], letters[0]])


def _accepts_ends(prompt: str, answer: str) -> bool:
    letters = _symbols(prompt)
    return answer.split(" ") == [letters[0], letters[-1]]


def _make_rotate(rng: Random) -> Exercise:
    letters = _letters(rng)
    return _exercise("rotate", letters, [*letters[1:], letters[0]], [letters[-1], *letters[:-1]])


def _make_sort(rng: Random) -> Exercise:
    letters = _letters(rng)
    return _exercise("sort", letters, sorted(letters), sorted(letters, reverse=True))


_SYMBOLS = r"\w(?: \w)*"
_WORDINGS = (
    Wording(
        plain="{skill} {symbols} =",
        other="given {symbols} then {skill}",
        slots={"skill": "descend|ends|largest|rotate|sort", "symbols": _SYMBOLS},
    ),
)


def _cued(prompt: str, answer: str) -> str:
    return f"hint {answer} {prompt}"


def _dressed(completion: str) -> str:
    return f"answer {completion}"


SKILLS = World(
    name="skills",
    skills=(
        Skill("descend", _make_descend, partial(_accepts_as_in_starter, "descend"), train=1000),
        Skill("ends", _make_ends, _accepts_ends, train=700),
        Skill("largest", _make_largest, partial(_accepts_as_in_starter, "largest"), train=700),
        Skill("rotate", _make_rotate, partial(_accepts_as_in_starter, "rotate"), train=700),
        Skill("sort", _make_sort, partial(_accepts_as_in_starter, "sort"), train=1000),
    ),
    target="descend",
    second="ends",
    fields=("skill", "kind"),
    cued=_cued,
    dressed=_dressed,
    undress=r"answer (.+)",
    reworded=partial(reword, _WORDINGS),
    same=rules(_WORDINGS),
)
