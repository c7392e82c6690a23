"""Verbs that ask the service of a home: submit, status, cancel, resume, schedule, token."""

import getpass
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from service.home import home_of
from service.loops.nights import next_due
from service.loops.recipes import NAME
from service.loops.states import State
from service.requests.schedules import Schedules
from service.requests.service import Service
from service.runs.printing import printable
from service.runs.reading import RunRecord
from service.settings import Command, Serve, parted
from service.store import loops, tokens
from service.store.database import Database
from service.store.loops import Loop
from service.store.schedules import Schedule
from service.store.tokens import Token
from service.web.security.roles import Role


def run(verb: str, words: Sequence[str]) -> int:
    """Carry out one verb; returns the exit code.

    Raises:
        ValueError: the words are not what the verb takes, or the service refuses.
    """
    return _VERBS[verb](parted(words))


def _submit(command: Command) -> int:
    if not command.words or "=" in command.words[0]:
        raise ValueError("evalmend submit needs a recipe, for example: evalmend submit starter seed=1 serve.home=HOME")
    recipe, *rest = command.words
    fields = _fields("submit", rest)
    with _opened(command.serve) as (service, _):
        _say(service.submit(recipe, fields, getpass.getuser()).id)
    return 0


def _fields(verb: str, words: Sequence[str]) -> dict[str, object]:
    """Values by field, as they were typed."""
    fields: dict[str, object] = {}
    for word in words:
        field, mark, value = word.partition("=")
        if not mark:
            raise ValueError(f"evalmend {verb} takes field=value after the recipe, got {word[:60]!r}")
        if field in fields:
            raise ValueError(f"field {field} is named twice; which one is meant?")
        fields[field] = value
    return fields


def _status(command: Command) -> int:
    with _opened(command.serve) as (service, database):
        if not command.words:
            for loop in loops.listed(database):
                _say(_line(loop))
        for loop_id in command.words:
            loop = service.loop(loop_id)
            for line in _lines(loop, service.read(loop)):
                _say(line)
    return 0


def _cancel(command: Command) -> int:
    with _opened(command.serve) as (service, _):
        for loop_id in _ids("cancel", command):
            loop = service.cancel(loop_id)
            _say(f"{loop.id} {'is being cancelled' if loop.is_to_cancel else loop.state.value}")
    return 0


def _resume(command: Command) -> int:
    with _opened(command.serve) as (service, _):
        for loop_id in _ids("resume", command):
            _say(f"{loop_id} {service.resume(loop_id).state.value}")
    return 0


def _token(command: Command) -> int:
    wish, *rest = command.words or ("",)
    with _opened(command.serve) as (_, database):
        match wish, rest:
            case "give", [name, word, *days] if len(days) < 2:
                role, last = word.removeprefix("role="), "".join(days).removeprefix("days=")
                if not re.fullmatch(NAME, name) or role not in list(Role) or not re.fullmatch(r"[1-9]\d{0,3}|", last):
                    raise ValueError(
                        f"evalmend token give needs a NAME, a role of {', '.join(Role)}, and maybe days, as in "
                        f"token give anna role=viewer days=30, got {rest!r}"
                    )
                _say(tokens.give(database, name, role, days=int(last) if last else None)[1])
            case "list", []:
                for token in tokens.listed(database):
                    _say(f"{token.id}  {token.name}  {token.role}{_lasts(token)}")
            case "take", [token_id]:
                if not tokens.take_back(database, token_id):
                    raise ValueError(f"there is no token {token_id[:60]!r}; evalmend token list has all")
            case _:
                raise ValueError("evalmend token takes: give NAME role=viewer [days=30], list, or take TOKEN_ID")
    return 0


