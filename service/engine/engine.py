"""The engine of a server: it hands loops to the queue, plays them, and takes over what servers that died have left."""

import logging
import threading
import time
from collections.abc import Callable

from service.engine.clock import Clock
from service.engine.playing import Player
from service.engine.queue import Queue
from service.engine.slots import Slots
from service.home import Home
from service.loops.states import State
from service.runs.reading import is_decided
from service.store import loops, servers
from service.store.database import UNREACHED, Database

log = logging.getLogger(__name__)

JOIN_S = 1.0
HAND_S = 0.25
"""Seconds between two looks for loops to hand to the queue."""
BEAT_S = 2.0
COMPARE_S = 5.0
"""Seconds between two comparisons of the queue with the database."""
GONE_S = 15.0
"""Seconds without a beat after which a server is taken for dead; its loops die with its process, which is sooner."""


class Engine:
    """The engine; one of a process at a time."""

    def __init__(self, home: Home, database: Database, server: str, slots: Slots, grace: float) -> None:
        """Make an engine that does nothing yet.

        Args:
            home: Home, whose folders are there.
            database: Database, with its tables.
            server: Name of this server, which no other ever had.
            slots: What of the machine loops may use.
            grace: Seconds that a loop has to end by itself.
        """
        self._home, self._database, self._server, self._slots, self._grace = home, database, server, slots, grace
        self._clock = Clock(home, database, time.time)
        self._player = Player(home, database, server, slots, grace)
        self._ends = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="engine", daemon=True)
        self._beats: dict[str, tuple[int, float]] = {}
        self.is_lost = False
        """Whether it has stopped by itself: others have taken this server for dead, or there is a defect."""
        self._on_lost: Callable[[], None] = lambda: None

    def start(self, url: str, on_lost: Callable[[], None]) -> None:
        """Enter as a server and begin to play.

        Args:
            url: Where this server answers.
            on_lost: Called once when the engine finds itself lost.
        """
        self._on_lost = on_lost
        servers.enter(self._database, self._server, url, self._slots.count)
        self._queue = Queue(self._home.queue, self._server, self._slots.count, self._player.play)
        if not self._home.is_shared:
            for left in servers.others(self._database, self._server):
                self._take_over(left.server)
        self._hand_on()
        self._queue.begin()  # now that what goes on is in it, which comes before what has not begun
        self._watcher.start()

    def stop(self) -> None:
        """End all processes, which takes no longer than the grace and two seconds; their loops are queued again."""
        self._ends.set()
        self._player.end(self._grace + 2)
        self._watcher.join(JOIN_S)
        self._queue.close()
        loops.take_over(self._database, self._server)

    def _watch(self) -> None:
        """Work until the engine stops; whatever ends it before that ends the server, which would only seem to live."""
        try:
            self._work()
        finally:
            if not self._ends.is_set():
                self.is_lost = True
                self._on_lost()

    def _work(self) -> None:
        beaten = compared = float("-inf")
        while not self._ends.wait(HAND_S):
            now = time.monotonic()
            try:
                self._hand_on()
                if now - beaten > BEAT_S:
                    beaten = now
                    if not servers.beat(self._database, self._server):
                        log.error("others have taken this server for dead; it ends")
                        return
                    self._look_at_others(now)
                    self._go_on_with_decided()
                    self._clock.look()
                if now - compared > COMPARE_S:
                    compared = now
                    self._compare()
            except UNREACHED as error:
                log.warning("the database cannot be reached: %s", error.orig)

    def _hand_on(self) -> None:
        for loop_id, number in loops.to_hand_on(self._database):
            self._queue.put(loop_id, number)
            loops.handed_on(self._database, loop_id, number)

    def _compare(self) -> None:
        """Hand loops on again that wait and were handed on, and of which the queue knows nothing: it was lost, or a
        server took the stretch and died before it began."""
        waiting = loops.handed(self._database)
        held = self._queue.holds() if waiting else set()
        for loop_id, number in waiting:
            if f"{loop_id}/{number}" not in held:
                loops.hand_again(self._database, loop_id, number)

    def _go_on_with_decided(self) -> None:
        """Queue loops that wait for a person and have their answer; it lies in the run directory, however it came."""
        for loop in loops.listed(self._database, [State.WAITING], limit=None):
            if is_decided(self._home.runs / loop.id) and loops.requeue(self._database, loop.id, [State.WAITING]):
                log.info("%s: decided, goes on", loop.id)

    def _look_at_others(self, now: float) -> None:
        beats = {other.server: other.number for other in servers.others(self._database, self._server)}
        seen = {name: self._beats.get(name, (number, now)) for name, number in beats.items()}
        self._beats = {name: was if was[0] == beats[name] else (beats[name], now) for name, was in seen.items()}
        for name, (_, since) in self._beats.items():
            if now - since > GONE_S:
                self._take_over(name)

    def _take_over(self, server: str) -> None:
        self._queue.forget(server)  # first, for a server that is marked gone is not looked at again
        for loop_id in loops.take_over(self._database, server):
            log.info("%s: taken over from server %s, which is gone", loop_id, server)
