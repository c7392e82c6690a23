"""Servers that play real loops, are killed and stopped, and go on: what is promised of the service as a whole."""

import json
import signal
import subprocess
import sys
import time
from http.cookiejar import CookieJar
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from builders.checkout import ROOT
from builders.postgres import Cluster
from builders.services import Hosted, done_twice, environment, hosted, stopped, until

from controller.cli.nights.night_json import read_night
from controller.results.loop_json import read_loop
from service.loops.states import State
from service.requests.schedules import Schedules
from service.store import loops
from service.store.loops import LOST, Loop

LONG_TRAINING = 3000
"""Steps of a training that takes so long that it is caught."""


def evalmend(host: Hosted, *words: str) -> str:
    """What a command says."""
    command = [sys.executable, "-m", "controller.main", *words, f"serve.home={host.home.folder}"]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True).stdout


def signed_in(link: str) -> set[str]:
    """What a browser that opens the link is told of itself."""
    opener = build_opener(HTTPCookieProcessor(CookieJar()))
    with opener.open(link, timeout=5) as answer:
        assert b"<h1>Loops</h1>" in answer.read()
    with opener.open(f"{link.partition('/sign-in')[0]}/api/v1/me", timeout=5) as answer:
        return set(json.loads(answer.read()))


def ended_once(host: Hosted, loop: Loop) -> None:
    """The loop ended, no stage was done twice, and nothing is left of its processes."""
    assert host.service.loop(loop.id).state is State.ENDED
    stretches = loops.stretches(host.database, loop.id)
    assert [one.ending for one in stretches].count("ended") == 1
    assert all(one.ended is not None for one in stretches)
    assert done_twice(host.journal(loop)) == []
    assert host.service.read(loop).is_over
    until(lambda: not host.processes(), "no process that is left", 10)


@pytest.mark.slow
def test_the_server_imports_no_back_end_of_models() -> None:
    heavy = "torch transformers lm_eval datasets mlflow hydra numpy pandas"
    code = (
        "import sys, service.cli.commands, service.cli.serve; "
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, check=True)
    assert found.stdout.decode().strip() == "[]"