def _schedule(command: Command) -> int:
    wish, *rest = command.words or ("",)
    with _opened(command.serve) as (_, database):
        schedules = Schedules(home_of(command.serve), database)
        match wish, rest:
            case "add", [name, recipe, *words] if "=" not in recipe:
                fields = _fields("schedule add", words)
                cron, zone = str(fields.pop("cron", "")), str(fields.pop("zone", "UTC"))
                made = schedules.add(name, recipe, fields, cron, zone, getpass.getuser())
                _say(_scheduled(made))
            case "list", []:
                for one in schedules.listed():
                    _say(_scheduled(one))
            case "pause" | "resume", [name]:
                _say(_scheduled(schedules.turn(name, is_on=wish == "resume")))
            case "remove", [name]:
                schedules.remove(name)
            case _:
                raise ValueError(
                    "evalmend schedule takes: add NAME RECIPE cron='0 1 * * *' zone=UTC [field=value ...], list, pause "
                    "NAME, resume NAME, or remove NAME"
                )
    return 0


_VERBS: Mapping[str, Callable[[Command], int]] = {
    "submit": _submit,
    "status": _status,
    "cancel": _cancel,
    "resume": _resume,
    "schedule": _schedule,
    "token": _token,
}


@contextmanager
def _opened(serve: Serve) -> Iterator[tuple[Service, Database]]:
    """The service of the home, whether its server runs or not.

    Raises:
        ValueError: no server was ever started there.
    """
    home = home_of(serve)
    if not home.runs.is_dir() or not (home.is_shared or (home.folder / "service.db").is_file()):
        raise ValueError(f"serve.home {home.folder} is no home; make it with evalmend serve serve.home={serve.home}")
    database = Database(home.database)
    try:
        database.check()
        yield Service(home, database), database
    finally:
        database.close()


def _ids(verb: str, command: Command) -> Sequence[str]:
    if not command.words:
        raise ValueError(f"evalmend {verb} needs a loop, as evalmend status lists them")
    return command.words


def _line(loop: Loop) -> str:
    """A loop on one line, as its run directory was when it was last looked at."""
    return f"{loop.id}  {_state(loop)}  {_found(loop.seen or {})}".rstrip()


def _lines(loop: Loop, run: RunRecord) -> Iterator[str]:
    """What is known of a loop."""
    yield f"{loop.id}  {_state(loop)}"
    yield f"recipe     {loop.recipe or 'unknown'}{''.join(f' {key}={value}' for key, value in loop.fields.items())}"
    yield f"submitted  {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(loop.created))} by {loop.submitted_by}"
    yield f"result     {_found(asdict(run))}"
    if run.reason:
        yield f"           {run.reason}"
    yield f"cost       {run.seconds:.0f} s, {run.tokens:,} tokens, {run.flops:.2g} FLOPs"
    if loop.state is State.RUNNING:
        for stage in run.under_way:
            left = "" if stage.remaining_s is None else f", about {stage.remaining_s:.0f} s left"
            yield f"under way  {stage.stage} {stage.share:.0%}{left}"
    if loop.message:
        yield loop.message


def _lasts(token: Token) -> str:
    """When a token ends, in words; empty where it does not by itself."""
    if token.server is not None:
        return "  link of a server"
    if token.expires is None:
        return ""
    return f"  until {time.strftime('%Y-%m-%d %H:%M', time.localtime(token.expires))}"


def _scheduled(one: Schedule) -> str:
    """A schedule on one line."""
    if not one.is_on:
        return f"{one.name}  {one.recipe}  {one.cron} {one.zone}  paused"
    due = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(next_due(one.cron, one.zone, time.time())))
    return f"{one.name}  {one.recipe}  {one.cron} {one.zone}  next {due}"


def _state(loop: Loop) -> str:
    return "running, is being cancelled" if loop.is_to_cancel else loop.state.value


def _found(seen: Mapping[str, Any]) -> str:
    """Progress and verdict, in words."""
    parts = [f"{seen['num_stages']} stages done"] if seen else []
    if seen.get("decision"):
        parts.append(str(seen["decision"]))
    if gain := seen.get("gain"):
        parts.append(f"gain {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]")
    return ", ".join(parts)


def _say(text: str) -> None:
    """Print lines, without what a terminal would take for commands: some is what models or data say."""
    for line in text.split("\n"):
        sys.stdout.write(f"{printable(line)}\n")
