"""Begin the nights of schedules when they are due.

What was due while no server ran, or while a night of the schedule was still under way, begins one night, that of the
last time it was due.
"""

import logging
from collections.abc import Callable

from service.home import Home
from service.loops.nights import last_due, night_of
from service.loops.states import State
from service.runs.found import Submitted, write_submitted
from service.store import schedules
from service.store.database import Database
from service.store.loops import new_loop

log = logging.getLogger(__name__)


class Clock:
    """Looks at the schedules of a home."""

    def __init__(self, home: Home, database: Database, now: Callable[[], float]) -> None:
        self._home, self._database, self._now = home, database, now

    def look(self) -> list[str]:
        """Begin what is due; ids of the nights that were begun."""
        now, begun = self._now(), []
        for schedule in schedules.listed(self._database):
            due = last_due(schedule.cron, schedule.zone, now)
            if not schedule.is_on or due <= schedule.dealt_with:
                continue
            if schedules.has_night_under_way(self._database, schedule.name):
                continue
            night = night_of(schedule.name, schedule.zone, due)
            asked = Submitted(schedule.recipe, schedule.fields, schedule.words, schedule.created_by, now, schedule.name)
            if schedules.begin_night(self._database, schedule, due, new_loop(night, asked, State.QUEUED)):
                write_submitted(self._home.runs / night, asked)
                log.info("%s: due, and queued", night)
                begun.append(night)
        return begun
