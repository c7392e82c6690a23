"""Schedules: when nights are due, that each begins once, and what is made of those that were missed."""

import threading
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from builders.served import Served, refused

from controller.main import run
from service.engine.clock import Clock
from service.home import Home
from service.loops.command_line import Share, command
from service.loops.nights import check_schedule, last_due, next_due, night_of
from service.loops.states import State
from service.requests.errors import Conflict, Unknown
from service.requests.schedules import Schedules
from service.requests.service import Service
from service.runs.found import found_run
from service.store import loops, schedules
from service.store.database import Database
from service.web.security.roles import Role

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.fixture
def planned(home: Home, database: Database, service: Service) -> Schedules:
    """A home with the recipe `smoke`."""
    del service
    return Schedules(home, database)


def test_a_time_is_due_when_it_comes_and_not_before() -> None:
    cron, zone = "0 1 * * *", "Europe/Berlin"
    assert last_due(cron, zone, at("2030-03-05T00:59:59")) == at("2030-03-04T01:00")
    assert last_due(cron, zone, at("2030-03-05T01:00")) == at("2030-03-05T01:00")
    assert next_due(cron, zone, at("2030-03-05T01:00")) == at("2030-03-06T01:00")


def test_a_night_is_at_the_same_hour_of_the_zone_whatever_its_clocks_do() -> None:
    """Berlin's clocks go forward on 2030-03-31 and back on 2030-10-27."""
    for first in ("2030-03-29", "2030-10-25"):
        moment = at(f"{first}T12:00")
        for _ in range(4):
            moment = next_due("0 5 * * *", "Europe/Berlin", moment)
            assert datetime.fromtimestamp(moment, BERLIN).strftime("%H:%M") == "05:00"


