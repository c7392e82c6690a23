"""Servers of the service as processes, on homes with a recipe of a loop that takes seconds."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from builders.checkout import ROOT
from builders.toy import write_toy
from service.home import home_of, make_home
from service.requests.service import Service
from service.settings import Serve
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop

WAIT_S = 240
EXPERIMENT = "# @package _global_\nname: toy\nbudget: {rounds: 1}\ndiagnose: {pilots: never}\n"


class Hosted:
    """A home and what is asked of it, with servers that are started, stopped and killed."""

    def __init__(self, folder: Path, database: str | None = None, slots: int = 1) -> None:
        self._words = [f"serve.home={folder}", "serve.port=0", f"serve.slots={slots}"]
        self._words += [f"serve.database={database}"] if database is not None else []
        self.home = home_of(Serve(home=str(folder), database=database))
        make_home(self.home)
        self._write_recipe()
        self.database = Database(self.home.database)
        self.service = Service(self.home, self.database)
        self._servers: list[subprocess.Popen[bytes]] = []

    def _write_recipe(self) -> None:
        """A recipe `toy`, whose training takes as many steps as a request says."""
        toy = self.home.folder / "toy"
        toy.mkdir()
        words = [word for word in write_toy(toy) if not word.startswith("run_dir=")]
        words = [*words, "tracking.uri=none", "workers=1"]
        fields = {
            "seed": {"type": "int", "key": "seed", "min": 0, "max": 1000},
            "steps": {"type": "int", "key": "train.max_steps", "min": 1, "max": 100_000},
        }
        words = [word for word in words if not word.startswith("train.max_steps=")]
        experiment = self.home.recipes / "conf" / "experiment"
        experiment.mkdir(parents=True)
        (experiment / "toy.yaml").write_text(EXPERIMENT)
        recipe = {"experiment": "toy", "config_dir": "conf", "words": words, "fields": fields}
        (self.home.recipes / "toy.yaml").write_text(yaml.safe_dump(recipe))

    def start(self) -> subprocess.Popen[bytes]:
        """Start a server and wait until it answers."""
        known = self._urls()
        log = (self.home.folder / "server.log").open("ab")
        command = [sys.executable, "-m", "controller.main", "serve", *self._words]
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment())
        self._servers.append(server)
        until(lambda: server.poll() is not None or self._urls() - known, "a server that answers")
        assert server.poll() is None, (self.home.folder / "server.log").read_text()
        return server

    def _urls(self) -> set[str]:
        log = self.home.folder / "server.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return {f"{number} {line}" for number, line in enumerate(lines) if " serving " in line}

    def health(self) -> Mapping[str, object]:
        """What the server that was started last says of itself."""
        url = max(self._urls(), key=lambda line: int(line.partition(" ")[0])).rpartition(" ")[2]
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            found: Mapping[str, object] = json.loads(answer.read())
        return found

    def link(self) -> str:
        """The link that signs in to the server that was started last."""
        lines = (self.home.folder / "server.log").read_text().splitlines()
        return [line.rpartition(" ")[2] for line in lines if " to sign in, " in line][-1]

    def refused(self) -> subprocess.CompletedProcess[str]:
        """Start a server that ends by itself."""
        command = [sys.executable, "-m", "controller.main", "serve", *self._words]
        return subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=60
        )

    def submit(self, steps: int = 30, seed: int = 0) -> Loop:
        return self.service.submit("toy", {"steps": steps, "seed": seed}, "me")

    def is_in(self, loop: Loop, *states: str) -> bool:
        return self.service.loop(loop.id).state in states

    def journal(self, loop: Loop) -> list[Mapping[str, object]]:
        """Lines of the loop's journal."""
        path = self.home.runs / loop.id / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def trains(self, loop: Loop) -> bool:
        """Whether the last process of the loop is in the first training."""
        since = max((one.started for one in loops.stretches(self.database, loop.id)), default=float("inf"))
        files = self.home.runs.glob(f"{loop.id}/stages/train-initial-*.partial/progress")
        return any(file.stat().st_mtime > since for file in files)

    def processes(self) -> list[int]:
        """Processes of loops of this home, and their workers."""
        found = []
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and (folder / "cwd").readlink() == self.home.folder:
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        for server in self._servers:
            server.kill()
            server.wait()
        self.database.close()
        until(lambda: not self.processes(), "no process that is left")


@contextmanager
def hosted(folder: Path, database: str | None = None, slots: int = 1) -> Iterator[Hosted]:
    """A home, whose servers are killed at the end."""
    made = Hosted(folder, database, slots)
    try:
        yield made
    finally:
        made.close()


def environment() -> dict[str, str]:
    """The test's own, from any working directory, with one thread for each process."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "OMP_NUM_THREADS": "1"}


def until(is_so: Callable[[], object], what: str, seconds: float = WAIT_S) -> float:
    """Wait until it is so; seconds that it took."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return time.monotonic() - started


def stopped(server: subprocess.Popen[bytes]) -> float:
    """End a server by SIGTERM; seconds that it took."""
    started = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    return time.monotonic() - started


def done_twice(journal: list[Mapping[str, object]]) -> list[str]:
    """Stages that were finished more than once, or begun again after they were."""
    finished = Counter(str(line["stage"]) for line in journal if line["event"] == "finished")
    again, done = [], set()
    for line in journal:
        if line["event"] == "started" and line["stage"] in done:
            again.append(str(line["stage"]))
        if line["event"] == "finished":
            done.add(line["stage"])
    return again + [stage for stage, count in finished.items() if count > 1]
