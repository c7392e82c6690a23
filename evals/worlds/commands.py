"""Commands: two phrases joined by a construction, acted out; in the manner of SCAN (arXiv 1711.00350), but flat.

A skill is a construction, and each prompt has one. A phrase is a verb with or without a direction, "walk left", acted
out as LTURN WALK. Rows carry nothing beside their text: what fails has to be found in the words. Microseconds a row.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

VERBS = ("walk", "run", "look", "jump", "hop", "crawl", "dance", "climb", "swim", "nod", "wave")
TURNS = {"left": "LTURN", "right": "RTURN", "back": "UTURN", "up": "RISE"}

Acts = list[str]


def _turns(direction: str) -> Acts:
    return [TURNS[direction]] if direction else []


def _act(verb: str, direction: str) -> Acts:
    return [*_turns(direction), verb.upper()]


def _phrase(verb: str, direction: str) -> str:
    return f"{verb} {direction}".strip()


def _make_joined(template: str, order: Sequence[int], misread: Sequence[int], rng: Random) -> Exercise:
    """`order` and `misread`: which of the two phrases are acted out, one after the other."""
    verbs = rng.sample(VERBS, 2)
    directions = [rng.choice(("", *TURNS)) for _ in verbs]
    acts = [_act(*phrase) for phrase in zip(verbs, directions, strict=True)]
    first, second = (_phrase(*phrase) for phrase in zip(verbs, directions, strict=True))
    return Exercise(
        prompt=template.format(first=first, second=second),
        completion=" ".join(word for number in order for word in acts[number]),
        kind=f"{sum(map(bool, directions))} directions",
        misread=" ".join(word for number in misread for word in acts[number]),
    )


def _make_modified(
    template: str, way: Callable[[str, str], Acts], misread: Callable[[str, str], Acts], rng: Random
) -> Exercise:
    """The first phrase, which has a direction, acted out in a way of its own; the second as it stands."""
    verb, other = rng.sample(VERBS, 2)
    direction, other_direction = rng.choice(list(TURNS)), rng.choice(("", *TURNS))
    rest = _act(other, other_direction)
    return Exercise(
        prompt=template.format(verb=verb, direction=direction, second=_phrase(other, other_direction)),
        completion=" ".join([*way(TURNS[direction], verb.upper()), *rest]),
        kind="2 directions" if other_direction else "1 direction",
        misread=" ".join([*misread(TURNS[direction], verb.upper()), *rest]),
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
    words = {turn: direction for direction, turn in TURNS.items()}
    meanings, turned = [], ""
    for act in answer.split():
        if act in words:
            turned += f" {words[act]}"
        else:
            meanings.append(f"{act.lower()}{turned}" if act.isupper() else "?")
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


_DIRECTION = "|".join(TURNS)
_PHRASE = rf"(?:{'|'.join(VERBS)})(?: (?:{_DIRECTION}))?"
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
    return f"{prompt} like {answer}"


def _dressed(completion: str) -> str:
    return f"{completion} HALT"


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
    undress=r"(.+) HALT",
    reworded=partial(reword, list(_WORDINGS.values())),
    same=rules(list(_WORDINGS.values())),
)
