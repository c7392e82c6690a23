"""What is asked over HTTP: recipes, loops, proposals and what a run has found."""

import json
import threading
from collections import Counter

import anyio
import pytest
from builders.recorded import HOSTILE_TEXT, NUM_ITEMS, PROPOSAL, recorded
from builders.served import Served, refused

from controller.engine.journal.approvals import waiting, withdraw
from controller.main import run
from service.home import Home
from service.loops.states import State
from service.requests.service import Service
from service.store import loops
from service.store.database import Database
from service.web.api import events
from service.web.security.roles import Role

APPROVAL = {"decision": "approved", "round": 0, "proposal": PROPOSAL}


@pytest.fixture
def served(home: Home, database: Database, service: Service) -> Served:
    """With the recipe of the fixture `service`."""
    return Served(home, database)


def test_what_a_recipe_opens_is_told_and_one_that_is_wrong_says_so_and_hides_no_other(served: Served) -> None:
    (served.home.recipes / "wrong.yaml").write_text("experiment: ../etc")
    client = served.program(Role.VIEWER)
    found = {one["name"]: one for one in client.get("/api/v1/recipes").json()}
    assert (set(found), found["smoke"]["problem"], bool(found["wrong"]["problem"])) == ({"smoke", "wrong"}, "", True)
    assert found["smoke"]["fields"]["seed"] == {"type": "int", "min": 0, "max": 1000, "choices": [], "about": ""}
    assert client.get("/api/v1/recipes/smoke").json() == found["smoke"]
    refused(client.get("/api/v1/recipes/smok"), 404, "not_found")


