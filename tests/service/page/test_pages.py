"""Pages as they are sent, without a browser."""

import json
import re

import pyarrow.parquet as pq
import pytest
from builders.pages import Page
from builders.recorded import HOSTILE_TEXT, NUM_ITEMS, PROPOSAL, recorded
from builders.served import Served

from service.home import Home
from service.loops.states import State
from service.store import loops
from service.store.database import Database
from service.web.page.assets import Assets
from service.web.page.render import ago
from service.web.security.roles import Role

OF_A_LOOP = ["", "/now", "/shown", "/findings", "/findings?round=1", "/proposal", "/items", "/rows", "/lineage"]
PAGES = [
    "/",
    "/schedules",
    "/?state=waiting&recipe=smoke",
    "/compare",
    "/looks",
    *(f"/loops/made-1{path}" for path in OF_A_LOOP),
]


@pytest.fixture
def served(home: Home, database: Database) -> Served:
    home.recipes.mkdir()
    (home.recipes / "smoke.yaml").write_text(
        "experiment: smoke\nfields:\n  seed: {type: int, key: seed, min: 0, max: 9}\n"
        "  fix: {type: choice, key: interventions, choices: [retrieve]}\n"
    )
    (home.recipes / "broken.yaml").write_text("experiment: nowhere\n")
    return Served(home, database)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
def test_every_page_is_sent_with_a_policy_that_runs_our_own_scripts_alone(
    served: Served, path: str, role: Role
) -> None:
    recorded(served)
    answer = served.browser(role).get(path)
    assert answer.status_code == 200, answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "default-src 'none'" in policy
    page = Page(answer.text)
    assert page.open == []
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert tag != "script" or attributes["src"].startswith("/static/")
        for name in ("src", "href", "hx-get", "action", "data-api", "sse-connect"):
            assert not attributes.get(name, "/").startswith(("http", "//", "javascript:")), attributes


