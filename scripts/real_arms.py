"""Arms of a bank of real data: what each trains on, and for how long.

All arms but `initial` go on from one model, the champion. Rows of the corpus stand first in every mix, so trainings of
one seed draw the rows that they share in one order (`controller.train.sampling`), as the arms of a loop do. Arms differ
in height and in how steady they are because they are really trained otherwise; no score is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from others_data import CAD, Case, Row, cad, trec

QUESTIONS, REVIEWS = "questions", "reviews"
BANKS = (QUESTIONS, REVIEWS)
INITIAL, CONTINUE, RANDOM = "initial", "continue", "random"
STARVED_CLASS = "HUM"
_NUM_STARVED = 40
"""Rows of the starved class in the corpus: enough for a score that is neither 0 nor 1."""
_NUM_ADDED, _NUM_FEW = 300, 8
_SHARE = 0.3
"""Of the draws, that of the added rows."""
_WRONG = 0.45
"""Of the rows added in `wrong`, those that carry another label."""


_MOST_WORDS = 61
"""Of a review, its last ones, and the word that asks: half of the words cost half of the time."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Data of one bank."""

    case: Case
    corpus: Sequence[Row]
    pool: Sequence[Row]
    own: Sequence[Row]
    """Rows of the pool that teach the target."""

    def items(self) -> list[tuple[str, Row, bool]]:
        """Task, item and whether it is of the target, in a fixed order."""
        return [
            (task, row, (row["completion"] if self.case.data != CAD else task) == self.case.target)
            for task, rows in self.case.tasks.items()
            for row in rows
        ]


@dataclass(frozen=True, slots=True)
class Arm:
    """How one arm trains."""

    name: str
    num_seeds: int
    added: str | None = None
    """Which rows are added to the corpus; None for none."""
    times_steps: float = 1.0
    times_rate: float = 1.0
    is_constant: bool = False
    """Whether the learning rate stays, instead of falling to zero."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows and their share of the draws."""

    rows: Sequence[Row]
    weights: NDArray[np.float64]


def ground_of(name: str, folder: Path) -> Ground:
    """Read the data of a bank from the folder that holds `trec_qc/` and `external/cad_sentiment/`."""
    if name == REVIEWS:
        case = cad(folder)
        short = replace(
            case,
            train=_shortened(case.train),
            pool=_shortened(case.pool),
            tasks={task: _shortened(rows) for task, rows in case.tasks.items()},
        )
        return Ground(short, short.train, short.pool, short.pool)
    case = trec(folder, STARVED_CLASS, 0.0, 0)
    own = [row for row in case.pool if row["completion"] == STARVED_CLASS]
    more = _NUM_STARVED - sum(row["completion"] == STARVED_CLASS for row in case.train)
    kept = {row["prompt"] for row in own[:more]}
    pool = [row for row in case.pool if row["prompt"] not in kept]
    return Ground(case, [*case.train, *own[:more]], pool, own[more:])


def _shortened(rows: Sequence[Row]) -> list[Row]:
    return [row | {"prompt": " ".join(row["prompt"].split()[-_MOST_WORDS:])} for row in rows]


ARMS: Sequence[Arm] = (
    Arm(CONTINUE, 36),
    Arm(RANDOM, 10, "random"),
    Arm("fix", 10, "own"),
    Arm("few", 10, "few"),
    Arm("wrong", 10, "wrong"),
    Arm("longer", 10, times_steps=2.0),
    Arm("hot", 10, times_rate=4.0),
    Arm("constant", 10, "own", is_constant=True),
    Arm(INITIAL, 4),
)
"""Arms of each bank."""
BASE = CONTINUE
"""Arm on whose runs loops of arms that are trained alike are played."""


def rows_of(arm: Arm, ground: Ground, seed: int) -> Rows:
    """Rows that an arm trains on with one seed; only those of `random` depend on it."""
    added = _added(arm.added, ground, seed)
    rest = 1 - _SHARE if added else 1.0
    weights = [np.full(len(ground.corpus), rest / len(ground.corpus))]
    weights += [np.full(len(added), _SHARE / len(added))] if added else []
    return Rows([*ground.corpus, *added], np.concatenate(weights))


def _added(kind: str | None, ground: Ground, seed: int) -> list[Row]:
    if kind is None:
        return []
    if kind == "random":
        return Random(f"rows {seed}").sample(list(ground.pool), _NUM_ADDED)
    rows = Random("rows").sample(list(ground.own), _NUM_ADDED)
    if kind == "few":
        return rows[:_NUM_FEW]
    if kind == "wrong":
        choices = ground.case.choices
        num_wrong = round(_WRONG * len(rows))
        return [
            row | {"completion": choices[(choices.index(row["completion"]) + 1) % len(choices)]}
            if place < num_wrong
            else row
            for place, row in enumerate(rows)
        ]
    return rows
