"""What people are to be told, from the end of the stretch that it is about until they have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from service.loops.states import State
from service.store.database import Database
from service.store.tables import NOTICES

MOST_DUE = 20


class Kind(StrEnum):
    """What a notice is about; the words are in the database and in `notify.yaml`."""

    VERDICT = "verdict"
    """A loop is over."""
    APPROVAL = "approval"
    """A proposal waits for a person."""
    FAILURE = "failure"
    WORSE = "worse"
    """A night is shown to be worse than the one before."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told; its loop and stretch name it."""

    loop: str
    number: int
    kind: Kind
    created: float
    """Unix time in seconds."""
    tries: int
    next_try: float
    reached: tuple[str, ...]
    """Keys of the targets that have it."""


_COLUMNS = [NOTICES.c[name] for name in Notice.__dataclass_fields__]


def kind_of(state: State, seen: Mapping[str, Any]) -> Kind | None:
    """What is to be told of a stretch that ended so; None of one that goes on, or that a person has ended."""
    if state is State.ENDED:
        return Kind.WORSE if seen.get("night") == "worse" else Kind.VERDICT
    return {State.WAITING: Kind.APPROVAL, State.FAILED: Kind.FAILURE}.get(state)


def add(connection: sa.Connection, loop_id: str, number: int, kind: Kind, now: float) -> None:
    """Write down what is to be told, in the transaction that ends the stretch."""
    values = {"loop": loop_id, "number": number, "kind": kind, "created": now}
    connection.execute(sa.insert(NOTICES).values(**values, tries=0, next_try=now, reached=[], is_done=False))


def due(database: Database, now: float) -> list[Notice]:
    """Notices that are to be sent now, the oldest first."""
    query = sa.select(*_COLUMNS).where(NOTICES.c.is_done.is_(False), NOTICES.c.next_try <= now)
    with database.reading() as connection:
        found = connection.execute(query.order_by(NOTICES.c.created).limit(MOST_DUE))
        return [_notice(row) for row in found]


def num_unsent(database: Database) -> int:
    """Number of notices that are still to be sent."""
    query = sa.select(sa.func.count()).select_from(NOTICES).where(NOTICES.c.is_done.is_(False))
    with database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def take(database: Database, notice: Notice, next_try: float) -> bool:
    """Take a notice to send it; False where another server has. It is due again at `next_try` if nobody says more."""
    change = _of(notice).where(NOTICES.c.next_try == notice.next_try, NOTICES.c.is_done.is_(False))
    with database.writing() as connection:
        return connection.execute(change.values(next_try=next_try)).rowcount > 0


def tried(database: Database, notice: Notice, reached: tuple[str, ...], *, is_done: bool) -> None:
    """Note who has it now."""
    with database.writing() as connection:
        change = _of(notice).values(tries=notice.tries + 1, reached=list(reached), is_done=is_done)
        connection.execute(change)


def _of(notice: Notice) -> sa.Update:
    return sa.update(NOTICES).where(NOTICES.c.loop == notice.loop, NOTICES.c.number == notice.number)


def _notice(row: sa.Row[Any]) -> Notice:
    values: dict[str, Any] = dict(row._mapping)
    return Notice(**values | {"kind": Kind(values["kind"]), "reached": tuple(values["reached"])})
