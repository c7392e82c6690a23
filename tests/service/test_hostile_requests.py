"""Requests that mean harm: each is answered by a clear refusal, and leaves the home as it was."""

import json
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from builders.recorded import PROPOSAL, recorded
from builders.served import URL, Served

from controller.engine.journal.approvals import waiting
from service.home import Home
from service.requests.service import Service
from service.runs.places import file_of
from service.store import loops, tokens
from service.store.database import Database
from service.web.plain import plain, plain_json
from service.web.security.roles import Role

API = "/api/v1"
LOOP = f"{API}/loops/made-1"
WAIT = {"decision": "approved", "round": 0, "proposal": PROPOSAL}
TEXTS = (
    "${oc.env:HOME}",
    "${oc.env:HOME}/x",
    "_target_",
    "{_target_: os.system}",
    "../../etc/passwd",
    "..",
    "/etc/passwd",
    "a\nrun_dir=/tmp/x",
    "a b",
    "a'b",
    'a"b',
    "$(reboot)",
    "`reboot`",
    "a;b",
    "--config-dir=/tmp",
    "-m",
    "",
    "\x00",
    "\x1b[31mred",
    "\u202eevil",
    "\u2028",
    "x" * 5000,
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "%00",
    "a,b",
    "[1]",
    "https://evil.org/recipe",
    "file:///etc/passwd",
)
OTHER_TYPES: tuple[Any, ...] = (None, [], {}, [1], {"_target_": "os.system"}, 10**400, -1, 1.5, float("inf"), True)
PATHS = (
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "%2e%2e%2f",
    "..%5c..",
    "made-1%00",
    "made-1%2f..%2fmade-1",
    "%2fetc%2fpasswd",
    "made-1%0a",
    "%1b%5b31m",
    "$%7Boc.env:HOME%7D",
    "_target_",
    "a" * 300,
    "made-1;x",
    "%c0%ae%c0%ae",
    "%ff",
    "%2e",
    "*",
    "linked",
)
READS = ("", "/proposal", "/result", "/report", "/findings", "/items", "/examples", "/events")
CHANGES = ("/cancel", "/resume", "/decision")
QUERIES = (
    "items?split=../../secret",
    "items?split=sealed/../probe",
    "items?split=",
    "items?round=-1",
    "items?round=x",
    "items?round=1e3",
    "items?round=99999999999999999999",
    "items?is_failed=maybe",
    "items?limit=0",
    "items?limit=101",
    "items?limit=-1",
    "items?offset=-1",
    "items?offset=99999999999999999999",
    f"items?text={'x' * 201}",
    f"items?task={'x' * 201}",
    f"items?arm={'x' * 201}",
    "examples?round=../1",
    "examples?round=-0.5",
    "examples?limit=1000000",
    f"examples?source={'x' * 201}",
    "findings?offset=x",
    "findings?round=%00",
    "events?after=-1",
    "events?after=x",
    "events?after=99999999999999999999",
)


@dataclass(frozen=True, slots=True)
class Attack:
    """One request; by an admin, who could do most, unless it says otherwise."""

    name: str
    method: str
    path: str
    body: Any = None
    role: Role | None = Role.ADMIN
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


def attacks() -> Iterator[Attack]:
    yield from _submissions()
    yield from _decisions()
    for path in PATHS:
        for rest in READS:
            yield Attack(f"path {path[:30]} {rest}", "GET", f"{API}/loops/{path}{rest}")
        for rest in CHANGES:
            yield Attack(f"path {path[:30]} {rest}", "POST", f"{API}/loops/{path}{rest}", WAIT)
        yield Attack(f"recipe {path[:30]}", "GET", f"{API}/recipes/{path}")
        yield Attack(f"token {path[:30]}", "DELETE", f"{API}/tokens/{path}")
    for query in QUERIES:
        yield Attack(f"query {query[:40]}", "GET", f"{LOOP}/{query}")
    for query in ("state=x", "state=", "limit=0", "limit=201", "offset=-1", f"recipe={'x' * 65}", "state=queued&" * 9):
        yield Attack(f"list {query[:30]}", "GET", f"{API}/loops?{query}")
    yield from _strangers()


