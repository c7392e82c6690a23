"""Schedules in the database, and the nights that they begin.

A night begins with a change of the schedule that names the time it was last dealt with: of two servers that find it due
at once one finds nothing to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from service.loops.states import UNDER_WAY
from service.store.database import Database
from service.store.loops import Loop, values_of
from service.store.tables import LOOPS, SCHEDULES


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of nights; times are Unix times in seconds."""

    name: str
    recipe: str
    fields: Mapping[str, Any]
    words: tuple[str, ...]
    """Words of the command line of its nights, as the recipe was when the schedule was made."""
    cron: str
    zone: str
    is_on: bool
    created_by: str
    created: float
    dealt_with: float
    """Last time that it was due and is dealt with; the time it was made where none was."""


_COLUMNS = [SCHEDULES.c[name] for name in Schedule.__dataclass_fields__]


def add(database: Database, schedule: Schedule) -> bool:
    """Add a schedule; False where one of its name is there already."""
    values = {name: getattr(schedule, name) for name in Schedule.__dataclass_fields__}
    try:
        with database.writing() as connection:
            connection.execute(sa.insert(SCHEDULES).values(values | {"words": list(schedule.words)}))
    except IntegrityError:
        return False
    return True


def get(database: Database, name: str) -> Schedule | None:
    with database.reading() as connection:
        row = connection.execute(sa.select(*_COLUMNS).where(SCHEDULES.c.name == name)).first()
    return None if row is None else _schedule(row)


def listed(database: Database) -> list[Schedule]:
    """All schedules, by name."""
    with database.reading() as connection:
        return [_schedule(row) for row in connection.execute(sa.select(*_COLUMNS).order_by(SCHEDULES.c.name))]


def turn(database: Database, name: str, is_on: bool, now: float) -> bool:
    """Turn a schedule on or off; what was due while it was off is not begun. False where there is none."""
    change = sa.update(SCHEDULES).where(SCHEDULES.c.name == name, SCHEDULES.c.is_on != is_on)
    with database.writing() as connection:
        connection.execute(change.values(is_on=is_on, dealt_with=now))
        return connection.execute(sa.select(SCHEDULES.c.name).where(SCHEDULES.c.name == name)).first() is not None


def remove(database: Database, name: str) -> bool:
    """Remove a schedule; its nights stay. False where there is none."""
    with database.writing() as connection:
        return connection.execute(sa.delete(SCHEDULES).where(SCHEDULES.c.name == name)).rowcount > 0


def has_night_under_way(database: Database, name: str) -> bool:
    """Whether a night of the schedule is queued, runs, or waits for a person."""
    query = sa.select(LOOPS.c.id).where(LOOPS.c.schedule == name, LOOPS.c.state.in_(UNDER_WAY)).limit(1)
    with database.reading() as connection:
        return connection.execute(query).first() is not None


def begin_night(database: Database, schedule: Schedule, due: float, night: Loop) -> bool:
    """Deal with the time that a schedule was due at: add its night, where no loop of that id is there.

    Returns:
        Whether the night was added; False too where another server has dealt with it.
    """
    change = (
        sa.update(SCHEDULES)
        .where(SCHEDULES.c.name == schedule.name, SCHEDULES.c.is_on)
        .where(SCHEDULES.c.dealt_with == schedule.dealt_with)
        .values(dealt_with=due)
    )
    with database.writing() as connection:
        if not connection.execute(change).rowcount:
            return False
        if connection.execute(sa.select(LOOPS.c.id).where(LOOPS.c.id == night.id)).first() is not None:
            return False
        connection.execute(sa.insert(LOOPS).values(values_of(night)))
        return True


def _schedule(row: sa.Row[Any]) -> Schedule:
    values: dict[str, Any] = dict(row._mapping)
    return Schedule(**values | {"words": tuple(values["words"])})
