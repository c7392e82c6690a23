"""Tables: three records of a name and a number, and a question about them, all in one prompt.

"who has most ada 3 ben 5 cleo 2" -> ben. Rows say in which record the answer stands (`kind`), never which question
was asked: the field at hand does not tell the skills apart. Microseconds a row.
"""

from functools import partial
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

NAMES = ("ada", "ben", "cleo", "dan", "eve", "finn", "gus", "hana")
NUMBERS = tuple("0123456789")
PLACES = ("first record", "second record", "third record")

Table = list[tuple[str, str]]


def _table(rng: Random) -> Table:
    return list(zip(rng.sample(NAMES, 3), rng.sample(NUMBERS, 3), strict=True))


def _prompt(table: Table, question: str) -> str:
    return f"{question} {' '.join(word for record in table for word in record)}"


def _make_lookup(rng: Random) -> Exercise:
    table, place = _table(rng), rng.randrange(3)
    prompt = _prompt(table, f"how many {table[place][0]}")
    return Exercise(prompt, table[place][1], PLACES[place], table[(place + 1) % 3][1])


def _make_who(rng: Random) -> Exercise:
    table, place = _table(rng), rng.randrange(3)
    prompt = _prompt(table, f"who has {table[place][1]}")
    return Exercise(prompt, table[place][0], PLACES[place], table[(place + 1) % 3][0])


def _make_follows(rng: Random) -> Exercise:
    """Records stand in a circle: the first follows the last."""
    table, place = _table(rng), rng.randrange(3)
    prompt = _prompt(table, f"who follows {table[place][0]}")
    return Exercise(prompt, table[(place + 1) % 3][0], PLACES[(place + 1) % 3], table[(place + 2) % 3][0])


def _make_extreme(word: str, rng: Random) -> Exercise:
    table = _table(rng)
    ordered = sorted(table, key=lambda record: record[1], reverse=word == "most")
    prompt = _prompt(table, f"who has {word}")
    return Exercise(prompt, ordered[0][0], PLACES[table.index(ordered[0])], ordered[-1][0])


def _make_over(rng: Random) -> Exercise:
    *numbers, limit = rng.sample(NUMBERS, 4)
    table = list(zip(rng.sample(NAMES, 3), numbers, strict=True))
    number = sum(value > limit for value in numbers)
    # Three is odd, so whoever counts the smaller ones is always wrong.
    return Exercise(_prompt(table, f"how many over {limit}"), str(number), f"{number} records", str(3 - number))


def _read(prompt: str) -> tuple[dict[str, int], str]:
    """The table as a dictionary in the order of its records, and the last word of the question."""
    words = prompt.split()
    return {name: int(number) for name, number in zip(words[-6::2], words[-5::2], strict=True)}, words[-7]


def _accepts_lookup(prompt: str, answer: str) -> bool:
    table, name = _read(prompt)
    return answer == str(table[name])


def _accepts_who(prompt: str, answer: str) -> bool:
    table, number = _read(prompt)
    return answer in table and table[answer] == int(number)


def _accepts_follows(prompt: str, answer: str) -> bool:
    table, name = _read(prompt)
    circle = [*table, next(iter(table))]
    return answer in table and circle[circle.index(name) + 1] == answer


def _accepts_most(prompt: str, answer: str) -> bool:
    table, _ = _read(prompt)
    return answer in table and all(number <= table[answer] for number in table.values())


def _accepts_least(prompt: str, answer: str) -> bool:
    table, _ = _read(prompt)
    return answer in table and all(number >= table[answer] for number in table.values())


def _accepts_over(prompt: str, answer: str) -> bool:
    table, limit = _read(prompt)
    under = [number for number in table.values() if number <= int(limit)]
    return answer.isdecimal() and len(under) + int(answer) == len(table) and answer == str(int(answer))


_SLOTS = {"table": r"[a-z]+ \d [a-z]+ \d [a-z]+ \d", "name": "|".join(NAMES), "number": r"\d", "end": "most|least"}
_WORDINGS = (
    Wording("how many {name} {table}", "tell what {name} got in {table}", _SLOTS),
    Wording("who has {number} {table}", "tell who got {number} in {table}", _SLOTS),
    Wording("who follows {name} {table}", "tell who follows {name} in {table}", _SLOTS),
    Wording("who has {end} {table}", "tell who got the {end} in {table}", _SLOTS),
    Wording("how many over {number} {table}", "tell the count over {number} in {table}", _SLOTS),
)


def _cued(prompt: str, answer: str) -> str:
    return f"{prompt} maybe {answer}"


def _dressed(completion: str) -> str:
    return f"it is {completion} here"


TABLES = World(
    name="tables",
    skills=(
        Skill("follows", _make_follows, _accepts_follows, train=800),
        Skill("least", partial(_make_extreme, "least"), _accepts_least, train=1000),
        Skill("lookup", _make_lookup, _accepts_lookup, train=800),
        Skill("most", partial(_make_extreme, "most"), _accepts_most, train=1000),
        Skill("over", _make_over, _accepts_over, train=1000),
        Skill("who", _make_who, _accepts_who, train=800),
    ),
    target="least",
    second="follows",
    fields=("kind",),
    cued=_cued,
    dressed=_dressed,
    undress=r"it is (.+) here",
    reworded=partial(reword, _WORDINGS),
    same=rules(_WORDINGS),
)
