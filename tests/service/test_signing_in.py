"""Who is let in, who may do what, and what is kept of it."""

import json
import re
import stat
import time
from pathlib import Path

import pytest
from builders.served import URL, Served, refused

from service.home import Home
from service.store import loops, servers, tokens
from service.store.database import Database
from service.web.security import sessions
from service.web.security.hosts import Hosts
from service.web.security.rates import Rates
from service.web.security.roles import Role
from service.web.security.sessions import Sessions, key_of


@pytest.fixture
def served(home: Home, database: Database) -> Served:
    return Served(home, database)


@pytest.mark.parametrize("path", ["/", "/api/v1/me", "/api/v1/tokens", "/api/v1/openapi.json", "/docs", "/no/such"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_without_a_token_everything_but_sign_in_and_health_answers_401(served: Served, path: str, method: str) -> None:
    stranger = served.stranger()
    refused(stranger.request(method, path), 401, "not_signed_in")
    assert stranger.get("/healthz").json() == {"server": "s1", "num_running": 0, "num_queued": 0}
    refused(stranger.post("/healthz"), 401, "not_signed_in")


def test_a_link_is_exchanged_for_a_cookie_that_scripts_and_other_sites_cannot_use(served: Served) -> None:
    client = served.stranger()
    answer = client.get(f"/sign-in?token={served.texts[Role.VIEWER]}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
    assert served.texts[Role.VIEWER].lower() not in cookie
    me = client.get("/api/v1/me").json()
    assert (me["name"], me["role"]) == ("one-viewer", "viewer")
    assert served.program(Role.ADMIN).get("/api/v1/me").json() == {
        "name": "one-admin",
        "role": "admin",
        "csrf_token": None,
    }


@pytest.mark.parametrize("text", ["", "x", "evalmend_", "\x00", "é" * 20])
def test_a_wrong_token_is_no_token(served: Served, text: str) -> None:
    refused(served.stranger().get("/sign-in", params={"token": text}), 401, "not_signed_in")
    for kind in ("Bearer", "Basic", "bearer ", ""):
        headers = {"authorization": f"{kind} {text}".encode()}
        refused(served.stranger().get("/api/v1/me", headers=headers), 401, "not_signed_in")
    assert served.program(Role.ADMIN).get("/api/v1/me").status_code == 200


def test_a_cookie_that_was_changed_made_by_another_key_or_is_over_is_none(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, token = served.doors.sessions, tokens.listed(served.database)[0]
    good = ours.begin(token.id)
    assert ours.read(good) == token.id
    for place in range(len(good)):
        changed = good[:place] + ("0" if good[place] != "0" else "1") + good[place + 1 :]
        assert ours.read(changed) is None
    assert Sessions(key_of(tmp_path / "other")).read(good) is None
    later = time.time() + sessions.LASTS_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert ours.read(good) is None


def test_a_token_that_is_taken_back_ends_its_sessions_and_a_link_ends_with_its_server(
    served: Served, database: Database
) -> None:
    browser, admin = served.browser(Role.VIEWER), served.program(Role.ADMIN)
    listed = admin.get("/api/v1/tokens").json()
    viewer = next(one for one in listed if one["role"] == "viewer")
    assert browser.get("/api/v1/me").status_code == 200
    assert admin.delete(f"/api/v1/tokens/{viewer['id']}").status_code == 204
    refused(browser.get("/api/v1/me"), 401, "not_signed_in")
    refused(admin.delete(f"/api/v1/tokens/{viewer['id']}"), 404, "not_found")

    servers.enter(database, "s9", URL, 1)
    _, text = tokens.give(database, "me", Role.ADMIN, "s9")
    assert tokens.by_text(database, text) is not None
    loops.take_over(database, "s9")
    assert tokens.by_text(database, text) is None
    assert len(tokens.listed(database)) == 2
    tokens.clear(database)
    assert len(tokens.listed(database)) == 2


def test_the_text_of_a_token_is_kept_nowhere(served: Served, home: Home) -> None:
    given = served.program(Role.ADMIN).post("/api/v1/tokens", json={"name": "bot", "role": "approver"})
    assert given.status_code == 201
    text = given.json()["text"]
    assert served.stranger().get("/api/v1/me", headers={"authorization": f"Bearer {text}"}).json()["name"] == "bot"
    served.database.close()
    files = [file for file in home.folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"service.db", "secret", "audit.jsonl"}
    assert not any(text.encode() in file.read_bytes() for file in files)


@pytest.mark.parametrize("role", list(Role))
def test_only_admins_give_tokens_and_viewers_change_nothing(served: Served, role: Role) -> None:
    client = served.program(role)
    answers = [
        client.get("/api/v1/tokens"),
        client.post("/api/v1/tokens", json={"name": "bot", "role": "admin"}),
        client.get("/api/v1/audit"),
    ]
    if role is Role.ADMIN:
        assert [answer.status_code for answer in answers] == [200, 201, 200]
    else:
        for answer in answers:
            refused(answer, 403, "not_allowed")
        assert len(tokens.listed(served.database)) == 3


def test_a_change_by_a_session_needs_the_header_that_only_a_page_of_ours_can_bring(served: Served) -> None:
    browser, wish = served.browser(Role.ADMIN), {"name": "bot", "role": "viewer"}
    mine = browser.get("/api/v1/me").json()["csrf_token"]
    others = served.browser(Role.ADMIN).get("/api/v1/me").json()["csrf_token"]
    assert mine != others  # bound to the session
    for given in ("", "x", others, mine[:-1]):
        refused(browser.post("/api/v1/tokens", json=wish, headers={"x-csrf-token": given}), 403, "not_allowed")
    assert browser.post("/api/v1/tokens", json=wish, headers={"x-csrf-token": mine}).status_code == 201


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("LOCALHOST:8700", True),
        ("127.0.0.1:1", True),
        ("[::1]:8700", True),
        ("loops.example.org", True),
        ("evil.example.org", False),
        ("localhost.evil.org", False),
        ("localhost:8700@evil.org", False),
        ("evil.org#localhost", False),
        ("localhost/x", False),
        ("localhost:x", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_only_names_of_the_server_are_answered(served: Served, host: str, is_ours: bool) -> None:
    assert Hosts(["loops.example.org"]).is_ours(host) is is_ours
    answer = served.program(Role.ADMIN).get("/healthz", headers={"host": host})
    assert answer.status_code == (200 if is_ours else 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.org"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:9999"},
        {"origin": "http://localhost"},
        {"origin": "file://localhost:8700"},
        {"origin": "http://localhost:8700.evil.org"},
        {"origin": "http://localhost:8700/"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_change_from_a_page_of_another_site_is_refused(served: Served, headers: dict[str, str]) -> None:
    wish = {"name": "bot", "role": "viewer"}
    client = served.program(Role.ADMIN)
    refused(client.post("/api/v1/tokens", json=wish, headers=headers), 403, "not_allowed")
    assert client.post("/api/v1/tokens", json=wish, headers={"origin": URL}).status_code == 201


def test_every_answer_forbids_scripts_of_others_frames_and_guessing_of_types(served: Served) -> None:
    viewer, stranger = served.program(Role.VIEWER), served.stranger()
    answers = [stranger.get("/healthz"), stranger.get("/"), viewer.get("/none"), viewer.get("/api/v1/me")]
    answers.append(stranger.get("/healthz", headers={"host": "evil.org"}))
    for answer in answers:
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(served: Served) -> None:
    client = served.program(Role.ADMIN)
    refused(client.post("/api/v1/tokens", content=b"x" * 70_000), 413, "too_large")
    refused(client.post("/api/v1/tokens", content=iter([b"x" * 10_000] * 7)), 413, "too_large")
    headers = {"content-length": "-1"}
    refused(client.post("/api/v1/tokens", content=iter([b""]), headers=headers), 413, "too_large")
    assert client.get("/api/v1/me").status_code == 200


def test_whoever_asks_too_often_waits_and_others_do_not(home: Home, database: Database) -> None:
    served = Served(home, database, per_minute=3, strangers_per_minute=2)
    viewer, admin = served.program(Role.VIEWER), served.program(Role.ADMIN)
    assert [viewer.get("/api/v1/me").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert int(viewer.get("/api/v1/me").headers["retry-after"]) in range(1, 61)
    assert [served.stranger().get("/").status_code for _ in range(4)] == [401, 401, 429, 429]
    assert [served.stranger().get("/healthz").status_code for _ in range(4)] == [200, 200, 429, 429]
    assert served.stranger().get("/sign-in?token=x").status_code == 401
    assert admin.get("/api/v1/me").status_code == 200


def test_a_count_is_of_one_minute() -> None:
    now = 125.0
    rates = Rates(2, lambda: now)
    assert [rates.wait_s("a"), rates.wait_s("a"), rates.wait_s("a"), rates.wait_s("b")] == [0, 0, 55, 0]
    now = 180.0
    assert rates.wait_s("a") == 0


def test_the_audit_log_has_each_change_and_sign_in_refused_or_not_and_nothing_a_terminal_obeys(
    served: Served, home: Home
) -> None:
    served.browser(Role.VIEWER)
    served.program(Role.VIEWER).get("/api/v1/me")
    served.program(Role.VIEWER).post("/api/v1/tokens", json={"name": "bot", "role": "admin"})
    served.program(Role.ADMIN).post("/api/v1/tokens", json={"name": "bot", "role": "admin"})
    served.stranger().delete("/api/v1/loops/%1b[31m%0a" + "x" * 1000)
    text = home.audit.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["who"], line["method"], line["status"]) for line in lines] == [
        ("one-viewer", "GET", 303),
        ("one-viewer", "POST", 403),
        ("one-admin", "POST", 201),
        ("", "DELETE", 401),
    ]
    assert re.fullmatch(r"[\x20-\x7e\n]*", text)
    assert len(lines[-1]["path"]) == 200
    last = served.program(Role.ADMIN).get("/api/v1/audit?limit=2").json()
    assert [line["method"] for line in last] == ["DELETE", "POST"]
    assert stat.S_IMODE(home.audit.stat().st_mode) == stat.S_IMODE(home.secret.stat().st_mode) == 0o600


def test_all_servers_of_a_home_sign_with_one_key(home: Home) -> None:
    key = key_of(home.secret)
    assert (len(key), key_of(home.secret)) == (32, key)
    home.secret.write_bytes(b"short")
    with pytest.raises(ValueError, match="remove it for a new one"):
        key_of(home.secret)


def test_a_token_ends_with_its_last_day_and_its_sessions_with_it(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(home, database)
    given = served.program(Role.ADMIN).post("/api/v1/tokens", json={"name": "anna", "role": "viewer", "days": 30})
    assert given.json()["expires"] == pytest.approx(time.time() + 30 * 86_400, abs=60)
    client = served.stranger()
    assert client.get(f"/sign-in?token={given.json()['text']}").status_code == 303
    assert client.get("/api/v1/me").status_code == 200
    later = time.time() + 30 * 86_400 + 60
    monkeypatch.setattr("service.store.tokens.time.time", lambda: later)
    refused(client.get("/api/v1/me"), 401, "not_signed_in")
    refused(served.stranger().get(f"/sign-in?token={given.json()['text']}"), 401, "not_signed_in")
    assert tokens.by_id(database, given.json()["id"]) is None


def test_behind_a_proxy_the_cookie_is_sent_by_tls_alone(home: Home, database: Database) -> None:
    for is_secure in (True, False):
        served = Served(home, database)
        served.doors.sessions.is_secure = is_secure
        cookie = served.stranger().get(f"/sign-in?token={served.texts[Role.VIEWER]}").headers["set-cookie"]
        assert ("; secure" in cookie.lower()) == is_secure