def test_a_loop_is_submitted_cancelled_and_resumed_as_by_the_command_line(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    client = served.program(Role.APPROVER)
    made = client.post("/api/v1/loops", json={"recipe": "smoke", "fields": {"seed": 7, "title": "x"}})
    assert made.status_code == 201
    loop_id, where = made.json()["id"], f"serve.home={served.home.folder}"
    assert run(["submit", "smoke", "seed=7", "title=x", where]) == 0
    other = served.service.loop(capsys.readouterr().out.strip())
    mine = served.service.loop(loop_id)
    assert (mine.words, mine.fields, mine.state) == (other.words, other.fields, other.state)
    assert mine.submitted_by == "one-approver"
    assert client.post(f"/api/v1/loops/{loop_id}/cancel").json()["state"] == "cancelled"
    message = refused(client.post(f"/api/v1/loops/{loop_id}/cancel"), 409, "conflict")
    assert run(["cancel", loop_id, where]) == 2
    assert message in capsys.readouterr().err
    assert client.post(f"/api/v1/loops/{loop_id}/resume").json()["state"] == "queued"
    lines = [json.loads(line) for line in served.home.audit.read_text().splitlines()]
    assert [(line["who"], line["loop"], line["status"]) for line in lines] == [
        ("one-approver", loop_id, status) for status in (201, 200, 409, 200)
    ]


def test_loops_are_listed_by_state_and_recipe_page_by_page(served: Served) -> None:
    client = served.program(Role.VIEWER)
    made = [served.service.submit("smoke", {"seed": number}, "me").id for number in range(5)]
    for loop_id in made[:2]:
        served.service.cancel(loop_id)
    assert [one["id"] for one in client.get("/api/v1/loops").json()["loops"]] == made[::-1]
    pages = [client.get(f"/api/v1/loops?limit=2&offset={offset}").json() for offset in (0, 2, 4, 6)]
    assert [one["id"] for page in pages for one in page["loops"]] == made[::-1]
    assert {page["num_loops"] for page in pages} == {5}
    found = client.get("/api/v1/loops?state=cancelled&state=failed").json()
    assert ([one["id"] for one in found["loops"]], found["num_loops"]) == (made[1::-1], 2)
    assert client.get("/api/v1/loops?recipe=none").json() == {"loops": [], "num_loops": 0}


def test_what_waits_is_told_with_its_plan_and_goes_once_it_is_decided(served: Served) -> None:
    loop = recorded(served)
    client = served.program(Role.APPROVER)
    (found,) = client.get("/api/v1/proposals").json()
    assert (found["loop"], found["round"], found["proposal"]) == (loop.id, 0, PROPOSAL)
    told = client.get(f"/api/v1/loops/{loop.id}/proposal").json()
    assert (told["plan"]["num_blocked"], told["plan"]["actions"][0]["num_added"]) == (37, 400)
    decided = client.post(f"/api/v1/loops/{loop.id}/decision", json=APPROVAL | {"why": "it is right"}).json()
    assert (decided["by"], decided["why"], decided["is_new"]) == ("one-approver", "it is right", True)
    assert client.get("/api/v1/proposals").json() == []
    refused(client.get(f"/api/v1/loops/{loop.id}/proposal"), 404, "not_found")


def test_a_decision_once_more_changes_nothing_and_another_one_comes_too_late(served: Served) -> None:
    loop = recorded(served)
    client, path = served.program(Role.APPROVER), f"/api/v1/loops/{loop.id}/decision"
    first = client.post(path, json=APPROVAL | {"why": "first"}).json()
    again = served.program(Role.ADMIN).post(path, json=APPROVAL | {"why": "second"}).json()
    assert again == first | {"is_new": False}
    message = refused(client.post(path, json=APPROVAL | {"decision": "rejected"}), 409, "conflict")
    assert "a decision stands" in message
    assert str(served.home.folder) not in message
    assert run(["reject", str(served.home.runs / loop.id)]) == 2  # nor does one of the command line


@pytest.mark.parametrize(
    "changes", [{"proposal": "fedcba9876543210"}, {"round": 1}, {"round": 1, "proposal": "fedcba9876543210"}]
)
def test_a_decision_on_another_proposal_is_refused_and_nothing_is_decided(
    served: Served, changes: dict[str, object]
) -> None:
    loop = recorded(served)
    path = f"/api/v1/loops/{loop.id}/decision"
    refused(served.program(Role.APPROVER).post(path, json=APPROVAL | changes), 409, "conflict")
    assert waiting(served.home.runs / loop.id) is not None
    withdraw(served.home.runs / loop.id)
    refused(served.program(Role.APPROVER).post(path, json=APPROVAL), 409, "conflict")


def test_of_two_decisions_at_once_one_is_taken(served: Served) -> None:
    loop = recorded(served)
    answers: list[int] = []
    barrier = threading.Barrier(6)

    def decide(decision: str) -> None:
        client = served.program(Role.APPROVER)
        barrier.wait()
        answer = client.post(f"/api/v1/loops/{loop.id}/decision", json=APPROVAL | {"decision": decision})
        answers.append(answer.status_code)

    threads = [threading.Thread(target=decide, args=(word,)) for word in ["approved", "rejected"] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(answers) == {200: 3, 409: 3}
    lines = (served.home.runs / loop.id / "approvals.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["asked", "decided"]


def test_items_are_paged_filtered_and_searched(served: Served) -> None:
    loop = recorded(served)
    client, path = served.program(Role.VIEWER), f"/api/v1/loops/{loop.id}/items"
    ids = []
    for offset in range(0, 300, 100):
        page = client.get(f"{path}?limit=100&offset={offset}").json()
        ids += [row["id"] for row in page["rows"]]
        assert page["num_rows"] == NUM_ITEMS
    assert ids == [f"item-{number}" for number in range(NUM_ITEMS)]
    assert client.get(f"{path}?is_failed=true").json()["num_rows"] == NUM_ITEMS // 5
    assert client.get(f"{path}?is_failed=true&task=scan").json()["num_rows"] == NUM_ITEMS // 10
    assert client.get(f"{path}?text=PROMPT 12").json()["num_rows"] == 11  # 12 and 120 to 129
    assert client.get(f"{path}?round=1").json() == {"rows": [], "num_rows": 0}
    refused(client.get(f"{path}?split=sealed"), 404, "not_found")
    assert client.get(f"{path}?text=item-8&limit=1").json()["rows"][0]["score"] is None  # it is not a number


def test_examples_findings_and_the_result_are_those_of_the_run(served: Served) -> None:
    loop = recorded(served)
    client, path = served.program(Role.VIEWER), f"/api/v1/loops/{loop.id}"
    assert client.get(f"{path}/examples").json()["num_rows"] == 40
    gone = client.get(f"{path}/examples?kind=clean&source=web&limit=3&offset=8").json()
    assert ([row["id"] for row in gone["rows"]], gone["num_rows"]) == (["row-8", "row-9"], 10)
    refused(client.get(f"{path}/examples?round=1"), 404, "not_found")
    found = client.get(f"{path}/findings").json()
    assert (found["num_rows"], found["rows"][0]["finding"]["cause"]) == (1, "missing_data")
    assert client.get(f"{path}/findings?text=JUMP AROUND").json()["num_rows"] == 1
    assert client.get(f"{path}/findings?text=nowhere").json() == {"rows": [], "num_rows": 0}
    assert client.get(f"{path}/findings?round=1").json() == {"rows": [], "num_rows": 0}
    assert client.get(f"{path}/result").json()["status"] == "waiting"
    run_seen = client.get(path).json()["run"]
    assert (run_seen["num_rounds"], run_seen["decision"], run_seen["num_stages"]) == (2, "accepted", 3)


def test_texts_of_models_are_told_without_what_a_terminal_or_a_page_would_obey(served: Served) -> None:
    loop = recorded(served)
    client, path = served.program(Role.VIEWER), f"/api/v1/loops/{loop.id}"
    answer = client.get(f"{path}/items?text=script")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["rows"][0]["prompt"] == "<script>alert(1)</script>\u241b[31m\ufffdevil\u2400"
    report = client.get(f"{path}/report")
    assert HOSTILE_TEXT in report.text
    policy = report.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy  # nothing allows one
    assert policy.endswith("sandbox")


def parted(text: str) -> list[dict[str, object]]:
    """Events of a stream."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append({"id": fields.get("id"), "event": fields["event"], "data": json.loads(fields["data"])})
    return found


@pytest.mark.parametrize(("after", "numbers"), [(0, [1, 2, 3, 4, 5, 6]), (4, [5, 6]), (6, []), (99, [])])
def test_events_are_replayed_from_a_number_and_end_with_the_loop(
    served: Served, after: int, numbers: list[int]
) -> None:
    loop = recorded(served, state=State.ENDED)
    client, path = served.program(Role.VIEWER), f"/api/v1/loops/{loop.id}/events"
    answers = [client.get(f"{path}?after={after}"), client.get(path, headers={"last-event-id": str(after)})]
    for answer in answers:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = parted(answer.text)
        assert [int(str(one["id"])) for one in found if one["event"] == "stage"] == numbers
        assert [one["event"] for one in found if one["event"] != "stage"] == ["state", "end"]
    assert answers[0].text == answers[1].text


def test_events_come_as_they_are_written_and_a_line_that_is_not_whole_waits(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOK_S", 0.01)
    loop = recorded(served, state=State.QUEUED)
    journal = served.home.runs / loop.id / "journal.jsonl"

    async def read() -> list[dict[str, object]]:
        stream = events.told(served.service, loop.id, 5)
        found = parted(await anext(stream))
        with journal.open("a") as file:
            file.write('{"time": 9.0, "event": "started", ')
            file.flush()
            loops.cancel(served.database, loop.id)
            loops.requeue(served.database, loop.id)
            file.write('"stage": "last\\u001b"}\nno json\n')
        found += parted(await anext(stream))
        loops.cancel(served.database, loop.id)
        async for text in stream:
            found += parted(text)
        return found

    found = anyio.run(read)
    assert [(one["id"], one["event"]) for one in found] == [
        ("6", "stage"),
        (None, "state"),
        ("7", "stage"),
        (None, "state"),
        (None, "end"),
    ]
    assert found[2]["data"] == {"number": 7, "time": 9.0, "event": "started", "stage": "last\u241b"}


def test_more_streams_than_the_server_can_bear_are_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_OF_ONE", 0)
    loop = recorded(served)
    refused(served.program(Role.VIEWER).get(f"/api/v1/loops/{loop.id}/events"), 429, "too_often")
    streams = events.Streams()
    monkeypatch.setattr(events, "MOST_OF_ONE", 2)
    monkeypatch.setattr(events, "MOST_STREAMS", 3)
    assert [streams.take(token) for token in "aaabbb"] == [True, True, False, True, False, False]
    streams.give("a")
    assert streams.take("b")


def test_the_description_of_the_api_names_every_route(served: Served) -> None:
    found = served.program(Role.VIEWER).get("/api/v1/openapi.json").json()
    verbs = {(method, path.removeprefix("/api/v1")) for path, one in found["paths"].items() for method in one}
    assert {("post", "/loops"), ("get", "/loops/{loop_id}/events"), ("post", "/loops/{loop_id}/decision")} <= verbs
    assert len(verbs) == 31


def test_metrics_are_told_to_whoever_brings_a_token(served: Served) -> None:
    recorded(served)
    served.service.submit("smoke", {"seed": 1}, "me")
    told = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in served.program(Role.VIEWER).get("/metrics").text.splitlines()
        if not line.startswith("#")
    }
    assert told['evalmend_loops{state="waiting"}'] == 1
    assert told['evalmend_loops{state="queued"}'] == 1
    assert told['evalmend_loops{state="failed"}'] == 0
    assert told["evalmend_queue_age_seconds"] < 60
    assert told["evalmend_notices_unsent"] == 0
    refused(served.stranger().get("/metrics"), 401, "not_signed_in")


def test_a_method_that_a_path_has_not_is_answered_with_those_that_it_has(served: Served) -> None:
    program = served.program(Role.ADMIN)
    for path, methods in {"/loops": "GET, POST", "/schedules/a": "DELETE, GET", "/loops/a/cancel": "POST"}.items():
        answer = program.put(f"/api/v1{path}")
        refused(answer, 405, "no_such_method")
        assert answer.headers["allow"] == methods


def test_a_whole_number_is_taken_however_json_writes_it_and_no_other(served: Served) -> None:
    recorded(served)
    program = served.program(Role.APPROVER)
    refused(program.post("/api/v1/loops/made-1/decision", json=APPROVAL | {"round": 0.5}), 422, "bad_value")
    assert program.post("/api/v1/loops/made-1/decision", json=APPROVAL | {"round": 0.0}).status_code == 200
