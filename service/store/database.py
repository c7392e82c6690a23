"""Connections to the database, the same for SQLite and PostgreSQL: one block, one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import InterfaceError, OperationalError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 8700_001
"""Number of the lock that servers on one PostgreSQL hold while they migrate."""
UNREACHED = (OperationalError, InterfaceError)
"""What is raised where the database cannot be reached, or not now."""
WAIT_S = 30
"""Seconds to wait for another writer of SQLite."""


class Database:
    """The database; its blocks commit at their end, and leave nothing behind where they raise."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, pool_pre_ping=True)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _set_up_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write; on SQLite no other writes meanwhile."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that only reads, and waits for no writer."""
        with self._engine.connect() as connection:
            yield connection.execution_options(only_reads=True)

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables up to date; of several servers one does it, and the others wait.

        Args:
            revision: Version of the tables to stop at; another than the last is for tests.

        Raises:
            ValueError: the database cannot be reached.
        """
        with _reaching(), self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            command.upgrade(_config(connection), revision)

    def check(self) -> None:
        """Raise a ValueError where the database cannot be reached, or its tables are not those of this version."""
        with _reaching(), self._engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        head = ScriptDirectory.from_config(_config(None)).get_current_head()
        if found != head:
            raise ValueError(
                "the service's database is not one of this version; start the service once with evalmend serve "
                "serve.home=HOME"
            )

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except UNREACHED as error:
        said = " ".join(str(error.orig).split())
        raise ValueError(f"the service's database cannot be reached, see serve.database: {said}") from error


def _config(connection: sa.Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by Python's driver
    for pragma in ("journal_mode=WAL", f"busy_timeout={WAIT_S * 1000}", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes then would fail where another has written in between.
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