def _submissions() -> Iterator[Attack]:
    where = f"{API}/loops"
    for text in TEXTS:
        for name in ("seed", "rate", "sealed", "title", "fix"):
            yield Attack(f"{name} {text[:20]!r}", "POST", where, {"recipe": "smoke", "fields": {name: text}})
        yield Attack(f"field {text[:20]!r}", "POST", where, {"recipe": "smoke", "fields": {text: 1}})
        yield Attack(f"recipe {text[:20]!r}", "POST", where, {"recipe": text, "fields": {}})
        yield Attack(f"further {text[:20]!r}", "POST", where, {"recipe": "smoke", "fields": {}, text: 1})
    for value in OTHER_TYPES:
        yield Attack(f"seed {value!r:.20}", "POST", where, {"recipe": "smoke", "fields": {"seed": [value]}})
        yield Attack(f"title {value!r:.20}", "POST", where, {"recipe": "smoke", "fields": {"title": value}})
        yield Attack(f"recipe {value!r:.20}", "POST", where, {"recipe": value})
        if value != {}:
            yield Attack(f"fields {value!r:.20}", "POST", where, {"recipe": "smoke", "fields": value})
        yield Attack(f"body {value!r:.20}", "POST", where, content=json.dumps(value).encode())
    many = {f"f{number}": 1 for number in range(65)}
    yield Attack("many fields", "POST", where, {"recipe": "smoke", "fields": many})
    good = b'{"recipe": "smoke"}'
    for name, content in {
        "no json": b"recipe=smoke",
        "half": b'{"recipe": "smo',
        "deep": b"[" * 60_000,
        "deep field": b'{"recipe": "smoke", "fields": ' + b'{"a":' * 9000 + b"1" + b"}" * 9001,
        "number": b"1" * 5000,
        "surrogate": rb'{"recipe": "\ud800"}',
        "surrogate field": rb'{"recipe": "smoke", "fields": {"title": "\ud800"}}',
        "no utf-8": b'{"recipe": "\xff"}',
        "oversized": b" " * 70_000 + good,
        "nothing": b"",
    }.items():
        yield Attack(f"content {name}", "POST", where, content=content)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/yaml"):
        yield Attack(f"as {kind}", "POST", where, content=good, headers={"content-type": kind})


def _decisions() -> Iterator[Attack]:
    where = f"{LOOP}/decision"
    for text in TEXTS:
        yield Attack(f"hash {text[:20]!r}", "POST", where, WAIT | {"proposal": text})
        yield Attack(f"word {text[:20]!r}", "POST", where, WAIT | {"decision": text})
        yield Attack(f"signed {text[:20]!r}", "POST", where, WAIT | {"by": text})
    for text in ("a\nb", "\x1b[2J", "\x00", "x" * 2001, "\u202eevil", "\u2028"):
        yield Attack(f"why {text[:20]!r}", "POST", where, WAIT | {"why": text})
    for value in OTHER_TYPES:
        for name in ("round", "proposal", "decision", "why", "leave_out", "scale"):
            if name != "leave_out" or not isinstance(value, list):  # a list of places is what it takes
                yield Attack(f"{name} {value!r:.20}", "POST", where, WAIT | {name: value})
    for name in WAIT:
        yield Attack(f"without {name}", "POST", where, {key: value for key, value in WAIT.items() if key != name})
    for places in ([0, 1], [2], [-1], ["0"], [0.5], [True], list(range(65)), [10**9]):
        yield Attack(f"leaves out {places!r:.20}", "POST", where, WAIT | {"leave_out": places})
    for scale in (0, -1, 0.1, 1.01, "0.5", True, 1e308):
        yield Attack(f"scale {scale!r}", "POST", where, WAIT | {"scale": scale})
    yield Attack("rejects a part", "POST", where, WAIT | {"decision": "rejected", "leave_out": [0]})
    yield Attack("another hash", "POST", where, WAIT | {"proposal": PROPOSAL[::-1]})
    yield Attack("half of the hash", "POST", where, WAIT | {"proposal": PROPOSAL[:8]})
    yield Attack("another round", "POST", where, WAIT | {"round": 1})
    yield Attack("another loop", "POST", f"{API}/loops/made-2/decision", WAIT)


def _strangers() -> Iterator[Attack]:
    changes = [
        ("POST", f"{API}/loops", {"recipe": "smoke"}),
        ("POST", f"{LOOP}/decision", WAIT),
        ("POST", f"{LOOP}/cancel", None),
        ("POST", f"{LOOP}/resume", None),
        ("POST", f"{API}/tokens", {"name": "bot", "role": "admin"}),
        ("DELETE", f"{API}/tokens/x", None),
    ]
    hosts = ("evil.org", "localhost.evil.org", "localhost@evil.org", "0.0.0.0", "", "127.0.0.1.nip.io", "localhost, x")
    origins = ("http://evil.org", "null", "http://localhost", "https://localhost:8700.evil.org", "x")
    for method, path, body in changes:
        yield Attack(f"viewer {path}", method, path, body, Role.VIEWER)
        yield Attack(f"nobody {path}", method, path, body, None)
        for host in hosts:
            yield Attack(f"host {host} {path}", method, path, body, headers={"host": host})
        for origin in origins:
            yield Attack(f"origin {origin} {path}", method, path, body, headers={"origin": origin})
        for word in ("Bearer x", "Basic YTpi", "Bearer", "bearer evalmend_", "Bearer null"):
            yield Attack(f"{word} {path}", method, path, body, None, {"authorization": word})
        for cookie in ("evalmend=x", "{cookie}=a.9999999999.b.c", "{cookie}=", "{cookie}=x.y", "{cookie}=....", "; ;="):
            yield Attack(f"{cookie} {path}", method, path, body, None, {"cookie": cookie})
    yield Attack("approver gives", "POST", f"{API}/tokens", {"name": "bot", "role": "admin"}, Role.APPROVER)
    for rest in READS:
        yield Attack(f"nobody reads {rest}", "GET", f"{LOOP}{rest}", role=None)
        yield Attack(f"host reads {rest}", "GET", f"{LOOP}{rest}", headers={"host": "evil.org"})
    for body in ({"name": "bot", "role": "god"}, {"name": "a b", "role": "viewer"}, {"name": "bot"}, {"role": "admin"}):
        yield Attack(f"token {body}", "POST", f"{API}/tokens", body)
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"):
        yield Attack(f"{method} loops", method, f"{API}/loops")


