"""Play a stretch of a loop: start its process, watch it, and write down how it ended."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.engine.processes import Processes
from service.engine.slots import Slots
from service.home import Home
from service.loops.command_line import Share, command, environment
from service.loops.states import State, state_after
from service.runs.printing import printable
from service.runs.reading import is_locked, read_run
from service.store import loops
from service.store.database import UNREACHED, Database
from service.store.loops import End, Loop

log = logging.getLogger(__name__)

LOG_FILE = "service.log"
SEE_S = 5.0
"""Seconds between two looks at the run directory of a loop whose process runs."""
AGAIN_S = 1.0
"""Seconds until a database that could not be reached is asked again."""
LAST_LINES, LAST_BYTES = 20, 4000
LOCK_WAIT_S = 0.2
BAD_INPUT = 2


class Player:
    """Plays the stretches of one server."""

    def __init__(self, home: Home, database: Database, server: str, slots: Slots, grace: float) -> None:
        self._home, self._database, self._server, self._slots, self._grace = home, database, server, slots, grace
        self._processes = Processes()
        self._is_ending = threading.Event()
        self._num_playing = 0
        self._is_idle = threading.Condition()

    def play(self, loop_id: str, number: int) -> None:
        """Play a stretch, where it is still to be played."""
        with self._slots.taken() as share:
            with self._is_idle:
                if self._is_ending.is_set():
                    return
                self._num_playing += 1
            try:
                loop = self._until_reached(lambda: loops.begin(self._database, loop_id, number, self._server))
                if loop is not None:
                    log.info("%s: stretch %d begins", loop_id, number)
                    how = self._how_it_ends(loop, share)
                    self._until_reached(lambda: loops.end(self._database, loop_id, number, self._server, how))
                    log.info("%s: %s", loop_id, how.state.value)
            finally:
                with self._is_idle:
                    self._num_playing -= 1
                    self._is_idle.notify_all()

    def end(self, timeout: float) -> None:
        """End what is being played, to be gone on with later; begin nothing more."""
        with self._is_idle:
            self._is_ending.set()
            self._is_idle.wait_for(lambda: self._num_playing == 0, timeout)
        self._processes.close()

    def _how_it_ends(self, loop: Loop, share: Share) -> End:
        try:
            return self._carried_out(loop, share)
        except OSError as error:  # the disk is full, or the run directory is not ours to write to
            return End(State.FAILED, None, str(error), asdict(read_run(self._home.runs / loop.id)))

    def _carried_out(self, loop: Loop, share: Share) -> End:
        run_dir = self._home.runs / loop.id
        run_dir.mkdir(exist_ok=True)
        watch = _Watch(self._database, loop.id, run_dir, self._is_ending)
        code: int | None = None
        while True:
            while is_locked(run_dir) and not watch.is_to_end():
                time.sleep(LOCK_WAIT_S)  # what a dead server has left, or a person's own loop
            if watch.is_to_end():
                break
            words, environ = command(loop.id, loop.words, share, loop.schedule), environment(share)
            process = self._processes.start(words, self._home.folder, environ, run_dir / LOG_FILE)
            code = process.watch(watch.is_to_end, self._grace)
            if code != BAD_INPUT or not is_locked(run_dir):
                break
        is_ending = self._is_ending.is_set()
        state = state_after(130 if code is None else code, watch.is_cancelled, is_ending)
        message = last_lines(run_dir / LOG_FILE) if state is State.FAILED else ""
        return End(state, code, message, asdict(read_run(run_dir)))

    def _until_reached(self, ask: Callable[[], Any]) -> Any:
        """Ask the database until it answers: what a process did must not be lost with a connection."""
        while True:
            try:
                return ask()
            except UNREACHED as error:
                if self._is_ending.is_set():
                    raise
                log.warning("the database cannot be reached: %s", error.orig)
                time.sleep(AGAIN_S)


class _Watch:
    """Whether a process is to end; looks at the run directory meanwhile."""

    def __init__(self, database: Database, loop_id: str, run_dir: Path, is_ending: threading.Event) -> None:
        self._database, self._loop_id, self._run_dir, self._is_ending = database, loop_id, run_dir, is_ending
        self._seen = time.monotonic()
        self.is_cancelled = False

    def is_to_end(self) -> bool:
        if self._is_ending.is_set() or self.is_cancelled:
            return True
        try:
            self.is_cancelled = loops.is_to_cancel(self._database, self._loop_id)
            if time.monotonic() - self._seen > SEE_S:
                self._seen = time.monotonic()
                loops.see(self._database, self._loop_id, asdict(read_run(self._run_dir)))
        except UNREACHED as error:
            log.warning("the database cannot be reached: %s", error.orig)
        return self.is_cancelled


def last_lines(path: Path) -> str:
    """Last lines of a log, without what a terminal would take for commands."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    lines = text.splitlines()[-LAST_LINES:]
    return "\n".join(map(printable, lines))
