"""Servers in the database: who they are, and that they live.

A server counts up its beat. Others watch the number change on their own clock, so that no two clocks are compared.
"""

import os
import socket
import time
from dataclasses import dataclass

import sqlalchemy as sa

from service.store.database import Database
from service.store.tables import SERVERS


@dataclass(frozen=True, slots=True)
class Beat:
    """A server's sign of life."""

    server: str
    number: int


def enter(database: Database, server: str, url: str, slots: int) -> None:
    """Enter this process as a server."""
    with database.writing() as connection:
        connection.execute(
            sa.insert(SERVERS).values(
                id=server,
                host=socket.gethostname()[:255],
                pid=os.getpid(),
                url=url,
                slots=slots,
                started=time.time(),
                beat=0,
                is_gone=False,
            )
        )


def beat(database: Database, server: str) -> bool:
    """Count up; False where others have taken this server for dead and its loops for theirs."""
    mine = sa.update(SERVERS).where(SERVERS.c.id == server, SERVERS.c.is_gone.is_(False))
    with database.writing() as connection:
        return connection.execute(mine.values(beat=SERVERS.c.beat + 1)).rowcount > 0


def others(database: Database, server: str) -> list[Beat]:
    """Beats of the other servers that are not known to be gone."""
    query = sa.select(SERVERS.c.id, SERVERS.c.beat).where(SERVERS.c.id != server, SERVERS.c.is_gone.is_(False))
    with database.reading() as connection:
        return [Beat(*row) for row in connection.execute(query)]
