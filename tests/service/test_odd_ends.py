"""Loops that fail, wait for a person, or find another process in their folder."""

import fcntl
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders.services import Hosted, hosted, until

from service.loops.states import State
from service.store import loops
from service.store.loops import Loop

pytestmark = pytest.mark.long


def waiting(host: Hosted, loop: Loop) -> Loop:
    """A loop as one that has ended its first stretch with a question."""
    loops.cancel(host.database, loop.id)
    asked = replace(loop, id="toy-waits", state=State.WAITING, stretch=1)
    folder = host.home.runs / asked.id
    folder.mkdir()
    (folder / "approvals.jsonl").write_text(json.dumps({"event": "asked", "round": 0}) + "\n")
    loops.add(host.database, asked)
    return asked


def test_a_loop_that_failed_says_why_and_goes_on_one_that_waits_is_begun_once_decided_and_a_folder_in_use_is_waited_for(
    tmp_path: Path,
) -> None:
    with hosted(tmp_path / "home") as host:
        host.start()
        rows = host.home.folder / "toy" / "rows.jsonl"
        rows.rename(rows.with_suffix(".away"))
        failed = host.submit(5)
        until(lambda: host.is_in(failed, "failed"), "a loop that failed")
        said = host.service.loop(failed.id).message
        assert f"evalmend: corpus.train {rows} does not exist" in said
        assert said.splitlines()[-1].isprintable()
        rows.with_suffix(".away").rename(rows)

        asked = waiting(host, host.submit(5))
        with (host.home.runs / failed.id / "lock").open("a+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            host.service.resume(failed.id)
            until(lambda: host.is_in(failed, "running"), "a loop that is begun")
            assert host.processes() == []  # while its folder is in use
            assert host.is_in(asked, "waiting")
            with (host.home.runs / asked.id / "approvals.jsonl").open("a") as file:
                file.write(json.dumps({"event": "decided", "round": 0, "decision": "approved"}) + "\n")
            until(lambda: host.is_in(asked, "queued"), "a loop that is queued again")
            assert host.processes() == []
        until(lambda: host.is_in(failed, "ended") and host.is_in(asked, "ended"), "two loops that ended")
        assert [one.ending for one in loops.stretches(host.database, failed.id)] == ["failed", "ended"]
        assert [(one.number, one.ending) for one in loops.stretches(host.database, asked.id)] == [(1, "ended")]
