"""Schedules with a calendar of their nights: better, the same or worse than the one before."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from service.loops.nights import date_of, next_due
from service.loops.states import State
from service.requests.schedules import Schedules
from service.requests.service import Service
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop
from service.store.schedules import Schedule
from service.web.page.render import Renderer
from service.web.page.views.loops import recipes_of
from service.web.who import Asking

WEEKS = 6
"""Weeks that a calendar shows."""
WORDS = {
    "first": "first night",
    "better": "better than the night before",
    "same": "no worse than the night before, as far as can be told",
    "worse": "worse than the night before",
    "none": "no night",
}


@dataclass(frozen=True, slots=True)
class Day:
    """A cell of the calendar."""

    day: date
    kind: str
    """`first`, `better`, `same`, `worse`, a state of its loop, `none`, or `ahead`."""
    words: str
    night: str
    """Id of the night's loop; empty without one."""


def routes(service: Service, schedules: Schedules, database: Database, renderer: Renderer) -> APIRouter:
    router = APIRouter()

    @router.get("/schedules")
    def all_schedules(who: Asking) -> Response:
        now = time.time()
        shown = []
        for one in schedules.listed():
            nights = loops.listed(database, None, WEEKS * 7, schedule=one.name)
            last = (nights[0].seen if nights else None) or {}
            following = next_due(one.cron, one.zone, now) if one.is_on else None
            weeks, worse = calendar(one, nights, now), list(last.get("worse") or ())
            shown.append({"schedule": one, "next": following, "weeks": weeks, "worse": worse})
        return renderer.page("schedules.html.j2", who, {"shown": shown, "recipes": dict(recipes_of(service))})

    return router


def calendar(schedule: Schedule, nights: list[Loop], now: float) -> list[list[Day]]:
    """Weeks from Monday to Sunday, the last of which holds today."""
    by_date = {night.id.removeprefix(f"{schedule.name}-"): night for night in nights}
    today = date.fromisoformat(date_of(schedule.zone, now))
    monday = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    days = [_day(monday + timedelta(days=k), today, by_date) for k in range(7 * WEEKS)]
    return [days[k : k + 7] for k in range(0, len(days), 7)]


def _day(day: date, today: date, nights: Mapping[str, Loop]) -> Day:
    night = nights.get(day.isoformat())
    if night is None:
        return Day(day, "ahead", "", "") if day > today else Day(day, "none", WORDS["none"], "")
    told = str((night.seen or {}).get("night") or "") if night.state is State.ENDED else ""
    kind = told or night.state.value
    return Day(day, kind, WORDS.get(kind, kind), night.id)
