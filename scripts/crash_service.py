"""Kill servers of the service and processes of loops with -9 at random moments: every loop still ends once.

    python scripts/crash_service.py --kills 50 [--servers 2 --database postgresql://user@host/name] [--folder FOLDER]
    python scripts/crash_service.py --kills 50 --approvals

Loops of the recipe `smoke` are submitted, some of them while no server runs. Servers live for a random part of
`--longest` seconds: where that is about as long as a loop, start-up, queue, start of a process and every stage are hit.
Now and then a process of a loop is killed instead, or a loop is cancelled, and resumed. With `--approvals` every loop
asks, and is answered while servers run or after they were killed, by its seed with yes, no or a part, with a stale
answer before the right one. Passes if every loop ended, its database has one stretch that ended, no journal shows a
finished stage done twice, no process is left, the loops of one seed left the same `loop.json` but for seconds, and
every answer stands once, in the round that it was for.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from crash_loop import stages_done_twice, without_times

from controller.engine.journal.approvals import Decision
from controller.engine.journal.changes import UNCHANGED, Change, change_of
from service.home import Home, home_of, make_home
from service.loops.states import State
from service.requests.errors import Conflict
from service.requests.service import Service, Wish
from service.settings import Serve
from service.store import loops
from service.store.database import Database

RECIPE = """experiment: smoke
words: [tracking.uri=none, workers=1, controller.approval={approval}]
fields: {{seed: {{type: int, key: seed, min: 0, max: 1000}}}}
"""
SEEDS = 3
WHY = "kept through kills"


class Servers:
    """Servers on one home."""

    def __init__(self, serve: Serve, count: int) -> None:
        self._words = [f"serve.home={serve.home}", "serve.port=0", f"serve.slots={serve.slots}"]
        self._words += [f"serve.database={serve.database}"] if serve.database is not None else []
        self._running: list[subprocess.Popen[bytes] | None] = [None] * count

    def start(self) -> None:
        """Start those that do not run."""
        for number, server in enumerate(self._running):
            if server is None or server.poll() is not None:
                command = [sys.executable, "-m", "controller.main", "serve", *self._words]
                quiet = subprocess.DEVNULL
                self._running[number] = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)

    def kill(self, rng: random.Random) -> None:
        """Kill one of them, or all."""
        living = [server for server in self._running if server is not None and server.poll() is None]
        for server in living if rng.random() < 0.3 else living[:1]:
            server.send_signal(signal.SIGKILL)
            server.wait()
        rng.shuffle(self._running)

    def stop(self) -> float:
        """End all; the longest time that one took, in seconds."""
        started = time.monotonic()
        living = [server for server in self._running if server is not None and server.poll() is None]
        for server in living:
            server.send_signal(signal.SIGTERM)
        for server in living:
            server.wait()
        return time.monotonic() - started


def processes(home: Home) -> list[int]:
    """Processes whose working directory is the home: those of loops."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and Path(os.readlink(folder / "cwd")) == home.folder:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def answer(service: Service, database: Database, rng: random.Random, share: float) -> list[tuple[str, int]]:
    """Answer about this share of the proposals that wait, each after an answer to another proposal, which is refused;
    loop and round of those that were answered now."""
    answered = []
    for loop in loops.listed(database, [State.WAITING]):
        asked = service.proposal(loop)
        if asked is None or rng.random() > share:
            continue
        decision, change = _answer(int(loop.fields["seed"]))
        try:
            service.decide(loop.id, Wish(decision, asked.round, "0" * len(asked.proposal), WHY), "crash")
            raise AssertionError("an answer to another proposal was taken")
        except Conflict:
            pass
        wish = Wish(decision, asked.round, asked.proposal, WHY, change)
        if service.decide(loop.id, wish, "crash").is_new:
            answered.append((loop.id, asked.round))
    return answered


def resume(database: Database) -> None:
    """Resume loops that were cancelled, or have failed because a process of theirs was killed."""
    for loop in loops.listed(database, [State.CANCELLED, State.FAILED]):
        if loops.requeue(database, loop.id):
            print(f"{loop.id} was {loop.state} and is resumed", flush=True)


