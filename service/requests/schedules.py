"""What may be asked of schedules."""

import time
from collections.abc import Mapping
from difflib import get_close_matches

from service.home import Home
from service.loops.nights import check_schedule
from service.loops.recipes import checked, read_recipe, shown, words_of
from service.requests.errors import Conflict, Unknown
from service.store import schedules
from service.store.database import Database
from service.store.schedules import Schedule


class Schedules:
    """The schedules of a home."""

    def __init__(self, home: Home, database: Database) -> None:
        self._home, self._database = home, database

    def listed(self) -> list[Schedule]:
        """All, by name."""
        return schedules.listed(self._database)

    def one(self, name: str) -> Schedule:
        """The schedule of a name.

        Raises:
            Unknown: there is none.
        """
        found = schedules.get(self._database, name[:64])
        if found is None:
            near = get_close_matches(name[:64], [one.name for one in self.listed()], n=1)
            hint = f"did you mean '{near[0]}'?" if near else "evalmend schedule list has all"
            raise Unknown(f"unknown schedule {shown(name)}; {hint}")
        return found

    def add(self, name: str, recipe: str, fields: Mapping[str, object], cron: str, zone: str, by: str) -> Schedule:
        """Make a schedule, whose first night is the next time that is due.

        Raises:
            ValueError: the name, the time or the zone is none, there is no such recipe, or a field is not one of it.
            Conflict: there is a schedule of the name.
        """
        check_schedule(name, cron, zone)
        asked = read_recipe(self._home.recipes, recipe)
        values = checked(asked, fields)
        words, now = words_of(asked, values, self._home.recipes), time.time()
        made = Schedule(name, recipe, values, tuple(words), cron, zone, True, by, now, now)
        if not schedules.add(self._database, made):
            raise Conflict(f"there is a schedule {name} already; remove it first")
        return made

    def turn(self, name: str, is_on: bool) -> Schedule:
        """Turn a schedule on or off.

        Raises:
            Unknown: there is none.
        """
        self.one(name)
        schedules.turn(self._database, name, is_on, time.time())
        return self.one(name)

    def remove(self, name: str) -> None:
        """Remove a schedule; its nights stay.

        Raises:
            Unknown: there is none.
        """
        self.one(name)
        schedules.remove(self._database, name)
