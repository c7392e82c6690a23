"""Send what is to be told, in a thread of the server."""

import logging
import threading
import time
from pathlib import Path

from service.notify.sending import FAULTS, send
from service.notify.targets import read_targets
from service.store import loops, notices
from service.store.database import UNREACHED, Database
from service.store.notices import Notice

log = logging.getLogger(__name__)

LOOK_S = 1.0
MOST_TRIES = 8
"""Tries of a notice, the last of which comes some two hours after the first."""
FIRST_WAIT_S = 60.0
"""Seconds after a try that failed until the next; twice as many after each further one."""


class Notifier:
    """Sends the notices of a home, beside those of other servers."""

    def __init__(self, home: Path, database: Database, url: str) -> None:
        """Make one that sends nothing yet.

        Args:
            home: Folder with `notify.yaml`, which is read anew for each notice.
            database: Database with the notices.
            url: Address of this server, for links.
        """
        self._home, self._database, self._url = home, database, url
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Send no more; what is unsent is sent by the next server."""
        self._ends.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        while not self._ends.wait(LOOK_S):
            try:
                self.send_due(time.time())
            except UNREACHED as error:
                log.warning("the database cannot be reached: %s", error.orig)

    def send_due(self, now: float) -> int:
        """Send what is due; number of notices that were dealt with."""
        due = notices.due(self._database, now)
        for notice in due:
            if notices.take(self._database, notice, now + FIRST_WAIT_S * 2**notice.tries):
                self._send(notice)
        return len(due)

    def _send(self, notice: Notice) -> None:
        loop = loops.get(self._database, notice.loop)
        try:
            targets = read_targets(self._home)
        except ValueError as error:
            log.warning("%s: nobody is told: %s", notice.loop, error)
            return
        left = [
            t for t in targets if loop is not None and t.wants(notice.kind, loop.id) and t.name not in notice.reached
        ]
        reached = list(notice.reached)
        for target in left:
            assert loop is not None
            try:
                send(target, notice, loop, self._url)
                reached.append(target.name)
            except FAULTS as error:
                log.warning("%s: %s cannot be told: %s", notice.loop, target.name, str(error)[:200])
        is_done = len(reached) == len(notice.reached) + len(left) or notice.tries + 1 >= MOST_TRIES
        notices.tried(self._database, notice, tuple(reached), is_done=is_done)
