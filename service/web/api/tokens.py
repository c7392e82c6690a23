"""Tokens, and who did what: for admins alone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from service.requests.errors import Unknown
from service.store import tokens
from service.store.database import Database
from service.store.tokens import Token
from service.web.api.models import GivenToken, NewToken, TokenRecord
from service.web.security.audit import Audit
from service.web.security.roles import Role
from service.web.who import is_admin


def routes(database: Database, audit: Audit) -> APIRouter:
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(is_admin)])

    @router.get("/tokens")
    def all_tokens() -> list[TokenRecord]:
        """Tokens that are good for something."""
        return [_record(token) for token in tokens.listed(database)]

    @router.post("/tokens", status_code=201)
    def give(asked: NewToken) -> GivenToken:
        """Give a token; its text is told this once."""
        token, text = tokens.give(database, asked.name, asked.role, days=asked.days)
        return GivenToken(**_record(token).model_dump(), text=text)

    @router.delete("/tokens/{token_id}", status_code=204)
    def take_back(token_id: Annotated[str, Path(max_length=64)]) -> None:
        """Take a token back, and end the sessions that were begun with it."""
        if not tokens.take_back(database, token_id):
            raise Unknown("there is no such token")

    @router.get("/audit")
    def last_lines(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, object]]:
        """The last requests that would have changed something, the latest first."""
        return audit.last(limit)

    return router


def _record(token: Token) -> TokenRecord:
    return TokenRecord(
        id=token.id,
        name=token.name,
        role=Role(token.role),
        created=token.created,
        expires=token.expires,
        is_link=token.server is not None,
    )