ALL = tuple(attacks())


@pytest.fixture
def served(home: Home, database: Database, service: Service) -> Served:
    """Two loops, one of which waits for a decision."""
    made = Served(home, database, per_minute=10**6, strangers_per_minute=10**6)
    recorded(made)
    recorded(made, "made-2")
    (home.runs / "made-2" / "approvals.jsonl").unlink()
    return made


def kept(served: Served) -> tuple[object, ...]:
    """All that an attack could have changed."""
    files = {
        path.relative_to(served.home.folder): path.read_bytes()
        for path in sorted(served.home.folder.rglob("*"))
        if path.is_file() and not path.name.startswith(("service.db", "audit"))
    }
    return files, loops.listed(served.database), tokens.listed(served.database)


def test_there_are_as_many_attacks_as_were_asked_for() -> None:
    assert len(ALL) >= 300


@pytest.mark.slow
def test_no_attack_gets_through_and_each_is_refused_clearly(served: Served) -> None:
    before = kept(served)
    wrong = []
    clients = {role: served.program(role) for role in Role} | {None: served.stranger()}
    for attack in ALL:
        headers = {
            name: text.replace("{cookie}", served.doors.sessions.cookie_name) for name, text in attack.headers.items()
        }
        content = attack.content
        if attack.body is not None:
            content = json.dumps(attack.body).encode()
        if content is not None:
            headers = {"content-type": "application/json"} | headers
        answer = clients[attack.role].request(attack.method, f"{URL}{attack.path}", headers=headers, content=content)
        text = answer.text
        is_clear = attack.method == "HEAD" or text.startswith('{"error":{"code":"')
        if not (400 <= answer.status_code < 500 and is_clear and "Traceback" not in text and len(text) < 1000):
            wrong.append((attack.name, answer.status_code, text[:200]))
    assert wrong == []
    assert kept(served) == before
    assert waiting(served.home.runs / "made-1") is not None


def test_a_link_out_of_the_runs_is_not_followed(served: Served, tmp_path: Path) -> None:
    (tmp_path / "secret.html").write_text("secret")
    report = served.home.runs / "made-1" / "report.html"
    report.unlink()
    report.symlink_to(tmp_path / "secret.html")
    os.symlink(served.home.runs / "made-1", served.home.runs / "linked")
    assert served.program(Role.ADMIN).get(f"{LOOP}/report").status_code == 404
    assert file_of(served.home.runs, "linked", "loop.json") is None
    assert file_of(served.home.runs, "made-1", "../made-2/loop.json") is None
    assert file_of(served.home.runs, "made-1", "loop.json") is not None


@pytest.mark.parametrize("name", ["loop.json", "items-probe.parquet", "mix-0.parquet", "journal.jsonl"])
def test_files_cut_off_at_any_place_are_refused_clearly_or_say_less(served: Served, name: str) -> None:
    client, path = served.program(Role.VIEWER), served.home.runs / "made-1" / name
    whole = path.read_bytes()
    for end in range(0, len(whole), max(1, len(whole) // 20)):
        path.write_bytes(whole[:end])
        for rest in ("", "/proposal", "/result", "/findings", "/items", "/examples"):
            assert client.get(f"{LOOP}{rest}").status_code in (200, 409)


def test_plain_text_has_no_sign_that_is_a_command_and_keeps_all_others() -> None:
    every = "".join(map(chr, (*range(0x3000), 0xD800, 0xDFFF, 0xFEFF)))
    told = "".join(plain(every[start : start + 1000]) for start in range(0, len(every), 1000))
    assert {sign for sign in told if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")} == {"\t", "\n"}
    assert not set(told) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    assert len(told) == len(every)
    assert plain("x" * 8001) == "x" * 8000 + " [... 1 characters more]"
    assert plain("Grüße, 世界\n\tx = {1}") == "Grüße, 世界\n\tx = {1}"
    assert plain_json({"a\x1b": ["\ud800", float("nan"), 1]}) == {"a\u241b": ["\ufffd", None, 1]}
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert str(plain_json(deep)).count("[") == 40
