"""The calendar of a schedule's nights."""

from datetime import UTC, datetime

from service.loops.states import State
from service.store.loops import Loop
from service.store.schedules import Schedule
from service.web.page.views.nights import WEEKS, calendar

SCHEDULE = Schedule("mine", "smoke", {}, (), "0 1 * * *", "UTC", True, "me", 0.0, 0.0)
NOON = datetime(2030, 1, 16, 12, tzinfo=UTC).timestamp()
"""A Wednesday."""


def night(day: int, state: State = State.ENDED, told: str = "same") -> Loop:
    seen = {"night": told} if state is State.ENDED else None
    return Loop(f"mine-2030-01-{day:02}", "smoke", {}, (), "me", state, 1, False, None, 0.0, 0.0, "", seen, "mine")


def test_each_day_of_six_weeks_tells_how_its_night_was() -> None:
    nights = [night(13), night(14, told="worse"), night(15, State.FAILED), night(16, State.RUNNING)]
    weeks = calendar(SCHEDULE, nights, NOON)
    assert [len(week) for week in weeks] == [7] * WEEKS
    days = {cell.day.isoformat(): cell for week in weeks for cell in week}
    kinds = {day: days[f"2030-01-{day:02}"].kind for day in range(12, 21)}
    assert kinds == {
        12: "none",
        13: "same",
        14: "worse",
        15: "failed",
        16: "running",
        17: "ahead",
        18: "ahead",
        19: "ahead",
        20: "ahead",
    }
    assert days["2030-01-14"].night == "mine-2030-01-14"
    assert weeks[-1][0].day.isoformat() == "2030-01-14"
