"""Make new rows: write one, check it, admit it, until there are enough.

Whoever writes rows is a `RowMaker`, whoever holds them right a `Verifier`: a program and its checker, perturbed rows
and the checker of their answers, later teachers and documents. All of them pass the same gate as rows of the pool.
"""

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import numpy as np
from datasets import Dataset

from diagnose.rows.pool import Rendering, TrainPool
from interventions.admission.gate import Stock, admit
from interventions.makers.row import Row

ATTEMPTS = 20
"""Most calls of a maker for each row that is wanted."""

Content = tuple[str, str]
"""Prompt and completion."""


class RowMaker(Protocol):
    """Writes rows, one at a time."""

    def write(self) -> Row | None:
        """One more row, whether it is right or not; None where it has none this time."""
        ...


class Verifier(Protocol):
    """Says of a row whether it may be trained on."""

    def accepts(self, row: Row) -> bool: ...


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows that were made for a finding."""

    rows: Sequence[Row]
    """Rows that pass verifier and gate, as many as are wanted or as there are."""
    blocked: Mapping[str, str]
    """Id of each row that the quality gate kept out, with the reason."""
    giving: Sequence[int]
    """Places of the groups of makers that gave rows."""


def make_rows(
    groups: Sequence[Sequence[RowMaker]], verifier: Verifier, stock: Stock, name: str, number: int, rng: Random
) -> NewRows:
    """Have makers write as long as new rows pass.

    Args:
        groups: Makers in the order of use; those of one group write alike many, the next group writes what is missing.
        verifier: Checks each row before the gate does.
        stock: Corpus and gate.
        name: Who writes them, for their ids.
        number: Rows that are wanted.
        rng: Mixes the rows of makers of one group.
    """
    checked: dict[Content, Row] = {}
    passed: list[Row] = []
    blocked: Mapping[str, str] = {}
    giving: list[int] = []
    for place, makers in enumerate(groups):
        num_before = len(passed)
        while len(passed) < number:
            each = -(-2 * (number - len(passed)) // len(makers))  # some will repeat each other or the corpus
            more = [row for maker in makers for row in checked_rows(maker, verifier, each, checked)]
            if not more:
                break
            rng.shuffle(more)
            checked |= {(row.prompt, row.completion): row for row in more}
            rows = list(checked.values())
            made = pool_of(rows, name, stock.corpus.rendering)
            admitted = admit(made, np.arange(len(made)), stock.gate, stock.said)
            blocked = admitted.blocked
            if len(admitted.rows) == len(passed):
                break
            passed = [rows[k] for k in admitted.rows.tolist()]
        if len(passed) > num_before:
            giving.append(place)
    return NewRows(passed[:number], blocked, giving)


def checked_rows(maker: RowMaker, verifier: Verifier, number: int, known: Container[Content] = ()) -> list[Row]:
    """Distinct rows of one maker that the verifier accepts and that are not among `known`, at most `number`."""
    found: dict[Content, Row] = {}
    for _ in range(ATTEMPTS * number):
        if len(found) == number:
            break
        row = maker.write()
        if row is not None and (row.prompt, row.completion) not in known and verifier.accepts(row):
            found.setdefault((row.prompt, row.completion), row)
    return list(found.values())


def pool_of(rows: Sequence[Row], name: str, rendering: Rendering, source: str = "") -> TrainPool:
    """Make a table of rows, with ids from maker and content.

    Args:
        rows: Rows that were made.
        name: Maker of the rows.
        rendering: How their parts become one text, as those of the corpus.
        source: Column `source` of the rows; the maker's name by default.
    """
    fields = sorted({key for row in rows for key in row.fields})
    columns: dict[str, list[object]] = {
        "id": [f"{name}~{_digest(row)}" for row in rows],
        "source": [source or name] * len(rows),
        "prompt": [row.prompt for row in rows],
        "completion": [row.completion for row in rows],
    }
    columns |= {key: [row.fields.get(key) for row in rows] for key in fields}
    return TrainPool(Dataset.from_dict(columns), rendering)


def _digest(row: Row) -> str:
    return hashlib.blake2b(f"{row.prompt}\x00{row.completion}".encode(), digest_size=8).hexdigest()