def comparable(result: dict[str, Any]) -> str:
    """A loop's result without its times: a reason says when a person has decided."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "then", json.dumps(without_times(result), sort_keys=True))


def stands(result: dict[str, Any], loop_id: str, number: int) -> bool:
    """Whether a loop's result has the answer in the round that it was for."""
    seed = int(result["seed"])
    told = [round_["approval"]["answer"] for round_ in result["rounds"] if round_["number"] == number]
    decision, change = _answer(seed)
    of_change = {"leave_out": list(change.leave_out), "scale": change.scale}
    given = [(one["decision"], one["by"], one["why"], one["change"]) for one in told]
    return given == [(decision, "crash", WHY, of_change)]


def _answer(seed: int) -> tuple[Decision, Change]:
    """Approved, rejected, or approved with three quarters of its draws, by the loop's seed."""
    decided: list[tuple[Decision, Change]] = [
        ("approved", UNCHANGED),
        ("rejected", UNCHANGED),
        ("approved", change_of(scale=0.75)),
    ]
    return decided[seed % SEEDS]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=60.0, help="longest life of a server, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--database", default=None)
    parser.add_argument("--approvals", action="store_true", help="every loop waits for an answer before it trains")
    parser.add_argument("--folder", type=Path, default=None)
    return parser.parse_args()


def main() -> None:
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp())
    serve = Serve(home=str(folder / "home"), database=options.database, slots=options.slots)
    home = home_of(serve)
    make_home(home)
    home.recipes.mkdir()
    (home.recipes / "smoke.yaml").write_text(RECIPE.format(approval="ask" if options.approvals else "never"))
    database = Database(home.database)
    database.migrate()
    service = Service(home, database)
    servers, rng = Servers(serve, options.servers), random.Random(options.seed)
    submitted: list[str] = []
    answered: list[tuple[str, int]] = []
    for kill in range(options.kills):
        under_way = sum(number for state, number in loops.counts(database).items() if state is not State.ENDED)
        while under_way <= options.servers * options.slots:
            submitted.append(service.submit("smoke", {"seed": len(submitted) % SEEDS}, "crash").id)
            under_way += 1
        servers.start()
        time.sleep(rng.uniform(0, options.longest))
        if kill % 5 == 4 and loops.cancel(database, submitted[-1]):
            time.sleep(rng.uniform(0, 2))
        answered += answer(service, database, rng, 0.5)
        if kill % 3 == 2 and (running := processes(home)):
            os.kill(rng.choice(running), signal.SIGKILL)
        else:
            servers.kill(rng)
        answered += answer(service, database, rng, 0.7)
        resume(database)
        print(f"kill {kill + 1}: {dict(loops.counts(database))}", flush=True)
    servers.start()
    while loops.counts(database).get(State.ENDED, 0) < len(submitted):
        time.sleep(1)
        answered += answer(service, database, rng, 1.0)
        resume(database)
    ended_s = servers.stop()
    stretches = {loop_id: loops.stretches(database, loop_id) for loop_id in submitted}
    results = {loop_id: json.loads((home.runs / loop_id / "loop.json").read_text()) for loop_id in submitted}
    told = {loop_id: comparable(result) for loop_id, result in results.items()}
    alike = [len({told[one] for one in submitted[k::SEEDS]}) for k in range(SEEDS)]
    summary = {
        "kills": options.kills,
        "loops": len(submitted),
        "stretches": sum(len(found) for found in stretches.values()),
        "endings": Counter(one.ending for found in stretches.values() for one in found),
        "ended_once": sum([one.ending for one in found].count("ended") == 1 for found in stretches.values()),
        "open_stretches": sum(one.ended is None for found in stretches.values() for one in found),
        "stages_done_twice": [stage for one in submitted for stage in stages_done_twice(home.runs / one)],
        "different_results_of_a_seed": [number - 1 for number in alike],
        "processes_left": processes(home),
        "answers": len(answered),
        "answers_lost_or_elsewhere": [name for name in answered if not stands(results[name[0]], *name)],
        "server_ended_s": round(ended_s, 1),
    }
    print(json.dumps(summary))
    is_right = summary["ended_once"] == len(submitted) and not summary["open_stretches"] and max(alike) == 1
    is_right &= not summary["answers_lost_or_elsewhere"] and len(set(answered)) == len(answered)
    sys.exit(0 if is_right and not summary["stages_done_twice"] and not summary["processes_left"] else 1)


if __name__ == "__main__":
    main()
