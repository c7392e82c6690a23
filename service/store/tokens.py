"""Tokens in the database, by the hash of their text: who reads the database cannot sign in with it.

A token's text is random and long, so that a plain hash is enough, and finding it by its hash tells nothing of others.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from service.store.database import Database
from service.store.tables import SERVERS, TOKENS

NUM_BYTES = 32
"""Random bytes of a token's text."""
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token."""

    id: str
    name: str
    """Name of the person or program that it was given to."""
    role: str
    created: float
    """Unix time in seconds."""
    server: str | None
    """Server whose sign-in link it belongs to, and with which it ends; None where it was given out by itself."""
    expires: float | None = None
    """When it ends, Unix time in seconds; None where it does not by itself."""


def give(
    database: Database, name: str, role: str, server: str | None = None, days: int | None = None
) -> tuple[Token, str]:
    """Give a new token; it, and its text, which is kept nowhere.

    Args:
        server: Server whose sign-in link it is, and with which it ends.
        days: Days after which it ends; None where it does not by itself.
    """
    text = f"evalmend_{secrets.token_urlsafe(NUM_BYTES)}"
    now = time.time()
    token = Token(secrets.token_hex(6), name, role, now, server, None if days is None else now + days * DAY_S)
    values = {column: getattr(token, column) for column in Token.__dataclass_fields__}
    with database.writing() as connection:
        connection.execute(sa.insert(TOKENS).values(**values, hash=_hash(text)))
    return token, text


def by_text(database: Database, text: str) -> Token | None:
    """The token of this text; None where there is none any more."""
    return _found(database, TOKENS.c.hash == _hash(text))


def by_id(database: Database, token_id: str) -> Token | None:
    """The token of this id; None where there is none any more."""
    return _found(database, TOKENS.c.id == token_id)


def listed(database: Database) -> list[Token]:
    """All tokens that are good for something, the oldest first."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(*_COLUMNS).where(_lives()).order_by(TOKENS.c.created, TOKENS.c.id))
        return [Token(*row) for row in rows]


def take_back(database: Database, token_id: str) -> bool:
    """Take a token back, and with it all sessions that were begun with it; False where there is none."""
    with database.writing() as connection:
        return connection.execute(sa.delete(TOKENS).where(TOKENS.c.id == token_id)).rowcount > 0


def clear(database: Database) -> None:
    """Remove the links of servers that are gone, and tokens that are over."""
    with database.writing() as connection:
        connection.execute(sa.delete(TOKENS).where(sa.not_(_lives())))


_COLUMNS = [TOKENS.c[name] for name in Token.__dataclass_fields__]


def _lives() -> Any:
    server_lives = sa.exists().where(SERVERS.c.id == TOKENS.c.server, SERVERS.c.is_gone.is_(False))
    is_not_over = sa.or_(TOKENS.c.expires.is_(None), TOKENS.c.expires > time.time())
    return sa.and_(is_not_over, sa.or_(TOKENS.c.server.is_(None), server_lives))


def _found(database: Database, rule: Any) -> Token | None:
    with database.reading() as connection:
        row = connection.execute(sa.select(*_COLUMNS).where(rule, _lives())).first()
    return None if row is None else Token(*row)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