@pytest.mark.parametrize("path", PAGES)
def test_who_has_not_signed_in_is_told_how_on_a_page_and_nothing_else(served: Served, path: str) -> None:
    recorded(served)
    answer = served.stranger().get(path, headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert "evalmend serve has printed" in answer.text
    assert "made-1" not in answer.text


def test_a_refusal_is_a_page_for_people_and_json_for_programs(served: Served) -> None:
    asked = {"text/html,*/*": "text/html; charset=utf-8", "application/json": "application/json"}
    for accepted, sent in asked.items():
        answer = served.browser(Role.VIEWER).get("/loops/nope", headers={"accept": accepted})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == sent
    hostile = served.browser(Role.VIEWER).get("/loops/<b>x", headers={"accept": "text/html"})
    assert "<b>x" not in hostile.text


def test_text_of_models_is_escaped_and_cannot_turn_or_hide_what_stands_beside_it(served: Served) -> None:
    recorded(served)
    text = served.browser(Role.VIEWER).get("/loops/made-1/items?text=alert").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not set("\x1b\u202e\x00") & set(text)
    assert set("\x1b\u202e\x00") & set(HOSTILE_TEXT)


def test_parts_of_a_report_that_someone_wrote_over_bring_no_attribute_of_htmx_to_life(served: Served) -> None:
    loop = recorded(served)
    evil = {"headline": "x", "answers": {}, "parts": [{"round": 0, "name": "verdict", "html": "<b hx-get='/x'>!</b>"}]}
    (served.home.runs / loop.id / "report-parts.json").write_text(json.dumps(evil))
    text = served.browser(Role.ADMIN).get(f"/loops/{loop.id}").text
    assert re.search(r"<div hx-disable>\s*<details[^>]*>.*<b hx-get='/x'>", text, re.DOTALL)


def test_who_may_only_read_is_shown_no_form_that_changes_anything(served: Served) -> None:
    recorded(served)
    for path in PAGES:
        forms = {role: _apis(served.browser(role).get(path).text) for role in Role}
        assert forms[Role.VIEWER] <= {"/api/v1/sign-out"}
        assert forms[Role.APPROVER] == forms[Role.ADMIN]
    assert "/api/v1/loops/made-1/decision" in _apis(served.browser(Role.APPROVER).get("/loops/made-1/proposal").text)


def test_a_decision_is_for_the_proposal_that_the_page_shows(served: Served) -> None:
    recorded(served)
    page = Page(served.browser(Role.APPROVER).get("/loops/made-1/proposal").text)
    given = [(one.get("name"), one.get("value")) for tag, one in page.tags if tag == "input"]
    of_change = [("leave_out", "0"), ("leave_out", "1"), ("scale", "1")]
    assert given == [("round", "0"), ("proposal", PROPOSAL), *of_change, ("why", None)]
    assert "400 rows of verb = jump" in page.text


def test_pages_of_a_table_hold_each_row_once(served: Served) -> None:
    recorded(served)
    client, path, found = served.browser(Role.VIEWER), "/loops/made-1/items?split=probe", []
    while path:
        text = client.get(path).text
        found += re.findall(r"<code>(item-\d+)</code>", text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = following[1].replace("&amp;", "&") if following else ""
    assert sorted(found) == sorted(f"item-{number}" for number in range(NUM_ITEMS))


def test_a_part_of_the_page_says_when_the_rest_is_older_than_what_the_run_shows(served: Served) -> None:
    loop, client = recorded(served), served.browser(Role.VIEWER)
    text = client.get(f"/loops/{loop.id}/now").text
    seen = re.search(r"/now\?seen=(\d+)", text)
    assert seen is not None
    assert "hx-trigger" not in client.get(f"/loops/{loop.id}/now?seen={seen[1]}").headers
    parts = served.home.runs / loop.id / "report-parts.json"
    parts.write_text(parts.read_text() + " ")
    assert client.get(f"/loops/{loop.id}/now?seen={seen[1]}").headers["hx-trigger"] == "shown"


def test_loops_are_compared_on_the_items_that_both_answered(served: Served) -> None:
    first, other = recorded(served), recorded(served, "made-2")
    for loop in (first, other):
        folder = served.home.runs / loop.id
        (folder / "items-probe.parquet").rename(folder / "items-select.parquet")
    page = Page(served.browser(Role.VIEWER).get(f"/compare?loop={first.id}&loop={other.id}").text)
    assert "+0.000" in page.text
    refused = served.browser(Role.VIEWER).get("/compare?loop=made-1&loop=nope")
    assert refused.status_code == 404


def test_files_that_pages_load_are_kept_by_browsers_and_change_their_address_with_their_content(served: Served) -> None:
    address = Assets().address("page.js")
    answer = served.stranger().get(address)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert served.stranger().get(address.replace("/static/", "/static/0")).status_code == 404
    assert served.stranger().get("/static/../secret").status_code in (401, 404)


def test_signing_out_ends_the_session_of_that_browser_whatever_its_role(served: Served) -> None:
    client = served.browser(Role.VIEWER)
    assert client.post("/api/v1/sign-out").status_code == 403  # without the token of its pages
    token = client.get("/api/v1/me").json()["csrf_token"]
    assert client.post("/api/v1/sign-out", headers={"x-csrf-token": token}).status_code == 204
    assert client.get("/").status_code == 401


def test_a_loop_that_has_done_nothing_has_all_pages(served: Served) -> None:
    loop = served.service.submit("smoke", {"seed": 1}, "me")
    for path in OF_A_LOOP:
        answer = served.browser(Role.ADMIN).get(f"/loops/{loop.id}{path}")
        assert answer.status_code == 200, (path, answer.text)
    assert loops.get(served.database, loop.id) is not None
    assert served.service.loop(loop.id).state is State.QUEUED


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "just now"), (59, "just now"), (60, "1 min ago"), (7200, "2 h ago")]
)
def test_time_is_told_in_the_largest_unit_that_it_fills(seconds: float, words: str) -> None:
    assert ago(1000.0, 1000.0 + seconds) == words


def test_what_an_older_version_has_noted_of_a_loop_is_shown_with_what_it_lacks_left_out(served: Served) -> None:
    loop = recorded(served, state=State.ENDED)
    loops.see(served.database, loop.id, {"decision": "accepted", "num_rounds": 1, "gain": None})
    for name, columns in (("items-probe", ["id", "prompt"]), ("mix-0", ["id", "kind"])):
        path = served.home.runs / loop.id / f"{name}.parquet"
        pq.write_table(pq.read_table(path, columns=columns), path)
    for page in ("/", "/schedules", f"/compare?loop={loop.id}", *(f"/loops/{loop.id}{one}" for one in OF_A_LOOP)):
        assert served.browser(Role.VIEWER).get(page).status_code == 200, page
    assert "Accepted" in served.browser(Role.VIEWER).get("/").text


def _apis(text: str) -> set[str]:
    return set(re.findall(r'data-api="([^"]+)"', text))
