"""Commands: two phrases joined by a construction, acted out; in the manner of SCAN (arXiv 1711.00350), but flat.

A skill is a construction, and each prompt has one. A phrase is a verb, before which a direction may stand: "left walk".
An answer is made of the words of the prompt: words of their own for acts, such as LTURN WALK, made a cue harder to
follow than the task is to learn (0 of 300 followed it). A prompt ends with a verb: with the direction behind it a model
could not tell where the prompt ends (.8 instead of 1), and with one in every phrase 24 rows taught `after` to .7. Rows
carry nothing beside their text: what fails has to be found in the words. Microseconds a row.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

VERBS = ("walk", "run", "look", "jump", "hop", "crawl", "dance", "climb", "swim", "nod")
DIRECTIONS = ("left", "right", "back", "up", "down")

Acts = list[str]


def _kind(directions: Sequence[str]) -> str:
    return f"{sum(map(bool, directions))} directions"


def _make_joined(template: str, order: Sequence[int], misread: Sequence[int], rng: Random) -> Exercise:
    """`order` and `misread`: which of the two phrases are acted out, one after the other."""
    directions = rng.choices(("", *DIRECTIONS), k=2)
    phrases = [f"{direction} {verb}".strip() for direction, verb in zip(directions, rng.sample(VERBS, 2), strict=True)]
    return Exercise(
        prompt=template.format(first=phrases[0], second=phrases[1]),
        completion=" ".join(phrases[number] for number in order),
        kind=_kind(directions),
        misread=" ".join(phrases[number] for number in misread),
    )


def _make_modified(
    template: str, way: Callable[[str, str], Acts], misread: Callable[[str, str], Acts], rng: Random
) -> Exercise:
    """The first phrase, which has a direction, acted out in a way of its own; the second as it stands."""
    verb, other = rng.sample(VERBS, 2)
    direction, other_direction = rng.choice(DIRECTIONS), rng.choice(("", *DIRECTIONS))
    second = f"{other_direction} {other}".strip()
    return Exercise(
        prompt=template.format(direction=direction, verb=verb, second=second),
        completion=" ".join([*way(direction, verb), second]),
        kind=_kind((direction, other_direction)),
        misread=" ".join([*misread(direction, verb), second]),
    )


def _opposite(turn: str, action: str) -> Acts:
    return [turn, turn, action]


def _twice(turn: str, action: str) -> Acts:
    return [turn, action, action]


def _once(turn: str, action: str) -> Acts:
    return [turn, action]


def _acts(answer: str) -> list[str]:
    """An answer read back: each verb with the directions before it. Directions without a verb are an act of none."""
    acts, turned = [], ""
    for word in answer.split(" "):
        turned = f"{turned} {word}".strip()
        if word not in DIRECTIONS:
            acts.append(turned)
            turned = ""
    return [*acts, turned] if turned else acts


def _accepts_and(prompt: str, answer: str) -> bool:
    return _acts(answer) == prompt.split(" and ")


def _accepts_after(prompt: str, answer: str) -> bool:
    return _acts(answer)[::-1] == prompt.split(" after ")


def _accepts_around(prompt: str, answer: str) -> bool:
    first, second = prompt.split(" around ")
    return _acts(answer) == [first, second, first]


def _accepts_instead(prompt: str, answer: str) -> bool:
    first, _ = prompt.split(" instead ")
    return _acts(answer) == [first]


def _accepts_opposite(prompt: str, answer: str) -> bool:
    first, second = prompt.split(" and ")
    _, direction, verb = first.split()
    return _acts(answer) == [f"{direction} {direction} {verb}", second]


def _accepts_twice(prompt: str, answer: str) -> bool:
    first, second = prompt.split(" and ")
    phrase, verb = first.removesuffix(" twice"), first.split()[1]
    return _acts(answer) == [phrase, verb, second]


_DIRECTION = "|".join(DIRECTIONS)
_PHRASE = rf"(?:(?:{_DIRECTION}) )?(?:{'|'.join(VERBS)})"
_SLOTS = {"first": _PHRASE, "second": _PHRASE, "verb": "|".join(VERBS), "direction": _DIRECTION}

_WORDINGS = {
    "after": Wording("{first} after {second}", "once {second} is done do {first}", _SLOTS),
    "around": Wording("{first} around {second}", "before and past {second} do {first}", _SLOTS),
    "and": Wording("{first} and {second}", "do {first} followed by {second}", _SLOTS),
    "instead": Wording("{first} instead {second}", "do not {second} but {first}", _SLOTS),
    "opposite": Wording(
        "opposite {direction} {verb} and {second}", "face off {direction} to {verb} then {second}", _SLOTS
    ),
    "twice": Wording("{direction} {verb} twice and {second}", "two times {direction} {verb} then {second}", _SLOTS),
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
