"""The command line and the API do the same with every verb: what one has changed the other tells, and refuses alike."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from builders.recorded import PROPOSAL, recorded
from builders.served import Served

from controller.engine.journal.approvals import waiting
from controller.main import SERVICE_VERBS, run
from service.home import Home, home_of, make_home
from service.loops.states import State
from service.settings import Serve
from service.store import loops, schedules, tokens
from service.store.database import Database
from service.web.security.roles import Role

SHOW = {"serve"}
"""Verbs that ask for nothing."""


@dataclass(frozen=True)
class Verb:
    """A verb on the command line and over HTTP, and what it leaves."""

    words: tuple[str, ...]
    method: str
    path: str
    body: dict[str, object] | None
    left: Callable[[Served], object]
    """What can be seen of it afterwards, without ids and times."""
    state: State = State.WAITING
    """State of the loop `made-1` before it."""


def state_of(served: Served) -> object:
    loop = loops.get(served.database, "made-1")
    assert loop is not None
    return loop.state, loop.is_to_cancel


def submitted(served: Served) -> object:
    return [(one.recipe, one.fields, one.words, one.state) for one in loops.listed(served.database, [State.QUEUED])]


def scheduled(served: Served) -> object:
    return [
        (one.name, one.recipe, one.fields, one.cron, one.zone, one.is_on) for one in schedules.listed(served.database)
    ]


def given(served: Served) -> object:
    return sorted((one.name, one.role, one.expires is None) for one in tokens.listed(served.database))


def answered(served: Served) -> object:
    run_dir = served.home.runs / "made-1"
    lines = (run_dir / "approvals.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    return waiting(run_dir), [(one["decision"], one["change"]) for one in told if one["event"] == "decided"]


SUBMIT = {"recipe": "smoke", "fields": {"seed": 3}}
SCHEDULE = {"name": "new", "recipe": "smoke", "fields": {"seed": 3}, "cron": "0 1 * * *", "zone": "Europe/Berlin"}
DECISION = {"round": 0, "proposal": PROPOSAL, "why": "read"}
VERBS = {
    "submit": Verb(("submit", "smoke", "seed=3"), "POST", "/loops", SUBMIT, submitted),
    "cancel": Verb(("cancel", "made-1"), "POST", "/loops/made-1/cancel", None, state_of),
    "resume": Verb(("resume", "made-1"), "POST", "/loops/made-1/resume", None, state_of, State.FAILED),
    "approve": Verb(
        ("approve", "RUN", "why=read"), "POST", "/loops/made-1/decision", DECISION | {"decision": "approved"}, answered
    ),
    "approve a part": Verb(
        ("approve", "RUN", "why=read", "leave_out=1", "scale=0.5"),
        "POST",
        "/loops/made-1/decision",
        DECISION | {"decision": "approved", "leave_out": [1], "scale": 0.5},
        answered,
    ),
    "reject": Verb(
        ("reject", "RUN", "why=read"), "POST", "/loops/made-1/decision", DECISION | {"decision": "rejected"}, answered
    ),
    "schedule add": Verb(
        ("schedule", "add", "new", "smoke", "cron=0 1 * * *", "zone=Europe/Berlin", "seed=3"),
        "POST",
        "/schedules",
        SCHEDULE,
        scheduled,
    ),
    "schedule pause": Verb(("schedule", "pause", "old"), "POST", "/schedules/old/pause", None, scheduled),
    "schedule resume": Verb(("schedule", "resume", "off"), "POST", "/schedules/off/resume", None, scheduled),
    "schedule remove": Verb(("schedule", "remove", "old"), "DELETE", "/schedules/old", None, scheduled),
    "token give": Verb(
        ("token", "give", "anna", "role=viewer", "days=3"),
        "POST",
        "/tokens",
        {"name": "anna", "role": "viewer", "days": 3},
        given,
    ),
    "token take": Verb(("token", "take", "TOKEN"), "DELETE", "/tokens/TOKEN", None, given),
}
LISTS = {
    "status": (("status",), "/loops", ("made-1",)),
    "schedule list": (("schedule", "list"), "/schedules", ("off", "old")),
    "token list": (("token", "list"), "/tokens", ("one-admin", "one-approver", "one-viewer")),
}


def prepared(home: Home, database: Database, state: State) -> Served:
    """A home with a loop, two schedules, one of them paused, and tokens."""
    home.recipes.mkdir(exist_ok=True)
    (home.recipes / "smoke.yaml").write_text(
        "experiment: smoke\nwords: [tracking.uri=none]\nfields:\n  seed: {type: int, key: seed, min: 0, max: 9}\n"
    )
    served = Served(home, database)
    recorded(served, "made-1", state)
    for name in ("old", "off"):
        served.schedules.add(name, "smoke", {}, "0 2 * * *", "UTC", "me")
    served.schedules.turn("off", is_on=False)
    return served


def filled(text: str, served: Served) -> str:
    """A word or a path with the run directory and a token's id put in."""
    taken = next(one.id for one in tokens.listed(served.database) if one.name == "one-viewer")
    return text.replace("TOKEN", taken).replace("RUN", str(served.home.runs / "made-1"))


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_leaves_the_same_whoever_asks(
    name: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, left, refused = VERBS[name], [], []
    for who in ("command line", "http"):
        with_home = tmp_path_factory.mktemp(who.replace(" ", "-"))
        home, database = opened_home(str(with_home / "home"))
        served = prepared(home, database, verb.state)
        own = [] if verb.words[0] in ("approve", "reject") else [f"serve.home={home.folder}"]
        for is_again in (False, True):
            if who == "http":
                path, client = filled(f"/api/v1{verb.path}", served), served.program(Role.ADMIN)
                answer = client.request(verb.method, path, json=verb.body if verb.body is not None else None)
                is_taken = answer.status_code < 400
            else:
                words = [filled(word, served) if not is_again or "TOKEN" not in word else "gone" for word in verb.words]
                is_taken = run([*words, *own]) == 0
            if is_again:
                refused.append(is_taken)
            else:
                assert is_taken, (name, who, capsys.readouterr().err)
                left.append(verb.left(served))
            if verb.path.endswith("TOKEN"):
                break
        database.close()
    assert left[0] == left[1]
    assert len(set(refused)) <= 1, (name, refused)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_names_the_same_whoever_asks(
    name: str, home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    words, path, names = LISTS[name]
    served = prepared(home, database, State.ENDED)
    capsys.readouterr()
    assert run([*words, f"serve.home={home.folder}"]) == 0
    typed = capsys.readouterr().out
    told = served.program(Role.ADMIN).get(f"/api/v1{path}").text
    for one in names:
        assert one in typed
        assert one in told


def test_every_verb_of_the_service_is_held_against_the_api() -> None:
    known = {name.split()[0] for name in (*VERBS, *LISTS)}
    assert set(SERVICE_VERBS) - SHOW <= known
    assert {"approve", "reject"} <= known


def opened_home(folder: str) -> tuple[Home, Database]:
    home = home_of(Serve(home=folder))
    make_home(home)
    database = Database(home.database)
    database.migrate()
    return home, database
