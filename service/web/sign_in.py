"""Signing in, and who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from service.store import tokens
from service.store.database import Database
from service.web.api.models import Me
from service.web.security.refusals import refusal
from service.web.security.roles import Role, Who
from service.web.security.sessions import LASTS_S, Sessions
from service.web.who import Asking

FIRST_PAGE = "/"


def routes(database: Database, sessions: Sessions) -> APIRouter:
    router = APIRouter()

    @router.get("/sign-in", include_in_schema=False)
    def sign_in(request: Request, token: Annotated[str, Query(max_length=200)]) -> Response:
        """Exchange a token for a session."""
        found = tokens.by_text(database, token)
        if found is None:
            return refusal(request.scope, 401, "the link is not good any more; evalmend serve prints one at each start")
        request.state.who = Who(found.id, found.name, Role(found.role), None)  # for the audit log
        answer = RedirectResponse(FIRST_PAGE, 303)
        answer.set_cookie(
            sessions.cookie_name,
            sessions.begin(found.id),
            max_age=LASTS_S,
            path="/",
            secure=sessions.is_secure,
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/api/v1/sign-out", status_code=204)
    def sign_out(response: Response) -> None:
        """End the session of this browser."""
        response.delete_cookie(sessions.cookie_name, path="/", httponly=True, samesite="strict")

    @router.get("/signed-out", include_in_schema=False)
    def signed_out(request: Request) -> Response:
        """Where a browser goes then."""
        return refusal(
            request.scope, 401, "you are signed out; the link that evalmend serve has printed signs in again"
        )

    @router.get("/api/v1/me")
    def me(who: Asking) -> Me:
        """Who is signed in, and the token that changes by this session have to bring."""
        return Me(name=who.name, role=who.role, csrf_token=who.csrf)

    return router
