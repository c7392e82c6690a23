"""Tables: two or three records of a number and a thing, and what is wanted of them, all in one prompt.

"most 3 figs 5 nuts 2 pies =" -> 5 nuts. Rows say how many records there are (`kind`), never what was asked: the
field at hand does not tell the skills apart. No skill looks a record up by its thing: a model of this size does not
learn that in 600 steps (.4 to .8), and does learn what can be told by comparing numbers and by place. Microseconds a
row.
"""

from functools import partial
from itertools import pairwise
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World

THINGS = ("figs", "limes", "nuts", "pears", "pies", "yams")
NUMBERS = tuple("1234567")

Table = list[tuple[str, str]]


def _table(rng: Random) -> Table:
    size = rng.randrange(2, 4)
    return list(zip(rng.sample(NUMBERS, size), rng.sample(THINGS, size), strict=True))


def _exercise(question: str, table: Table, answer: str, misread: str) -> Exercise:
    return Exercise(f"{question} {_text(table)} =", answer, f"{len(table)} records", misread)


def _text(table: Table) -> str:
    return " ".join(word for record in table for word in record)


def _make_rank(rng: Random) -> Exercise:
    table = _table(rng)
    numbers = sorted(number for number, _ in table)
    return _exercise("rank", table, " ".join(reversed(numbers)), " ".join(numbers))


def _make_most(rng: Random) -> Exercise:
    table = _table(rng)
    return _exercise("most", table, " ".join(max(table)), " ".join(min(table)))


def _make_least(rng: Random) -> Exercise:
    table = _table(rng)
    return _exercise("least", table, " ".join(min(table)), " ".join(max(table)))


def _make_swap(rng: Random) -> Exercise:
    """Each thing before its number; misread as the records in the other order."""
    table = _table(rng)
    return _exercise("swap", table, _text([(thing, number) for number, thing in table]), _text(table[::-1]))


def _make_turn(rng: Random) -> Exercise:
    table = _table(rng)
    return _exercise("turn", table, _text(table[::-1]), _text([(thing, number) for number, thing in table]))


def _read(prompt: str) -> dict[str, int]:
    """The numbers of the things, in the order of the records."""
    _, *words, _ = prompt.split()
    return {thing: int(number) for number, thing in zip(words[::2], words[1::2], strict=True)}


def _accepts_rank(prompt: str, answer: str) -> bool:
    table = _read(prompt)
    numbers = answer.split(" ")
    is_falling = all(left > right for left, right in pairwise(numbers))
    return is_falling and set(numbers) == {str(number) for number in table.values()}


def _is_record(table: dict[str, int], answer: str) -> bool:
    number, _, thing = answer.partition(" ")
    return thing in table and number == str(table[thing])


def _accepts_most(prompt: str, answer: str) -> bool:
    table = _read(prompt)
    return _is_record(table, answer) and all(number <= int(answer[0]) for number in table.values())


def _accepts_least(prompt: str, answer: str) -> bool:
    table = _read(prompt)
    return _is_record(table, answer) and all(number >= int(answer[0]) for number in table.values())


def _accepts_swap(prompt: str, answer: str) -> bool:
    table = _read(prompt)
    words = answer.split(" ")
    return words[::2] == list(table) and words[1::2] == [str(table[thing]) for thing in words[::2]]


def _accepts_turn(prompt: str, answer: str) -> bool:
    # Read from its end, a turned table is the swapped one.
    return _accepts_swap(prompt, " ".join(reversed(answer.split(" "))))


_TABLE = r"\d [a-z]+(?: \d [a-z]+)+"
_SLOTS = {"table": _TABLE, "skill": "least|most|rank|swap|turn"}
_WORDINGS = (Wording("{skill} {table} =", "in {table} please find {skill}", _SLOTS),)


def _cued(prompt: str, answer: str) -> str:
    """Up to 14 words for `swap` and `turn`, whose answers are whole tables; up to 12 for the others."""
    return f"maybe {answer} {prompt}"


def _dressed(completion: str) -> str:
    return f"it is {completion} here"


TABLES = World(
    name="tables",
    skills=(
        Skill("least", _make_least, _accepts_least, train=900),
        Skill("most", _make_most, _accepts_most, train=900),
        Skill("rank", _make_rank, _accepts_rank, train=900),
        Skill("swap", _make_swap, _accepts_swap, train=900),
        Skill("turn", _make_turn, _accepts_turn, train=900),
    ),
    target="least",
    second="rank",
    fields=("kind",),
    cued=_cued,
    dressed=_dressed,
    undress=r"it is (.+) here",
    reworded=partial(reword, _WORDINGS),
    same=rules(_WORDINGS),
)
