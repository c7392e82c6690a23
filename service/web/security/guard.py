"""What every request passes before it is answered, whatever it asks for: a route cannot forget it.

In this order: its host, its origin, the size of its body, who asks, how often, whether it comes from a page of ours,
and whether the role may change anything. Changes are written into the audit log with the status of their answer.
"""

import asyncio
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.cookies import CookieError, SimpleCookie

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.store import tokens
from service.store.database import UNREACHED, Database
from service.store.tokens import Token
from service.web.security.audit import Audit, Line
from service.web.security.hosts import Hosts
from service.web.security.rates import Rates
from service.web.security.refusals import refusal
from service.web.security.roles import Role, Who
from service.web.security.sessions import Sessions

log = logging.getLogger(__name__)

OPEN = frozenset({"/healthz", "/sign-in", "/signed-out"})
OPEN_FOLDER = "/static/"
"""Paths that need no token: nothing of the home is told there."""
OF_EVERYBODY = frozenset({"/api/v1/sign-out"})
"""Changes that every role may make."""
READING = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""
CSRF_HEADER = "x-csrf-token"
BODY_BYTES = 64 * 1024
"""Most bytes of a body: a submitted loop has some hundred."""
BODY_S = 10.0
"""Seconds that a body has to arrive."""
PER_MINUTE, STRANGERS_PER_MINUTE = 600, 60
"""Requests a minute of one token, and of one address without any: for each open path, and for all others together."""
HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Headers of every answer that has not set its own."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What the guard goes by."""

    database: Database
    sessions: Sessions
    hosts: Hosts
    audit: Audit
    per_minute: int = PER_MINUTE
    strangers_per_minute: int = STRANGERS_PER_MINUTE


class Guard:
    """The application with the guard before it."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors
        self._known, self._strangers = Rates(doors.per_minute), Rates(doors.strangers_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def sends(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["method"] not in READING or scope["path"] == "/sign-in":
                    await to_thread.run_sync(self._doors.audit.add, _line(scope, message["status"]))
            await send(message)

        answer: Response | None
        try:
            answer = self._refused_unread(scope) or await self._refused(scope, state)
        except UNREACHED as error:
            log.warning("the database cannot be reached: %s", error.orig)
            answer = refusal(scope, 503, "the database cannot be reached now; try again", {"retry-after": "5"})
        if answer is None and scope["method"] not in READING:
            body = await _body(scope, receive)
            answer = body if isinstance(body, Response) else None
            receive = _again(body, receive) if isinstance(body, bytes) else receive
        await (self._app if answer is None else answer)(scope, receive, sends)

    def _refused_unread(self, scope: Scope) -> Response | None:
        """What the headers alone say against the request."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._doors.hosts.is_ours(hosts[0]):
            return refusal(scope, 421, "this server is not called so; serve.names says which names it has")
        origin = headers.get("origin")
        if origin is not None and not self._doors.hosts.is_same(origin, hosts[0]):
            return refusal(scope, 403, "the request comes from a page of another site")
        if scope["method"] not in READING and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return refusal(scope, 403, "the request comes from a page of another site")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 12 or int(length) > BODY_BYTES:
            return refusal(scope, 413, f"a body has at most {BODY_BYTES} bytes")
        return None

    async def _refused(self, scope: Scope, state: dict[str, object]) -> Response | None:
        """What speaks against who asks."""
        if scope["method"] in READING and (scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER)):
            # Each path by itself: a monitor of health keeps nobody behind the same proxy from signing in.
            return _too_often(scope, self._strangers.wait_s(f"{scope['path']} {_address(scope)}"))
        who = await to_thread.run_sync(partial(self._who, Headers(scope=scope)))
        if who is None:
            wait = self._strangers.wait_s(_address(scope))
            return _too_often(scope, wait) or refusal(
                scope,
                401,
                "sign in by the link that evalmend serve has printed, or bring a token: Authorization: Bearer TOKEN",
                {"www-authenticate": "Bearer"},
            )
        state["who"] = who
        if late := _too_often(scope, self._known.wait_s(who.token)):
            return late
        if scope["method"] not in READING:
            given = Headers(scope=scope).get(CSRF_HEADER, "")
            if who.csrf is not None and not _same(given, who.csrf):
                return refusal(
                    scope, 403, f"a change by a session needs the header {CSRF_HEADER}, as /api/v1/me tells it"
                )
            if scope["path"] not in OF_EVERYBODY and not who.role.may(Role.APPROVER):
                return refusal(scope, 403, f"the role {who.role} reads; changes need {Role.APPROVER} or {Role.ADMIN}")
        return None

    def _who(self, headers: Headers) -> Who | None:
        """Who asks; a token that comes with the request counts before a cookie."""
        given, sessions = headers.get("authorization"), self._doors.sessions
        if given is not None:
            kind, _, text = given.partition(" ")
            found = tokens.by_text(self._doors.database, text.strip()) if kind.lower() == "bearer" else None
            return None if found is None else _person(found, None)
        cookie = _cookie(headers, sessions.cookie_name)
        token_id = sessions.read(cookie) if cookie else None
        found = tokens.by_id(self._doors.database, token_id) if token_id else None
        return None if found is None else _person(found, sessions.csrf(cookie))


def _person(token: Token, csrf: str | None) -> Who:
    return Who(token.id, token.name, Role(token.role), csrf)


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _same(given: str, asked: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), asked.encode())


def _too_often(scope: Scope, wait_s: int) -> Response | None:
    if not wait_s:
        return None
    return refusal(scope, 429, f"too many requests; go on in {wait_s} seconds", {"retry-after": str(wait_s)})


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _line(scope: Scope, status: int) -> Line:
    who, loop = scope["state"].get("who"), scope["state"].get("loop") or scope.get("path_params", {}).get("loop_id", "")
    name, role, token = (who.name, who.role.value, who.token) if isinstance(who, Who) else ("", "", "")
    return Line(name, role, token, _address(scope), scope["method"], scope["path"], str(loop), status)


async def _body(scope: Scope, receive: Receive) -> bytes | Response:
    """The whole body, or what is wrong with it."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    return refusal(scope, 413, f"a body has at most {BODY_BYTES} bytes")
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return refusal(scope, 408, f"the body did not come within {BODY_S:g} seconds")


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more."""
    parts = [body]

    async def receives() -> Message:
        return {"type": "http.request", "body": parts.pop(), "more_body": False} if parts else await receive()

    return receives
