"""Loops that fail, wait for a person, or find another process in their folder."""

import fcntl
from collections.abc import Iterator
from dataclasses import replace

import pytest
from builders.services import Hosted, hosted, until

from controller.engine.journal.approvals import ask, decide
from service.loops.states import State
from service.store import loops
from service.store.loops import Loop

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """A home with a server."""
    with hosted(tmp_path_factory.mktemp("odd") / "home") as made:
        made.start()
        yield made


def known(host: Hosted, name: str, state: State) -> Loop:
    """A loop that has come into this state, with its folder."""
    (host.home.runs / name).mkdir()
    queued = host.submit(5)
    loops.cancel(host.database, queued.id)
    loop = replace(queued, id=name, state=state, stretch=1)
    assert loops.add(host.database, loop)
    return loop


def endings(host: Hosted, loop: Loop) -> list[tuple[int, str | None]]:
    return [(one.number, one.ending) for one in loops.stretches(host.database, loop.id)]


def test_a_loop_that_failed_says_why_and_goes_on_when_that_is_mended(host: Hosted) -> None:
    rows = host.home.folder / "toy" / "rows.jsonl"
    rows.rename(rows.with_suffix(".away"))
    loop = host.submit(5)
    until(lambda: host.is_in(loop, "failed"), "a loop that failed")
    assert f"evalmend: corpus.train {rows} does not exist" in host.service.loop(loop.id).message
    rows.with_suffix(".away").rename(rows)
    host.service.resume(loop.id)
    until(lambda: host.is_in(loop, "ended"), "a loop that ended")
    assert endings(host, loop) == [(0, "failed"), (1, "ended")]


def test_a_loop_whose_folder_is_in_use_is_begun_when_it_is_free(host: Hosted) -> None:
    loop = known(host, "toy-in-use", State.STOPPED)
    with (host.home.runs / loop.id / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        host.service.resume(loop.id)
        until(lambda: host.is_in(loop, "running"), "a loop that is begun")
        assert host.processes() == []
    until(lambda: host.is_in(loop, "ended"), "a loop that ended")
    assert endings(host, loop) == [(1, "ended")]


def test_a_loop_that_waits_for_a_person_goes_on_when_its_answer_lies_in_the_run_directory(host: Hosted) -> None:
    loop = known(host, "toy-waits", State.WAITING)
    run_dir = host.home.runs / loop.id
    ask(run_dir, 0, "5f0e1d2c3b4a5968", "a plan")
    other = host.submit(5)
    until(lambda: host.is_in(other, "ended"), "another loop that ended")
    assert host.is_in(loop, "waiting")
    decide(run_dir, "approved", "anna")
    until(lambda: host.is_in(loop, "ended"), "a loop that ended")
    assert endings(host, loop) == [(1, "ended")]
