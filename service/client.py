"""A client for programs: what the server answers over HTTP, as Python's values.

    client = Client("http://127.0.0.1:8700", token)
    loop = client.submit("starter", {"seed": 1})
    for event in client.events(loop["id"]):  # until it is over; it may wait for a decision before
        print(event)

Answers are those of `/api/v1/openapi.json`. It needs nothing but Python.
"""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

PAGE = 100
AGAIN_S = 1.0
"""Seconds before a stream that was cut off is asked for again."""


class Refused(Exception):  # noqa: N818  # what the server says
    """The server has refused a request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Client:
    """One who asks a server, with a token."""

    def __init__(self, url: str, token: str, timeout_s: float = 60.0) -> None:
        self._url, self._token, self._timeout_s = url.rstrip("/"), token, timeout_s

    def me(self) -> dict[str, Any]:
        return self._object("GET", "/me")

    def recipes(self) -> list[dict[str, Any]]:
        return self._objects("/recipes")

    def submit(self, recipe: str, fields: Mapping[str, bool | int | float | str]) -> dict[str, Any]:
        """Put a loop into the queue; the loop."""
        return self._object("POST", "/loops", {"recipe": recipe, "fields": dict(fields)})

    def loops(self, *states: str) -> Iterator[dict[str, Any]]:
        """Loops in these states, or in any, the latest first."""
        offset = 0
        while found := self._object("GET", "/loops", limit=PAGE, offset=offset, state=states)["loops"]:
            yield from found
            offset += len(found)

    def loop(self, loop_id: str) -> dict[str, Any]:
        return self._object("GET", _of(loop_id))

    def cancel(self, loop_id: str) -> dict[str, Any]:
        return self._object("POST", _of(loop_id, "/cancel"))

    def resume(self, loop_id: str) -> dict[str, Any]:
        return self._object("POST", _of(loop_id, "/resume"))

    def proposals(self) -> list[dict[str, Any]]:
        """What waits for a decision."""
        return self._objects("/proposals")

    def proposal(self, loop_id: str) -> dict[str, Any]:
        """What a loop waits with, and what there is to read before deciding."""
        return self._object("GET", _of(loop_id, "/proposal"))

    def decide(
        self, proposal: Mapping[str, Any], decision: Literal["approved", "rejected"], why: str = "", **change: object
    ) -> dict[str, Any]:
        """Decide on a proposal as `proposals` or `proposal` told it; an approval may take away from it what
        `changeable` names, as `leave_out=[1], scale=0.5`."""
        body = {
            "decision": decision,
            "round": proposal["round"],
            "proposal": proposal["proposal"],
            "why": why,
            **change,
        }
        return self._object("POST", _of(proposal["loop"], "/decision"), body)

    def rows(
        self, loop_id: str, what: Literal["findings", "items", "examples"], **asked: str | int | bool
    ) -> Iterator[dict[str, Any]]:
        """All findings, items or rows of the mix of a loop that match what is asked for, as `text="jump"`."""
        offset = 0
        while found := self._object("GET", _of(loop_id, f"/{what}"), limit=PAGE, offset=offset, **asked)["rows"]:
            yield from found
            offset += len(found)

    def result(self, loop_id: str) -> dict[str, Any]:
        """`loop.json` of a loop."""
        return self._object("GET", _of(loop_id, "/result"))

    def events(self, loop_id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """Events of a loop until it is over, each with its name as `name`; a stream that is cut off is gone on with."""
        while True:
            try:
                with self._open("GET", _of(loop_id, "/events"), after=after) as answer:
                    name = ""
                    for line in answer:
                        key, _, value = line.decode().strip().partition(": ")
                        if key == "event":
                            name = value
                        elif key == "data" and name == "end":
                            return
                        elif key == "data":
                            told = json.loads(value)
                            after = told.get("number", after)
                            yield {"name": name, **told}
            except (URLError, http.client.HTTPException, OSError):
                pass
            time.sleep(AGAIN_S)

    def _object(self, method: str, path: str, body: object = None, **query: object) -> dict[str, Any]:
        with self._open(method, path, body, **query) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _objects(self, path: str) -> list[dict[str, Any]]:
        with self._open("GET", path) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def _open(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """Ask.

        Raises:
            Refused: the server refuses.
            URLError: it cannot be reached.
        """
        words = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
        asked = f"?{urlencode(words, doseq=True)}" if words else ""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = Request(f"{self._url}/api/v1{path}{asked}", content, headers, method=method)
        try:
            return urlopen(request, timeout=self._timeout_s)
        except HTTPError as error:
            with error:
                told = _parsed(error.read())
            raise Refused(error.code, str(told.get("code", "")), str(told.get("message", error.reason))) from error


def _of(loop_id: str, rest: str = "") -> str:
    return f"/loops/{quote(loop_id, safe='')}{rest}"


def _parsed(text: bytes) -> Mapping[str, object]:
    """What a refusal says; nothing where another program than ours has answered."""
    try:
        found = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
