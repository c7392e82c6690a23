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


def give(database: Database, name: str, role: str, server: str | None = None) -> tuple[Token, str]:
    """Give a new token; it, and its text, which is kept nowhere."""
    text = f"evalmend_{secrets.token_urlsafe(NUM_BYTES)}"
    token = Token(secrets.token_hex(6), name, role, time.time(), server)
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
    """Remove the links of servers that are gone."""
    with database.writing() as connection:
        connection.execute(sa.delete(TOKENS).where(sa.not_(_lives())))


_COLUMNS = [TOKENS.c[name] for name in Token.__dataclass_fields__]


def _lives() -> Any:
    server_lives = sa.exists().where(SERVERS.c.id == TOKENS.c.server, SERVERS.c.is_gone.is_(False))
    return sa.or_(TOKENS.c.server.is_(None), server_lives)


def _found(database: Database, rule: Any) -> Token | None:
    with database.reading() as connection:
        row = connection.execute(sa.select(*_COLUMNS).where(rule, _lives())).first()
    return None if row is None else Token(*row)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
