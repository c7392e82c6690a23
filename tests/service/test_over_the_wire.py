"""A server that is asked over its socket, as browsers and programs do."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders.services import Hosted, hosted, stopped

RAW = {
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.org\r\n\r\n", (400, 421)),
    "no host": (b"GET /healthz HTTP/1.0\r\n\r\n", (421,)),
    "traversal": (b"GET /api/v1/loops/../../../secret HTTP/1.1\r\nHost: localhost\r\n\r\n", (401,)),
    "whole address": (b"GET http://evil.org/healthz HTTP/1.1\r\nHost: evil.org\r\n\r\n", (421,)),
    "no request": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,)),
    "large header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", (400, 431)),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", (400,)),
    "broken chunks": (
        b"POST /api/v1/loops HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        (400, 401),
    ),
    "other protocol": (
        b"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        (400, 401, 403, 404),
    ),
}


class Program:
    """A program with the token of the link."""

    def __init__(self, host: Hosted) -> None:
        link = urlsplit(host.link())
        self.port = link.port or 0
        self._headers = {"authorization": f"Bearer {link.query.removeprefix('token=')}"}

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = self._headers | ({"content-type": "application/json"} if body is not None else {})
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()
        found: dict[str, object] = json.loads(answer.read())
        return found

    def events(self, loop_id: str) -> Iterator[tuple[str, dict[str, object]]]:
        """Events of a loop until its end, each with its name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=240)
        connection.request("GET", f"/api/v1/loops/{loop_id}/events", headers=self._headers)
        name = ""
        for line in connection.getresponse():
            key, _, value = line.decode().strip().partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)


def status_of(port: int, request: bytes) -> int:
    """Status of the answer to what a socket is given."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as given:
        given.sendall(request)
        with given.makefile("rb") as answer:
            return int(answer.readline().split()[1])


@pytest.mark.slow
def test_requests_that_no_client_makes_are_refused_and_the_server_goes_on_answering(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        server = host.start()
        port = Program(host).port
        for name, (request, statuses) in RAW.items():
            assert status_of(port, request) in statuses, name
        assert host.health()["num_queued"] == 0
        assert stopped(server) < 10
        assert "Traceback" not in (host.home.folder / "server.log").read_text()


@pytest.mark.long
def test_a_loop_is_submitted_watched_to_its_end_and_read_over_http(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        server = host.start()
        program = Program(host)
        loop_id = str(program.ask("POST", "/loops", {"recipe": "toy", "fields": {"steps": 20, "seed": 3}})["id"])
        events = list(program.events(loop_id))
        states = [str(told["state"]) for name, told in events if name == "state"]
        assert {*states} <= {"queued", "running", "ended"}
        assert (states[-1], events[-1][0]) == ("ended", "end")
        lines = [(told["event"], told["stage"]) for name, told in events if name == "stage"]
        assert lines == [(line["event"], line["stage"]) for line in host.journal(host.service.loop(loop_id))]
        run = program.ask("GET", f"/loops/{loop_id}")["run"]
        assert isinstance(run, dict)
        assert (run["is_over"], run["decision"]) == (True, "nothing_to_do")
        assert program.ask("GET", f"/loops/{loop_id}/result")["seed"] == 3
        items = program.ask("GET", f"/loops/{loop_id}/items?limit=100")
        measured = json.loads((host.home.runs / loop_id / "loop.json").read_text())["rounds"][0]["measure"]
        assert items["num_rows"] == measured["num_items"]
        assert stopped(server) < 10
