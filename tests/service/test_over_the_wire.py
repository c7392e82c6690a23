"""A server that is asked over its socket, as browsers and programs do."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders.recorded import NUM_ITEMS, recorded
from builders.served import Served
from builders.services import Hosted, hosted, stopped, until

from service.client import Client, Refused
from service.loops.states import State

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


def client_of(host: Hosted) -> Client:
    """A client with the token of the link."""
    link = urlsplit(host.link())
    return Client(f"http://{link.netloc}", link.query.removeprefix("token="))


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
        port = urlsplit(host.link()).port or 0
        for name, (request, statuses) in RAW.items():
            assert status_of(port, request) in statuses, name
        assert host.health()["num_queued"] == 0
        assert stopped(server) < 10
        assert "Traceback" not in (host.home.folder / "server.log").read_text()


@pytest.mark.slow
def test_a_client_submits_reads_and_decides_and_is_told_what_is_refused(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        host.start()
        client = client_of(host)
        served = Served(host.home, host.database)
        recorded(served, "made-1", State.WAITING)
        recorded(served, "made-2", State.ENDED)
        assert {loop["id"] for loop in client.loops("waiting", "ended")} == {"made-1", "made-2"}
        assert len(list(client.rows("made-2", "items", is_failed=True, task="scan"))) == NUM_ITEMS // 10
        assert [one["finding"]["cause"] for one in client.rows("made-2", "findings")] == ["missing_data"]
        assert [one["number"] for one in client.events("made-2", after=4) if one["name"] == "stage"] == [5, 6]
        (asked,) = client.proposals()
        assert client.proposal("made-1")["plan"]["num_blocked"] == 37
        assert client.decide(asked, "rejected", "not now")["is_new"]
        with pytest.raises(Refused, match="a decision stands") as refusal:
            client.decide(asked, "approved")
        assert (refusal.value.status, refusal.value.code) == (409, "conflict")
        with pytest.raises(Refused, match="unknown loop"):
            client.loop("made-9")
        with pytest.raises(Refused, match="opens no field"):
            client.submit("toy", {"run_dir": 1})
        made = client.submit("toy", {"steps": 20})
        assert client.cancel(made["id"])["state"] in ("cancelled", "running")
        until(lambda: client.loop(made["id"])["state"] == "cancelled", "a loop that is cancelled")
        with pytest.raises(Refused, match="sign in"):
            Client(client._url, "x").me()


@pytest.mark.long
def test_a_loop_is_submitted_watched_to_its_end_and_read_over_http(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        server, client = host.start(), client_of(host)
        loop_id = client.submit("toy", {"steps": 20, "seed": 3})["id"]
        events = list(client.events(loop_id))
        states = [one["state"] for one in events if one["name"] == "state"]
        assert {*states} <= {"queued", "running", "ended"}
        assert states[-1] == "ended"
        lines = [(one["event"], one["stage"]) for one in events if one["name"] == "stage"]
        assert lines == [(line["event"], line["stage"]) for line in host.journal(host.service.loop(loop_id))]
        run = client.loop(loop_id)["run"]
        result = client.result(loop_id)
        assert (run["is_over"], run["decision"]) == (True, result["rounds"][0]["verdict"]["decision"])
        assert run["decision"]
        assert result["seed"] == 3
        assert len(list(client.rows(loop_id, "items"))) == result["rounds"][0]["measure"]["num_items"]
        assert stopped(server) < 10
