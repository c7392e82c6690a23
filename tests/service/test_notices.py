"""What people are told, by a real web server and a real mail server that listen."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from service.home import Home
from service.loops.states import State
from service.notify.notifier import FIRST_WAIT_S, MOST_TRIES, Notifier
from service.notify.targets import read_targets
from service.requests.service import Service
from service.store import loops, notices, servers
from service.store.database import Database
from service.store.loops import End
from service.store.notices import Kind

SEEN = {
    "decision": "accepted",
    "reason": "every control beaten",
    "gain": {"mean": 0.1, "low": 0.05, "high": 0.15, "control": "random"},
    "worse": [],
}
URL = "http://127.0.0.1:8700"


class Hook:
    """A web server that keeps what it is posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[Mapping[str, str], bytes]] = []
        self.status, self.headers = 200, dict[str, str]()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library's name
                hook.posts.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/secret-path"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ended(service: Service, database: Database, state: State, seen: Mapping[str, Any] = SEEN, message: str = "") -> str:
    """A loop whose only stretch ended so."""
    loop = service.submit("smoke", {"seed": 1}, "me")
    servers.enter(database, f"s-{loop.id}", URL, 1)
    assert loops.begin(database, loop.id, 0, f"s-{loop.id}") is not None
    loops.end(database, loop.id, 0, f"s-{loop.id}", End(state, 0, message, dict(seen)))
    return loop.id


def write(home: Home, *targets: Mapping[str, Any]) -> None:
    (home.folder / "notify.yaml").write_text(yaml.safe_dump(list(targets)))


def test_a_webhook_is_posted_once_and_signed(home: Home, database: Database, service: Service, hook: Hook) -> None:
    (home.folder / "secret.txt").write_text("s3cret\n")
    write(home, {"webhook": hook.url, "secret_file": str(home.folder / "secret.txt")})
    loop, notifier = ended(service, database, State.ENDED), Notifier(home.folder, database, URL)
    for _ in range(3):
        notifier.send_due(time.time())
    ((headers, body),) = hook.posts
    told = json.loads(body)
    assert told["id"] == f"{loop}/0"
    assert (told["kind"], told["decision"], told["gain"]["mean"]) == ("verdict", "accepted", 0.1)
    assert told["url"] == f"{URL}/loops/{loop}"
    digest = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["X-Evalmend-Signature"] == f"sha256={digest}"


def test_a_mail_says_what_a_loop_came_to_and_nothing_moves_a_terminal(
    home: Home, database: Database, service: Service
) -> None:
    mails: list[bytes] = []

    class Box(Message):
        def handle_message(self, message: Any) -> None:
            mails.append(message.as_bytes())

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Box(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        smtp = {"host": "127.0.0.1", "port": port, "security": "none"}
        write(home, {"email": "team@example.org", "smtp": smtp})
        loop = ended(service, database, State.FAILED, SEEN, "it broke \x1b[31m\u202ehere")
        Notifier(home.folder, database, URL).send_due(time.time())
    finally:
        controller.stop()
    (mail,) = (message_from_bytes(one) for one in mails)
    assert mail["Subject"] == f"{loop} failed"
    assert mail["To"] == "team@example.org"
    text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "it broke [31mhere" in text
    assert "+0.100 [+0.050, +0.150]" in text
    assert f"{URL}/loops/{loop}" in text


def test_what_cannot_be_told_is_tried_again_later_and_later_and_only_where_it_was_not_heard(
    home: Home, database: Database, service: Service, hook: Hook
) -> None:
    other = Hook()
    write(home, {"webhook": hook.url}, {"webhook": other.url})
    hook.status = 503
    ended(service, database, State.WAITING)
    notifier, now = Notifier(home.folder, database, URL), time.time()
    assert notifier.send_due(now) == 1
    assert notifier.send_due(now + FIRST_WAIT_S - 1) == 0
    assert notifier.send_due(now + FIRST_WAIT_S) == 1
    assert notifier.send_due(now + 2 * FIRST_WAIT_S) == 0
    hook.status = 200
    assert notifier.send_due(now + 4 * FIRST_WAIT_S) == 1
    assert notifier.send_due(now + 1e9) == 0
    assert (len(hook.posts), len(other.posts)) == (3, 1)
    other.server.shutdown()


def test_a_target_that_never_answers_is_given_up(home: Home, database: Database, service: Service) -> None:
    write(home, {"webhook": "http://127.0.0.1:9/closed"})
    ended(service, database, State.ENDED)
    notifier, now = Notifier(home.folder, database, URL), time.time()
    assert sum(notifier.send_due(now + k * 1e6) for k in range(MOST_TRIES + 3)) == MOST_TRIES


def test_a_target_that_sends_elsewhere_is_not_followed(
    home: Home, database: Database, service: Service, hook: Hook
) -> None:
    other = Hook()
    hook.status, hook.headers = 307, {"location": other.url}
    write(home, {"webhook": hook.url})
    ended(service, database, State.ENDED)
    Notifier(home.folder, database, URL).send_due(time.time())
    assert (len(hook.posts), other.posts) == (1, [])
    other.server.shutdown()


def test_everybody_is_told_what_they_asked_for(home: Home, database: Database, service: Service, hook: Hook) -> None:
    write(home, {"webhook": hook.url, "on": ["worse", "approval"], "loops": "smoke-*"})
    nights = {state: ended(service, database, state) for state in (State.ENDED, State.FAILED, State.CANCELLED)}
    worse = ended(service, database, State.ENDED, {**SEEN, "night": "worse", "worse": ["sums"]})
    asked = ended(service, database, State.WAITING)
    Notifier(home.folder, database, URL).send_due(time.time())
    told = {json.loads(body)["loop"]: json.loads(body) for _, body in hook.posts}
    assert set(told) == {worse, asked}
    assert told[worse]["worse"] == ["sums"]
    assert told[asked]["url"].endswith("/proposal")
    assert nights[State.CANCELLED] not in told


def test_of_two_servers_one_sends(home: Home, database: Database, service: Service, hook: Hook) -> None:
    write(home, {"webhook": hook.url})
    ended(service, database, State.ENDED)
    now = time.time()
    (notice,) = notices.due(database, now)
    assert notices.take(database, notice, now + 60)
    assert not notices.take(database, notice, now + 60)
    assert Notifier(home.folder, database, URL).send_due(now) == 0
    assert hook.posts == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"webhook": "ftp://x"}, "webhook"),
        ({}, "name a webhook or an email"),
        ({"email": "a@b"}, "needs smtp"),
        ({"webhook": "http://x", "on": ["everything"]}, "on"),
        ({"webhook": "http://x", "url": "http://y"}, "url"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(home: Home, target: Mapping[str, Any], said: str) -> None:
    write(home, target)
    with pytest.raises(ValueError, match=said):
        read_targets(home.folder)


def test_kinds_that_are_told_are_those_of_ends_that_people_ask_about() -> None:
    told = {state: notices.kind_of(state, {}) for state in State}
    assert {state: kind for state, kind in told.items() if kind} == {
        State.ENDED: Kind.VERDICT,
        State.WAITING: Kind.APPROVAL,
        State.FAILED: Kind.FAILURE,
    }
    assert read_targets(Path("/nowhere")) == ()