@pytest.mark.slow
def test_a_second_server_on_a_home_is_refused_in_one_line_and_the_first_answers(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        server = host.start()
        second = host.refused()
        assert second.returncode == 2
        assert second.stderr.count("\n") == 1
        assert f"has a server already: process {server.pid}, http://127.0.0.1:" in second.stderr
        assert host.health()["num_running"] == 0
        first = host.link()
        assert signed_in(first) == {"name", "role", "csrf_token"}
        assert stopped(server) < 10
        again = host.start()
        with pytest.raises(HTTPError, match="401"):  # the link of the first server has ended with it
            signed_in(f"{host.link().partition('token=')[0]}token={first.partition('token=')[2]}")
        assert signed_in(host.link()) == {"name", "role", "csrf_token"}
        assert stopped(again) < 10


@pytest.mark.long
def test_two_loops_that_are_submitted_at_once_share_one_slot_and_end_one_after_the_other(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        host.start()
        first = host.service.loop(evalmend(host, "submit", "toy", "steps=20").strip())
        second = host.submit(20, seed=1)
        until(lambda: host.is_in(first, "ended") and host.is_in(second, "ended"), "two loops that ended")
        ended_once(host, first)
        ended_once(host, second)
        stretches = [*loops.stretches(host.database, first.id), *loops.stretches(host.database, second.id)]
        spans = sorted((one.started, one.ended or 0.0) for one in stretches)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        assert len(stretches) == 2
        said = evalmend(host, "status")
        assert f"{first.id}  ended  " in said
        decision = read_loop(host.home.runs / first.id).rounds[0].verdict.decision
        assert decision.value in evalmend(host, "status", first.id)
        # The database is an index: without it the runs are found again.
        stopped(host._servers[0])
        for file in host.home.folder.glob("*.db*"):
            file.unlink()
        host.database.close()
        host.start()
        assert host.is_in(first, "ended")
        assert host.service.loop(second.id).words == second.words


@pytest.mark.long
def test_a_loop_goes_on_before_others_after_its_server_was_killed_or_stopped_and_after_it_was_cancelled(
    tmp_path: Path,
) -> None:
    with hosted(tmp_path / "home") as host:
        server = host.start()
        loop = host.submit(LONG_TRAINING)
        until(lambda: host.trains(loop), "a training")
        behind = host.submit(5)
        server.kill()
        server.wait()
        assert until(lambda: not host.processes(), "no process that is left") < 5
        server = host.start()
        until(lambda: host.is_in(loop, "running") and host.trains(loop), "the loop, gone on")
        assert host.is_in(behind, "queued")
        assert stopped(server) < 10
        assert host.processes() == []
        assert host.is_in(loop, "queued")
        host.start()
        until(lambda: host.is_in(loop, "running") and host.processes(), "the loop, gone on again")
        assert host.is_in(behind, "queued")
        evalmend(host, "cancel", behind.id)
        evalmend(host, "cancel", loop.id)
        assert until(lambda: host.is_in(loop, "cancelled"), "the end of the loop") < 12
        assert host.processes() == []
        evalmend(host, "resume", loop.id)
        until(lambda: host.is_in(loop, "ended"), "a loop that ended")
        ended_once(host, loop)
        endings = [one.ending for one in loops.stretches(host.database, loop.id)]
        assert endings == [LOST, "queued", "cancelled", "ended"]


@pytest.mark.long
def test_of_two_servers_on_one_database_one_takes_over_what_the_other_had_when_it_was_killed(
    tmp_path: Path, postgres: Cluster
) -> None:
    with hosted(tmp_path / "home", postgres.new_database()) as host:
        killed = host.start()
        other = host.start()
        pair = [host.submit(LONG_TRAINING), host.submit(LONG_TRAINING, seed=1)]
        until(lambda: all(host.is_in(loop, "running") for loop in pair), "two loops that run")
        assert {len(loops.stretches(host.database, loop.id)) for loop in pair} == {1}
        until(lambda: all(host.trains(loop) for loop in pair), "two trainings")
        killed.kill()
        killed.wait()
        until(lambda: all(host.is_in(loop, "ended") for loop in pair), "two loops that ended")
        for loop in pair:
            ended_once(host, loop)
        endings = sorted([one.ending for one in loops.stretches(host.database, loop.id)] for loop in pair)
        assert endings == [["ended"], [LOST, "ended"]]
        assert stopped(other) < 10


@pytest.mark.long
def test_a_server_that_others_took_for_dead_ends_itself_and_its_loop_is_not_doubled(
    tmp_path: Path, postgres: Cluster
) -> None:
    with hosted(tmp_path / "home", postgres.new_database()) as host:
        slow = host.start()
        loop = host.submit(LONG_TRAINING)
        until(lambda: host.trains(loop), "a training")
        slow.send_signal(signal.SIGSTOP)
        host.start()
        until(lambda: len(loops.stretches(host.database, loop.id)) == 2, "a loop that was taken over")
        slow.send_signal(signal.SIGCONT)
        assert slow.wait(20) == 1
        until(lambda: host.is_in(loop, "ended"), "a loop that ended")
        ended_once(host, loop)
        assert [one.ending for one in loops.stretches(host.database, loop.id)] == [LOST, "ended"]


@pytest.mark.long
def test_a_loop_whose_database_is_away_for_a_while_ends_once_all_the_same(tmp_path: Path, postgres: Cluster) -> None:
    with hosted(tmp_path / "home", postgres.new_database()) as host:
        server = host.start()
        loop = host.submit(LONG_TRAINING)
        until(lambda: host.trains(loop), "a training")
        postgres.stop()
        until(lambda: not host.processes(), "the end of the process while the database is away")
        postgres.start()
        until(lambda: host.is_in(loop, "ended"), "a loop that ended")
        ended_once(host, loop)
        assert len(loops.stretches(host.database, loop.id)) == 1
        again = host.submit(5)
        until(lambda: host.is_in(again, "running"), "another loop")
        assert stopped(server) < 10


@pytest.mark.long
def test_a_night_that_is_due_is_played_and_told_of_once_and_the_next_begins_where_it_ended(tmp_path: Path) -> None:
    with hosted(tmp_path / "home") as host:
        schedules = Schedules(host.home, host.database)
        server = host.start()
        schedules.add("minute", "toy", {"steps": 5}, "* * * * *", "UTC", "me")
        until(lambda: loops.listed(host.database, [State.ENDED], schedule="minute"), "a night that is over", 400)
        (night,) = loops.listed(host.database, schedule="minute")
        assert night.id == f"minute-{time.strftime('%Y-%m-%d', time.gmtime(night.created))}"
        assert night.seen is not None
        assert night.seen["night"] == "first"
        found = read_night(host.home.runs / night.id)
        assert found is not None
        assert (found.night, found.since) == (night.id, None)
        assert done_twice(host.journal(night)) == []
        time.sleep(5)
        assert loops.count(host.database, schedule="minute") == 1  # one night a date, however often it is due
        assert stopped(server) < 10
