"""Runs in a home whose database was lost, or never knew them."""

import json

import pytest

from controller.engine.journal.approvals import ask
from service.home import Home
from service.loops.states import State
from service.requests.service import Service
from service.runs.found import Submitted, write_submitted
from service.store import loops
from service.store.database import Database

ASKED = Submitted("smoke", {"seed": 3}, ("experiment=smoke", "seed=3"), "me", 5.0)


def test_runs_are_found_in_the_state_that_their_files_tell(service: Service, home: Home, database: Database) -> None:
    for name in ("ended", "waits", "begun", "alone", "queued", "nothing", ".hidden"):
        (home.runs / name).mkdir()
    for name in ("ended", "waits", "begun", "queued", ".hidden"):
        write_submitted(home.runs / name, ASKED)
    for name in ("ended", "alone"):
        (home.runs / name / "loop.json").write_text(json.dumps({"status": "ended", "stopped_because": "all is done"}))
    ask(home.runs / "waits", 0, "5f0e1d2c3b4a5968", "a plan")
    (home.runs / "begun" / "journal.jsonl").write_text('{"time": 1.0, "event": "started", "stage": "a"}\n')
    assert service.find_runs() == 5
    assert {loop.id: loop.state for loop in loops.listed(database)} == {
        "ended": State.ENDED,
        "waits": State.WAITING,
        "begun": State.STOPPED,
        "alone": State.ENDED,
        "queued": State.STOPPED,
    }
    assert service.find_runs() == 0
    found = service.loop("begun")
    assert (found.recipe, found.fields, found.words, found.created) == ("smoke", {"seed": 3}, ASKED.words, 5.0)
    assert service.resume("begun").state is State.QUEUED
    with pytest.raises(ValueError, match="loop alone was found in the home, and it is not known how it was started"):
        service.resume("alone")


def test_a_loop_that_is_unknown_or_over_is_refused_in_one_line(service: Service) -> None:
    loop = service.submit("smoke", {}, "me")
    assert service.cancel(loop.id).state is State.CANCELLED
    with pytest.raises(ValueError, match=f"loop {loop.id} is cancelled, and cannot be cancelled"):
        service.cancel(loop.id)
    assert service.resume(loop.id).state is State.QUEUED
    with pytest.raises(ValueError, match="is queued; what is cancelled, failed, stopped can be resumed"):
        service.resume(loop.id)
    for name in (loop.id[:-1], "../" + loop.id, "x" * 10_000, "a\nb", ""):
        with pytest.raises(ValueError, match="unknown loop ") as refused:
            service.loop(name)
        assert str(refused.value).isprintable()
