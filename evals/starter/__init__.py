"""The embedded starter: a corpus, a pool and evaluation items that the project makes itself.

Nine skills (`evals.starter.skills`), a task for each, and one task of further items of all that are well fed, as
a guard: by itself no skill has the items to show that it lost less than .03. The corpus starves one skill: it has
24 rows of `descend` where `sort`, its mirror image, has 1,000. A model that sorts then fails to sort downwards,
more steps or more weight on the 24 rows hardly help, and 200 fresh rows from the pool do. What is to blame is
thus known beforehand. Pure functions of a seed; 0.2 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random

from evals.starter.skills import SKILLS, Skill

STARVED = "descend"

Row = dict[str, str]
"""prompt, completion, skill and kind (what sets it apart inside its skill, as `carry` or `4 letters`)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows of one skill."""

    train: int
    pool: int = 450
    items: int = 200
    others: int = 100
    """Items of the pooled guard."""


# What a skill needs in the corpus to be learned beyond .94 in 1,200 steps of 64 rows; sums need the most.
SIZES = {
    "add": Sizes(train=2400),
    "compare": Sizes(train=1200),
    "count": Sizes(train=880, pool=350),
    "deduce": Sizes(train=800),
    "descend": Sizes(train=24, pool=200, items=1000, others=0),
    "largest": Sizes(train=800),
    "reverse": Sizes(train=1600),
    "rotate": Sizes(train=800),
    "sort": Sizes(train=1000),
}


@dataclass(frozen=True, slots=True)
class Starter:
    """No prompt stands twice, in one part or in two."""

    train: tuple[Row, ...]
    pool: tuple[Row, ...]
    items: Mapping[str, tuple[Row, ...]]
    """By task: `starter_<skill>`, and `starter_others` with every skill but the starved one."""


def starter(seed: int) -> Starter:
    """Corpus and pool in random order, and the items of each task."""
    train: list[Row] = []
    pool: list[Row] = []
    items: dict[str, tuple[Row, ...]] = {}
    others: list[Row] = []
    for skill in SKILLS:
        sizes = SIZES[skill.name]
        num_rows = sizes.train + sizes.pool + sizes.items + sizes.others
        rows = iter(_distinct_rows(skill, num_rows, seed))
        train += islice(rows, sizes.train)
        pool += islice(rows, sizes.pool)
        items[f"starter_{skill.name}"] = tuple(islice(rows, sizes.items))
        others += rows
    rng = Random(seed)
    rng.shuffle(train)
    rng.shuffle(pool)
    return Starter(tuple(train), tuple(pool), {**items, "starter_others": tuple(others)})


def _distinct_rows(skill: Skill, num_rows: int, seed: int) -> list[Row]:
    # A generator of its own: the rows of one skill do not move when another's number changes.
    rng = Random(f"{seed}/{skill.name}")
    rows: dict[str, Row] = {}
    # The tightest skill, `count`, asks for 1,630 of its 1,680 prompts and needs about four draws a row.
    for _ in range(100 * num_rows):
        if len(rows) == num_rows:
            return list(rows.values())
        made = skill.make(rng)
        row = {"prompt": made.prompt, "completion": made.completion, "skill": skill.name, "kind": made.kind}
        rows.setdefault(made.prompt, row)
    raise AssertionError(f"skill {skill.name} has fewer than {num_rows} prompts")
