"""Loops in the database, and what may become of them.

Every change names the state, and where it matters the stretch, that it starts from: of two that come at once one finds
nothing to change. A stretch of a loop is what one process of it does, from its start until its end.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from service.loops.states import RESUMABLE, State
from service.runs.found import Submitted
from service.store import notices
from service.store.database import Database
from service.store.tables import LOOPS, SERVERS, STRETCHES

LOST = "lost"
"""Ending of a stretch whose server died."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop; times are Unix times in seconds."""

    id: str
    recipe: str
    """Recipe that it was submitted by; empty for a run that was found in the home."""
    fields: Mapping[str, Any]
    words: tuple[str, ...]
    """Words of its command line, as the recipe was when it was submitted; none for a run that was found."""
    submitted_by: str
    state: State
    stretch: int
    """Number of the stretch that it is in or comes next."""
    is_to_cancel: bool
    """Whether a person has asked for its end while its process runs."""
    server: str | None
    """Server that its process runs on, or ran on last."""
    created: float
    updated: float
    message: str
    """Last lines of its log where it failed."""
    seen: Mapping[str, Any] | None
    """What its run directory said when it was last looked at (`service.runs.reading.RunRecord`)."""
    schedule: str | None = None
    """Schedule that it is a night of."""


_COLUMNS = [LOOPS.c[name] for name in Loop.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one process did."""

    number: int
    server: str
    started: float
    ended: float | None
    code: int | None
    ending: str | None
    """State of the loop after it, or `lost`."""


def new_loop(loop_id: str, submitted: Submitted, state: State) -> Loop:
    """A loop as it was asked for, of which nothing was done yet."""
    return Loop(
        id=loop_id,
        recipe=submitted.recipe,
        fields=submitted.fields,
        words=submitted.words,
        submitted_by=submitted.submitted_by,
        state=state,
        stretch=0,
        is_to_cancel=False,
        server=None,
        created=submitted.created,
        updated=submitted.created,
        message="",
        seen=None,
        schedule=submitted.schedule,
    )


def values_of(loop: Loop) -> dict[str, Any]:
    """Values of the row of a new loop."""
    values = {name: getattr(loop, name) for name in Loop.__dataclass_fields__}
    return values | {"words": list(loop.words), "is_handed": False}


def add(database: Database, loop: Loop) -> bool:
    """Add a loop; False where one of its id is known already."""
    try:
        with database.writing() as connection:
            connection.execute(sa.insert(LOOPS).values(values_of(loop)))
    except IntegrityError:
        return False
    return True


def get(database: Database, loop_id: str) -> Loop | None:
    with database.reading() as connection:
        row = connection.execute(sa.select(*_COLUMNS).where(LOOPS.c.id == loop_id)).first()
    return None if row is None else _loop(row)


def listed(
    database: Database,
    states: Collection[State] | None = None,
    limit: int | None = 100,
    offset: int = 0,
    recipe: str | None = None,
    schedule: str | None = None,
) -> list[Loop]:
    """Loops in one of these states, or in any, and of this recipe or schedule where one is named, the latest first."""
    query = sa.select(*_COLUMNS).where(*_rules(states, recipe, schedule)).order_by(LOOPS.c.created.desc(), LOOPS.c.id)
    with database.reading() as connection:
        return [_loop(row) for row in connection.execute(query.limit(limit).offset(offset))]


def count(
    database: Database,
    states: Collection[State] | None = None,
    recipe: str | None = None,
    schedule: str | None = None,
) -> int:
    """Number of loops in one of these states, or in any, and of this recipe or schedule where one is named."""
    query = sa.select(sa.func.count()).select_from(LOOPS).where(*_rules(states, recipe, schedule))
    with database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def counts(database: Database) -> dict[State, int]:
    """Number of loops in each state that has some."""
    query = sa.select(LOOPS.c.state, sa.func.count()).group_by(LOOPS.c.state)
    with database.reading() as connection:
        return {State(state): number for state, number in connection.execute(query).tuples()}


def oldest(database: Database, state: State) -> float | None:
    """When the oldest loop in this state was submitted; None where there is none."""
    query = sa.select(sa.func.min(LOOPS.c.created)).where(LOOPS.c.state == state)
    with database.reading() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else float(found)


def ids(database: Database) -> Sequence[str]:
    """Ids of all loops."""
    with database.reading() as connection:
        return list(connection.execute(sa.select(LOOPS.c.id)).scalars())


def stretches(database: Database, loop_id: str) -> list[Stretch]:
    """Stretches of a loop, the first first."""
    columns = [STRETCHES.c[name] for name in Stretch.__dataclass_fields__]
    query = sa.select(*columns).where(STRETCHES.c.loop == loop_id).order_by(STRETCHES.c.number)
    with database.reading() as connection:
        return [Stretch(*row) for row in connection.execute(query)]


def to_hand_on(database: Database) -> list[tuple[str, int]]:
    """Loops that wait and are not in the queue yet, with their stretch, the oldest first."""
    query = (
        sa.select(LOOPS.c.id, LOOPS.c.stretch)
        .where(LOOPS.c.state == State.QUEUED, LOOPS.c.is_handed.is_(False))
        .order_by(LOOPS.c.created, LOOPS.c.id)
    )
    with database.reading() as connection:
        return [(loop_id, number) for loop_id, number in connection.execute(query).tuples()]


def handed_on(database: Database, loop_id: str, number: int) -> None:
    """Note that the stretch is in the queue."""
    _change(database, loop_id, [State.QUEUED], {"is_handed": True}, number)


def begin(database: Database, loop_id: str, number: int, server: str) -> Loop | None:
    """Begin a stretch; None where there is nothing to begin: it was cancelled, is another's, or the server is gone."""
    lives = sa.exists().where(SERVERS.c.id == server, SERVERS.c.is_gone.is_(False))
    with database.writing() as connection:
        done = connection.execute(
            sa.update(LOOPS)
            .where(LOOPS.c.id == loop_id, LOOPS.c.stretch == number, LOOPS.c.state == State.QUEUED, lives)
            .values(state=State.RUNNING, server=server, updated=time.time(), message="")
        )
        if done.rowcount == 0:
            return None
        started = {"loop": loop_id, "number": number, "server": server, "started": time.time()}
        connection.execute(sa.insert(STRETCHES).values(**started))
        return _loop(connection.execute(sa.select(*_COLUMNS).where(LOOPS.c.id == loop_id)).one())


def is_to_cancel(database: Database, loop_id: str) -> bool:
    """Whether a person has asked for the end of a loop whose process runs."""
    with database.reading() as connection:
        return bool(connection.execute(sa.select(LOOPS.c.is_to_cancel).where(LOOPS.c.id == loop_id)).scalar())


def see(database: Database, loop_id: str, seen: Mapping[str, Any]) -> None:
    """Note what the run directory says."""
    with database.writing() as connection:
        connection.execute(sa.update(LOOPS).where(LOOPS.c.id == loop_id).values(seen=seen))


@dataclass(frozen=True, slots=True)
class End:
    """How a stretch ended."""

    state: State
    """State of the loop after it; queued, where its server ended it, to be gone on with."""
    code: int | None
    """Exit code; None where no process was started."""
    message: str
    seen: Mapping[str, Any]


def end(database: Database, loop_id: str, number: int, server: str, how: End) -> None:
    """End a stretch of this server; nothing changes where it was taken from it."""
    now = time.time()
    with database.writing() as connection:
        done = connection.execute(
            sa.update(LOOPS)
            .where(LOOPS.c.id == loop_id, LOOPS.c.stretch == number)
            .where(LOOPS.c.state == State.RUNNING, LOOPS.c.server == server)
            .values(
                state=how.state,
                stretch=number + 1,
                is_handed=False,
                is_to_cancel=False,
                updated=now,
                message=how.message,
                seen=how.seen,
            )
        )
        if done.rowcount:
            _end_stretches(connection, server, how.state, how.code, loop_id)
            if (kind := notices.kind_of(how.state, how.seen)) is not None:
                notices.add(connection, loop_id, number, kind, now)


def take_over(database: Database, server: str) -> list[str]:
    """Mark a server gone and put its loops back into the queue, but for those that were to be cancelled.

    Returns:
        Ids of its loops; none where another has taken them.
    """
    left = (
        sa.update(LOOPS)
        .where(LOOPS.c.server == server, LOOPS.c.state == State.RUNNING)
        .values(
            state=sa.case((LOOPS.c.is_to_cancel, State.CANCELLED), else_=State.QUEUED),
            stretch=LOOPS.c.stretch + 1,
            is_handed=False,
            is_to_cancel=False,
            updated=time.time(),
        )
        .returning(LOOPS.c.id)
    )
    with database.writing() as connection:
        taken = list(connection.execute(left).scalars())
        _end_stretches(connection, server, LOST, None)
        connection.execute(sa.update(SERVERS).where(SERVERS.c.id == server).values(is_gone=True))
    return taken


def handed(database: Database) -> set[tuple[str, int]]:
    """Loops that wait and were handed to the queue, with their stretch."""
    query = sa.select(LOOPS.c.id, LOOPS.c.stretch).where(LOOPS.c.state == State.QUEUED, LOOPS.c.is_handed)
    with database.reading() as connection:
        return set(connection.execute(query).tuples())


def hand_again(database: Database, loop_id: str, number: int) -> None:
    """Have a loop that still waits handed to the queue again, as a new stretch: the queue takes each once."""
    _change(database, loop_id, [State.QUEUED], {"is_handed": False, "stretch": number + 1}, number)


def cancel(database: Database, loop_id: str) -> bool:
    """Cancel a loop: at once where no process runs, else its server does; False where it is over already."""
    idle = [State.QUEUED, State.WAITING]
    if _change(database, loop_id, idle, {"state": State.CANCELLED, "stretch": LOOPS.c.stretch + 1}):
        return True
    return _change(database, loop_id, [State.RUNNING], {"is_to_cancel": True})


def requeue(database: Database, loop_id: str, states: Collection[State] = RESUMABLE) -> bool:
    """Put a loop back into the queue; False where it is in none of these states."""
    return _change(database, loop_id, states, {"state": State.QUEUED, "is_handed": False, "is_to_cancel": False})


def _change(
    database: Database, loop_id: str, states: Collection[State], values: Mapping[str, Any], number: int | None = None
) -> bool:
    """Change a loop in one of these states, and at this stretch where one is given; whether there was one."""
    query = sa.update(LOOPS).where(LOOPS.c.id == loop_id, LOOPS.c.state.in_(states))
    if number is not None:
        query = query.where(LOOPS.c.stretch == number)
    with database.writing() as connection:
        return connection.execute(query.values(**values, updated=time.time())).rowcount > 0


def _end_stretches(
    connection: sa.Connection, server: str, ending: str, code: int | None, loop_id: str | None = None
) -> None:
    """End the stretches of a server that are open, or that of one loop."""
    query = sa.update(STRETCHES).where(STRETCHES.c.server == server, STRETCHES.c.ended.is_(None))
    if loop_id is not None:
        query = query.where(STRETCHES.c.loop == loop_id)
    connection.execute(query.values(ended=time.time(), code=code, ending=ending))


def _rules(states: Collection[State] | None, recipe: str | None, schedule: str | None) -> list[sa.ColumnElement[bool]]:
    """Conditions on state, recipe and schedule; a state that need not be tested leaves the order to its index."""
    rules: list[sa.ColumnElement[bool]] = [] if states is None else [LOOPS.c.state.in_(states)]
    rules += [] if recipe is None else [LOOPS.c.recipe == recipe]
    return rules if schedule is None else [*rules, LOOPS.c.schedule == schedule]


def _loop(row: sa.Row[Any]) -> Loop:
    values: dict[str, Any] = dict(row._mapping)
    return Loop(**values | {"words": tuple(values["words"]), "state": State(values["state"])})