@pytest.mark.parametrize(
    ("name", "cron", "zone", "said"),
    [
        ("Every Night", "0 1 * * *", "UTC", "small letters"),
        ("x" * 33, "0 1 * * *", "UTC", "up to 32"),
        ("a", "0 1 * *", "UTC", "five fields"),
        ("a", "61 1 * * *", "UTC", "not a time that comes"),
        ("a", "0 0 31 2 *", "UTC", "not a time that comes"),
        ("a", "0 1 * * *", "Berlin", "time zone as"),
        ("a", "0 1 * * *; rm -rf /", "UTC", "five fields"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_the_rule(name: str, cron: str, zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_schedule(name, cron, zone)


def test_of_a_month_with_the_server_down_on_three_nights_each_other_night_begins_once(
    home: Home, database: Database, planned: Schedules
) -> None:
    planned.add("month", "smoke", {"seed": 1}, "0 1 * * *", "Europe/Berlin", "me")
    now = [at("2030-03-01T00:00")]
    schedules.turn(database, "month", False, now[0])
    schedules.turn(database, "month", True, now[0])
    clock, begun = Clock(home, database, lambda: now[0]), []
    while now[0] < at("2030-03-31T00:00"):
        moment = datetime.fromtimestamp(now[0], BERLIN)
        if not at("2030-03-12T00:30") <= now[0] < at("2030-03-15T00:30"):
            begun += [(night, moment.strftime("%d")) for night in clock.look()]
        for night, _ in begun:  # each is over within the hour
            if loops.get(database, night).state is State.QUEUED:  # type: ignore[union-attr]
                database_end(database, night)
        now[0] += 1800
    days = [night.removeprefix("month-2030-03-") for night, _ in begun]
    assert days == [f"{day:02}" for day in range(1, 31) if day not in (12, 13)]
    # Of the three missed nights the last one is made good when the server is back.
    assert dict(begun)["month-2030-03-14"] == "15"
    assert len({night for night, _ in begun}) == len(begun)


def database_end(database: Database, night: str) -> None:
    """The night is over."""
    assert loops.cancel(database, night)


def test_a_night_that_is_due_while_the_last_is_under_way_begins_after_it_and_once(
    home: Home, database: Database, planned: Schedules
) -> None:
    planned.add("fast", "smoke", {}, "0 * * * *", "UTC", "me")
    now = [next_due("0 1 * * *", "UTC", schedules.listed(database)[0].created)]
    clock = Clock(home, database, lambda: now[0])
    (first,) = clock.look()
    now[0] += timedelta(days=1).total_seconds()
    assert clock.look() == []
    now[0] += timedelta(days=2).total_seconds()
    assert clock.look() == []
    database_end(database, first)
    (second,) = clock.look()
    assert second == night_of("fast", "UTC", now[0])
    assert clock.look() == []


def test_of_four_servers_that_find_a_night_due_at_once_one_begins_it(
    home: Home, database: Database, planned: Schedules
) -> None:
    planned.add("shared", "smoke", {}, "0 1 * * *", "UTC", "me")
    now = next_due("0 1 * * *", "UTC", schedules.listed(database)[0].created)
    begun: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: begun.append(Clock(home, database, lambda: now).look())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, begun)) == [0, 0, 0, 1]
    assert loops.count(database, schedule="shared") == 1


def test_a_schedule_that_was_paused_begins_nothing_that_was_due_meanwhile(
    home: Home, database: Database, planned: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned.add("often", "smoke", {}, "0 1 * * *", "UTC", "me")
    created = schedules.listed(database)[0].created
    planned.turn("often", is_on=False)
    later = created + 5 * 86_400
    assert Clock(home, database, lambda: later).look() == []
    monkeypatch.setattr("service.requests.schedules.time.time", lambda: later)
    planned.turn("often", is_on=True)
    assert Clock(home, database, lambda: later + 60).look() == []
    assert len(Clock(home, database, lambda: later + 86_400).look()) == 1


def test_a_night_is_a_loop_of_its_own_that_can_be_found_again_without_the_database(
    home: Home, database: Database, planned: Schedules
) -> None:
    planned.add("mine", "smoke", {"seed": 3}, "0 1 * * *", "UTC", "me")
    due = next_due("0 1 * * *", "UTC", schedules.listed(database)[0].created)
    (night,) = Clock(home, database, lambda: due).look()
    loop = loops.get(database, night)
    assert loop is not None
    assert (loop.schedule, loop.recipe, loop.fields) == ("mine", "smoke", {"seed": 3})
    submitted = found_run(home.runs / night)
    assert submitted is not None
    assert submitted.schedule == "mine"
    words = command(night, loop.words, Share(None, None), loop.schedule)
    assert words[words.index("nightly") :] == [
        "nightly",
        "experiment=smoke",
        "tracking.uri=none",
        "seed=3",
        "nightly.name='mine'",
        f"nightly.date='{night.removeprefix('mine-')}'",
        "run_dir=runs",
    ]


def test_schedules_are_refused_before_anything_is_stored(database: Database, planned: Schedules) -> None:
    planned.add("one", "smoke", {}, "0 1 * * *", "UTC", "me")
    with pytest.raises(Conflict, match="already"):
        planned.add("one", "smoke", {}, "0 2 * * *", "UTC", "me")
    with pytest.raises(ValueError, match="unknown recipe"):
        planned.add("two", "smok", {}, "0 1 * * *", "UTC", "me")
    with pytest.raises(ValueError, match="opens no field"):
        planned.add("two", "smoke", {"run_dir": "/"}, "0 1 * * *", "UTC", "me")
    with pytest.raises(Unknown, match="did you mean 'one'"):
        planned.one("onr")
    assert [one.name for one in schedules.listed(database)] == ["one"]


def test_over_http_and_on_the_command_line_schedules_are_the_same(
    home: Home, database: Database, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    del service
    served = Served(home, database)
    program, own = served.program(Role.APPROVER), f"serve.home={home.folder}"
    asked = {"name": "web", "recipe": "smoke", "fields": {"seed": 1}, "cron": "0 1 * * *", "zone": "Europe/Berlin"}
    assert program.post("/api/v1/schedules", json=asked).status_code == 201
    assert run(["schedule", "add", "typed", "smoke", "cron=30 2 * * 1", "seed=2", own]) == 0
    assert [one["name"] for one in program.get("/api/v1/schedules").json()] == ["typed", "web"]
    assert run(["schedule", "pause", "web", own]) == 0
    assert program.get("/api/v1/schedules/web").json()["next_due"] is None
    assert program.post("/api/v1/schedules/web/resume").json()["is_on"]
    capsys.readouterr()
    assert run(["schedule", "list", own]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["typed", "web"]
    assert program.delete("/api/v1/schedules/typed").status_code == 204
    assert run(["schedule", "remove", "web", own]) == 0
    assert program.get("/api/v1/schedules").json() == []
    assert run(["schedule", "remove", "web", own]) == 2
    refused(program.post("/api/v1/schedules", json=asked | {"cron": "never"}), 422, "bad_value")
    refused(program.post("/api/v1/schedules", json=asked | {"words": ["a"]}), 422, "bad_value")
    refused(served.program(Role.VIEWER).post("/api/v1/schedules", json=asked), 403, "not_allowed")
