"""Schedules of nights: made, turned off and on, removed; and their nights."""

import time
from dataclasses import asdict

from fastapi import APIRouter

from service.loops.nights import next_due
from service.requests.schedules import Schedules
from service.store.schedules import Schedule
from service.web.api.models import NewSchedule, ScheduleRecord
from service.web.plain import plain_json
from service.web.who import Asking


def routes(schedules: Schedules) -> APIRouter:
    router = APIRouter(prefix="/api/v1/schedules")

    @router.get("")
    def all_schedules() -> list[ScheduleRecord]:
        """All, by name."""
        return [_record(one) for one in schedules.listed()]

    @router.post("", status_code=201)
    def add(asked: NewSchedule, who: Asking) -> ScheduleRecord:
        """Make a schedule, whose first night is the next time that is due."""
        made = schedules.add(asked.name, asked.recipe, asked.fields, asked.cron, asked.zone, who.name)
        return _record(made)

    @router.get("/{name}")
    def one(name: str) -> ScheduleRecord:
        """A schedule."""
        return _record(schedules.one(name))

    @router.post("/{name}/pause")
    def pause(name: str) -> ScheduleRecord:
        """Turn it off: nothing is begun until it is turned on again."""
        return _record(schedules.turn(name, is_on=False))

    @router.post("/{name}/resume")
    def resume(name: str) -> ScheduleRecord:
        """Turn it on again; what was due meanwhile is not begun."""
        return _record(schedules.turn(name, is_on=True))

    @router.delete("/{name}", status_code=204)
    def remove(name: str) -> None:
        """Remove it; its nights stay."""
        schedules.remove(name)

    return router


def _record(schedule: Schedule) -> ScheduleRecord:
    known = asdict(schedule)
    del known["words"], known["dealt_with"]
    following = next_due(schedule.cron, schedule.zone, time.time()) if schedule.is_on else None
    return ScheduleRecord(**known | {"fields": plain_json(dict(schedule.fields))}, next_due=following)
