"""The server, the verb `serve`: from its start to its end.

It ends within ten seconds of SIGTERM or Ctrl-C, and the loops that it ran go on at its next start. A kill that cannot
be noticed ends it and them at once, to the same effect.
"""

import getpass
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from service.engine.engine import Engine
from service.engine.slots import Slots
from service.home import held, home_of, make_home
from service.loops.recipes import NAME
from service.notify.notifier import Notifier
from service.notify.targets import read_targets
from service.requests.schedules import Schedules
from service.requests.service import Service
from service.settings import Serve, parted
from service.store import tokens
from service.store.database import Database
from service.web.app import make_app
from service.web.security.audit import Audit
from service.web.security.guard import Doors
from service.web.security.hosts import Hosts
from service.web.security.roles import Role
from service.web.security.sessions import Sessions, key_of

log = logging.getLogger(__name__)

FIRST_RECIPES = Path(__file__).parents[1] / "loops" / "first_recipes"
LATEST_S = 9.5
"""Seconds after which the server ends whatever holds it up; Linux kills its loops with it."""
LAST_ANSWERS_S = 1.0
"""Seconds that answers under way have when the server ends."""


def run(verb: str, words: Sequence[str]) -> int:
    """Carry out the verb; returns the exit code.

    Raises:
        ValueError: as in `serve`, or a word is no setting of the service.
    """
    command = parted(words)
    if command.words:
        raise ValueError(f"evalmend {verb} takes serve.key=value alone, got {command.words[0][:60]!r}")
    return serve(command.serve)


def serve(settings: Serve) -> int:
    """Serve a home until a signal comes; returns the exit code.

    Raises:
        ValueError: the home cannot be used or has a server, or the port is taken.
    """
    home = home_of(settings)
    make_home(home)
    ends = threading.Event()
    with _listening(settings) as listener:
        url = f"http://{settings.host}:{listener.getsockname()[1]}"
        with held(home, url), _signals(ends):
            database = Database(home.database)
            database.migrate()
            if not home.recipes.is_dir():
                shutil.copytree(FIRST_RECIPES, home.recipes)
            service = Service(home, database)
            if found := service.find_runs():
                log.info("%d runs found in %s", found, home.runs)
            server = secrets.token_hex(8)
            engine = Engine(home, database, server, Slots(settings.slots), settings.grace)
            notifier = Notifier(home.folder, database, _address(settings, url))
            read_targets(home.folder)  # a wrong file is refused before anything begins
            sessions = Sessions(key_of(home.secret), is_secure=settings.names is not None)
            doors = Doors(database, sessions, _hosts(settings), Audit(home.audit))
            with _answering(make_app(service, Schedules(home, database), doors, server), listener):
                engine.start(url, on_lost=ends.set)
                notifier.start()
                tokens.clear(database)
                _, text = tokens.give(database, _user(), Role.ADMIN, server)
                log.info("serving %s at %s", home.folder, url)
                log.info("to sign in, open %s/sign-in?token=%s", url, text)
                ends.wait()
                log.info("the server ends")
                _end_at_the_latest()
                engine.stop()
                notifier.stop()
            database.close()
    return 1 if engine.is_lost else 0


def _hosts(settings: Serve) -> Hosts:
    """Names of the server; an address that stands for all of them is none."""
    names = settings.names.split(",") if settings.names is not None else []
    return Hosts(name for name in (settings.host, *names) if name not in ("0.0.0.0", "::"))


def _address(settings: Serve, url: str) -> str:
    """Address by which people call the server, for links that are sent to them."""
    if settings.names is None:
        return url
    return f"https://{settings.names.split(',')[0]}"


def _user() -> str:
    """Name of the system's user, as decisions that are made by the link are signed."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return "admin"
    return name if re.fullmatch(NAME, name) else "admin"


def _end_at_the_latest() -> None:
    timer = threading.Timer(LATEST_S, os._exit, [1])
    timer.daemon = True
    timer.start()


@contextmanager
def _listening(settings: Serve) -> Iterator[socket.socket]:
    """The socket, taken before anything is done: a port that is taken is no start."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ValueError(
            f"serve.host={settings.host} serve.port={settings.port} cannot be listened on: {error.strerror}; choose "
            "others, or serve.port=0 for a free one"
        ) from error
    with listener:
        yield listener


@contextmanager
def _signals(ends: threading.Event) -> Iterator[None]:
    """Take SIGTERM and Ctrl-C for the end."""

    def handle(number: int, frame: FrameType | None) -> None:
        ends.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _answering(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Answer requests, in a thread: the main one waits for signals, which are not uvicorn's to take."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(LAST_ANSWERS_S),
    )
    answering = uvicorn.Server(config)
    thread = threading.Thread(target=answering.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        answering.should_exit = True
        thread.join(LAST_ANSWERS_S + 1)
