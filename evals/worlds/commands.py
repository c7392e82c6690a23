"""Commands: two phrases joined by a construction, acted out; in the manner of SCAN (arXiv 1711.00350), but flat.

A skill is a construction, and each prompt has one. A phrase is a verb and a direction, "walk left", acted out as "left
walk": one faces the direction first. Words of their own for acts, such as LTURN WALK, made a cue harder to follow than
the task is to learn (0 of 300 followed it); phrases without a direction made it unclear where a prompt ends (.8 instead
of 1). Rows carry nothing beside their text: what fails has to be found in the words. Microseconds a row.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

VERBS = ("walk", "run", "look", "jump", "hop", "crawl", "dance", "climb", "swim", "nod", "wave")
DIRECTIONS = ("left", "right", "back", "up", "down")

Acts = list[str]


def _kind(first: str, second: str) -> str:
    return "one direction" if first == second else "two directions"


def _make_joined(template: str, order: Sequence[int], misread: Sequence[int], rng: Random) -> Exercise:
    """`order` and `misread`: which of the two phrases are acted out, one after the other."""
    verbs, directions = rng.sample(VERBS, 2), rng.choices(DIRECTIONS, k=2)
    first, second = (f"{verb} {direction}" for verb, direction in zip(verbs, directions, strict=True))
    acts = [f"{direction} {verb}" for verb, direction in zip(verbs, directions, strict=True)]
    return Exercise(
        prompt=template.format(first=first, second=second),
        completion=" ".join(acts[number] for number in order),
        kind=_kind(*directions),
        misread=" ".join(acts[number] for number in misread),
    )


def _make_modified(
    template: str, way: Callable[[str, str], Acts], misread: Callable[[str, str], Acts], rng: Random
) -> Exercise:
    """The first phrase acted out in a way of its own, the second as it stands."""
    verb, other = rng.sample(VERBS, 2)
    direction, other_direction = rng.choices(DIRECTIONS, k=2)
    rest = [other_direction, other]
    return Exercise(
        prompt=template.format(verb=verb, direction=direction, second=f"{other} {other_direction}"),
        completion=" ".join([*way(direction, verb), *rest]),
        kind=_kind(direction, other_direction),
        misread=" ".join([*misread(direction, verb), *rest]),
    )


def _opposite(turn: str, action: str) -> Acts:
    return [turn, turn, action]


def _twice(turn: str, action: str) -> Acts:
    return [turn, action, action]


def _once(turn: str, action: str) -> Acts:
    return [turn, action]


def _meanings(answer: str) -> list[str]:
    """An answer read back: its actions, each with the turns before it, as `walk left` or `walk left left`.

    Turns that no action follows stand alone at the end, where no phrase reads so.
    """
    meanings, turned = [], ""
    for act in answer.split(" "):
        if act in DIRECTIONS:
            turned += f" {act}"
        else:
            meanings.append(f"{act}{turned}")
            turned = ""
    return [*meanings, turned] if turned else meanings


def _accepts_and(prompt: str, answer: str) -> bool:
    return _meanings(answer) == prompt.split(" and ")


def _accepts_after(prompt: str, answer: str) -> bool:
    return _meanings(answer)[::-1] == prompt.split(" after ")


def _accepts_around(prompt: str, answer: str) -> bool:
    first, second = prompt.split(" around ")
    return _meanings(answer) == [first, second, first]


def _accepts_instead(prompt: str, answer: str) -> bool:
    return [*_meanings(answer), prompt.split(" instead ")[1]] == prompt.split(" instead ")


def _accepts_opposite(prompt: str, answer: str) -> bool:
    first, second = prompt.split(" and ")
    verb, _, direction = first.split()
    return _meanings(answer) == [f"{verb} {direction} {direction}", second]


def _accepts_twice(prompt: str, answer: str) -> bool:
    first, second = prompt.split(" and ")
    verb, direction, _ = first.split()
    return _meanings(answer) == [f"{verb} {direction}", verb, second]


_DIRECTION = "|".join(DIRECTIONS)
_PHRASE = rf"(?:{'|'.join(VERBS)}) (?:{_DIRECTION})"
_SLOTS = {"first": _PHRASE, "second": _PHRASE, "verb": "|".join(VERBS), "direction": _DIRECTION}

_WORDINGS = {
    "after": Wording("{first} after {second}", "once {second} is done do {first}", _SLOTS),
    "around": Wording("{first} around {second}", "before and past {second} do {first}", _SLOTS),
    "and": Wording("{first} and {second}", "do {first} followed by {second}", _SLOTS),
    "instead": Wording("{first} instead {second}", "do not {second} but {first}", _SLOTS),
    "opposite": Wording(
        "{verb} opposite {direction} and {second}", "face off {direction} to {verb} then {second}", _SLOTS
    ),
    "twice": Wording("{verb} {direction} twice and {second}", "two times {verb} {direction} then {second}", _SLOTS),
}
_PLAIN = {name: wording.plain for name, wording in _WORDINGS.items()}


def _cued(prompt: str, answer: str) -> str:
    return f"like {answer} {prompt}"


def _dressed(completion: str) -> str:
    return f"{completion} halt"


COMMANDS = World(
    name="commands",
    skills=(
        Skill("after", partial(_make_joined, _PLAIN["after"], (1, 0), (0, 1)), _accepts_after, train=800),
        Skill("around", partial(_make_joined, _PLAIN["around"], (0, 1, 0), (1, 0, 1)), _accepts_around, train=800),
        Skill("and", partial(_make_joined, _PLAIN["and"], (0, 1), (1, 0)), _accepts_and, train=800),
        Skill("instead", partial(_make_joined, _PLAIN["instead"], (0,), (1,)), _accepts_instead, train=800),
        Skill("opposite", partial(_make_modified, _PLAIN["opposite"], _opposite, _once), _accepts_opposite, train=800),
        Skill("twice", partial(_make_modified, _PLAIN["twice"], _twice, _once), _accepts_twice, train=800),
    ),
    target="after",
    second="around",
    fields=(),
    cued=_cued,
    dressed=_dressed,
    undress=r"(.+) halt",
    reworded=partial(reword, list(_WORDINGS.values())),
    same=rules(list(_WORDINGS.values())),
)
