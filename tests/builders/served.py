"""The application of a server in the test's own process, with a token of each role."""

import re
from dataclasses import replace
from typing import Any

from starlette.testclient import TestClient

from service.home import Home
from service.requests.schedules import Schedules
from service.requests.service import Service
from service.store import tokens
from service.store.database import Database
from service.web.app import make_app
from service.web.security.audit import Audit
from service.web.security.guard import Doors
from service.web.security.hosts import Hosts
from service.web.security.roles import Role
from service.web.security.sessions import Sessions, key_of

URL = "http://localhost:8700"


class Served:
    """A server that is asked without a network."""

    def __init__(self, home: Home, database: Database, **limits: int) -> None:
        self.home, self.database, self.service = home, database, Service(home, database)
        self.schedules = Schedules(home, database)
        doors = Doors(database, Sessions(key_of(home.secret)), Hosts(["loops.example.org"]), Audit(home.audit))
        self.doors = replace(doors, **limits)  # type: ignore[arg-type]  # all of them are int
        self.app = make_app(self.service, self.schedules, self.doors, "s1")
        self.texts = {role: tokens.give(database, f"one-{role}", role)[1] for role in Role}

    def stranger(self) -> TestClient:
        """A client without a token."""
        return TestClient(self.app, base_url=URL, follow_redirects=False)

    def program(self, role: Role) -> TestClient:
        """A client that brings the token of a role."""
        client = self.stranger()
        client.headers["authorization"] = f"Bearer {self.texts[role]}"
        return client

    def browser(self, role: Role) -> TestClient:
        """A client that has signed in, without the header that changes need."""
        client = self.stranger()
        assert client.get(f"/sign-in?token={self.texts[role]}").status_code == 303
        return client


def refused(answer: Any, status: int, code: str) -> str:
    """The message of a refusal of the one form."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["code"] == code
    message = str(body["error"]["message"])
    assert re.fullmatch(r"[^\x00-\x1f\x7f]{1,600}", message), message
    assert "Traceback" not in answer.text
    return message
