"""Schedules of nights: when they are due, in a time zone of their own, and what a night is called."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterError, croniter

SCHEDULE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""A name is the beginning of the names of its nights."""
NIGHT = re.compile(rf"({SCHEDULE_NAME.pattern})-(\d{{4}}-\d{{2}}-\d{{2}})")


def check_schedule(name: str, cron: str, zone: str) -> None:
    """Raise a ValueError where a schedule is none: its name, its five fields of cron, or its time zone."""
    if not SCHEDULE_NAME.fullmatch(name):
        raise ValueError("the name of a schedule is up to 32 small letters, digits, '-' and '_', as in every-night")
    if len(cron) > 100 or len(cron.split()) != 5:
        raise ValueError("cron must have five fields: minute, hour, day, month and day of the week, as in '0 1 * * *'")
    if zone not in available_timezones():
        raise ValueError("zone must be a time zone as Europe/Berlin or UTC")
    try:
        if croniter(cron, datetime.now(ZoneInfo(zone))).get_next(float) <= 0:
            raise ValueError("never")
    except (CroniterError, ValueError, KeyError) as error:
        raise ValueError("cron is not a time that comes: five fields, as in '0 1 * * *' for one o'clock") from error


def last_due(cron: str, zone: str, now: float) -> float:
    """The last time up to now at which a schedule was due; Unix time in seconds."""
    before = float(croniter(cron, datetime.fromtimestamp(now, ZoneInfo(zone))).get_prev(float))
    # A time that is now is due, and get_prev gives the one before it.
    following = next_due(cron, zone, before)
    return following if following <= now else before


def next_due(cron: str, zone: str, now: float) -> float:
    """The next time after now at which a schedule is due; Unix time in seconds."""
    return float(croniter(cron, datetime.fromtimestamp(now, ZoneInfo(zone))).get_next(float))


def night_of(name: str, zone: str, due: float) -> str:
    """Name of the night that is due then: that of its loop, and of its folder."""
    return f"{name}-{date_of(zone, due)}"


def date_of(zone: str, due: float) -> str:
    """Date of a moment in a time zone."""
    return datetime.fromtimestamp(due, ZoneInfo(zone)).strftime("%Y-%m-%d")
