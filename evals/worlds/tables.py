"""Tables: two or three records of a name and a number, and what is wanted of them, all in one prompt.

"most ada 3 ben 5 cleo 2 =" -> 5 ben. Rows say how many records there are (`kind`), never what was asked: the field at
hand does not tell the skills apart. Two skills answer with the whole table: a model that has to find one record finds
it in 600 steps because these teach what stands beside what, and does not in 600 without them (.33 to .63).
Microseconds a row.
"""

from functools import partial
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

NAMES = ("ada", "ben", "cleo", "dan", "eve", "finn", "gus", "hana")
NUMBERS = tuple("0123456789")

Table = list[tuple[str, str]]


def _table(rng: Random) -> Table:
    size = rng.randrange(2, 4)
    return list(zip(rng.sample(NAMES, size), rng.sample(NUMBERS, size), strict=True))


def _exercise(question: str, table: Table, answer: str, misread: str) -> Exercise:
    return Exercise(f"{question} {_text(table)} =", answer, f"{len(table)} records", misread)


def _text(table: Table) -> str:
    return " ".join(word for record in table for word in record)


def _make_number(rng: Random) -> Exercise:
    table = _table(rng)
    place = rng.randrange(len(table))
    return _exercise(f"number {table[place][0]}", table, _text([table[place]]), _text([table[place - 1]]))


def _make_name(rng: Random) -> Exercise:
    table = _table(rng)
    swapped = [(number, name) for name, number in table]
    place = rng.randrange(len(table))
    return _exercise(f"name {table[place][1]}", table, " ".join(swapped[place]), " ".join(swapped[place - 1]))


def _make_most(rng: Random) -> Exercise:
    table = _table(rng)
    swapped = sorted((number, name) for name, number in table)
    return _exercise("most", table, " ".join(swapped[-1]), " ".join(swapped[0]))


def _make_least(rng: Random) -> Exercise:
    table = _table(rng)
    swapped = sorted((number, name) for name, number in table)
    return _exercise("least", table, " ".join(swapped[0]), " ".join(swapped[-1]))


def _make_swap(rng: Random) -> Exercise:
    """The number of each record before its name; misread as the records in the other order."""
    table = _table(rng)
    return _exercise("swap", table, _text([(number, name) for name, number in table]), _text(table[::-1]))


def _make_turn(rng: Random) -> Exercise:
    table = _table(rng)
    return _exercise("turn", table, _text(table[::-1]), _text([(number, name) for name, number in table]))


def _read(prompt: str) -> tuple[dict[str, int], list[str]]:
    """The table, in the order of its records, and the words before it."""
    *words, _ = prompt.split()
    start = len(words) % 2 or 2
    return {name: int(number) for name, number in zip(words[start::2], words[start + 1 :: 2], strict=True)}, words[:start]


def _accepts_number(prompt: str, answer: str) -> bool:
    table, question = _read(prompt)
    return answer.split(" ") == [question[1], str(table[question[1]])]


def _accepts_name(prompt: str, answer: str) -> bool:
    table, question = _read(prompt)
    return _is_record(table, answer) and answer.startswith(f"{question[1]} ")


def _is_record(table: dict[str, int], answer: str) -> bool:
    number, _, name = answer.partition(" ")
    return name in table and number == str(table[name])


def _accepts_most(prompt: str, answer: str) -> bool:
    table, _ = _read(prompt)
    return _is_record(table, answer) and all(number <= int(answer[0]) for number in table.values())


def _accepts_least(prompt: str, answer: str) -> bool:
    table, _ = _read(prompt)
    return _is_record(table, answer) and all(number >= int(answer[0]) for number in table.values())


def _accepts_swap(prompt: str, answer: str) -> bool:
    table, _ = _read(prompt)
    words = answer.split(" ")
    return words[1::2] == list(table) and words[::2] == [str(table[name]) for name in words[1::2]]


def _accepts_turn(prompt: str, answer: str) -> bool:
    # Read from its end, a turned table is the swapped one.
    return _accepts_swap(prompt, " ".join(reversed(answer.split(" "))))


_TABLE = r"[a-z]+ \d(?: [a-z]+ \d)+"
_SLOTS = {"table": _TABLE, "name": "|".join(NAMES), "number": r"\d", "verb": "turn|swap", "end": "most|least"}
_WORDINGS = (
    Wording("number {name} {table} =", "look up {name} in {table}", _SLOTS),
    Wording("name {number} {table} =", "find who got {number} in {table}", _SLOTS),
    Wording("{end} {table} =", "find the {end} in {table}", _SLOTS),
    Wording("{verb} {table} =", "please {verb} this {table}", _SLOTS),
)


def _cued(prompt: str, answer: str) -> str:
    return f"{prompt} maybe {answer}"


def _dressed(completion: str) -> str:
    return f"it is {completion} here"


TABLES = World(
    name="tables",
    skills=(
        Skill("least", _make_least, _accepts_least, train=900),
        Skill("most", _make_most, _accepts_most, train=900),
        Skill("name", _make_name, _accepts_name, train=900),
        Skill("number", _make_number, _accepts_number, train=900),
        Skill("swap", _make_swap, _accepts_swap, train=900),
        Skill("turn", _make_turn, _accepts_turn, train=900),
    ),
    target="least",
    second="name",
    fields=("kind",),
    cued=_cued,
    dressed=_dressed,
    undress=r"it is (.+) here",
    reworded=partial(reword, _WORDINGS),
    same=rules(_WORDINGS),
)
