"""The embedded starter: a corpus, a pool and evaluation items that the project makes itself.

Nine skills (`evals.starter.skills`), a task for each. The corpus starves one of them: it has 24 rows of
`descend` where `sort`, its mirror image, has 1,000. A model that sorts fails to sort downwards, more steps or more
weight on the 24 rows hardly help, and 200 fresh rows from the pool do. What is to blame is thus known beforehand.
Pure functions of a seed; 0.2 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
    items: int = 300


# What a skill needs in the corpus to be learned beyond .95 in 1,200 steps; sums and comparisons need the most.
SIZES = {
    "add": Sizes(train=2400),
    "compare": Sizes(train=1200),
    "count": Sizes(train=880),
    "deduce": Sizes(train=800),
    "descend": Sizes(train=24, pool=200, items=1000),
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
    """By task, `starter_<skill>`; `starter_others` holds the items of every skill but the starved one, for a guard
    needs more items than one skill has."""


def starter(seed: int) -> Starter:
    """Corpus and pool in random order, and the items of each task."""
    train: list[Row] = []
    pool: list[Row] = []
    items: dict[str, tuple[Row, ...]] = {}
    for skill in SKILLS:
        sizes = SIZES[skill.name]
        rows = _distinct_rows(skill, sizes.train + sizes.pool + sizes.items, seed)
        train += rows[: sizes.train]
        pool += rows[sizes.train : sizes.train + sizes.pool]
        items[f"starter_{skill.name}"] = tuple(rows[sizes.train + sizes.pool :])
    others = (rows for task, rows in items.items() if task != f"starter_{STARVED}")
    items["starter_others"] = tuple(row for rows in others for row in rows)
    rng = Random(seed)
    rng.shuffle(train)
    rng.shuffle(pool)
    return Starter(train=tuple(train), pool=tuple(pool), items=items)


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
