"""Settings of the service, `serve.*`, read from the words of a command line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import get_type_hints

from pydantic import TypeAdapter, ValidationError

PREFIX = "serve."
HOST_NAME = r"[A-Za-z0-9][A-Za-z0-9.:-]{0,252}"
"""What a name of a host may be, or an address."""
LONGEST_GRACE_S = 6.0
"""The server itself has to end ten seconds after it was told to."""


@dataclass
class Serve:
    """`serve.*`: where the service keeps its things, and what it may use."""

    home: str = "evalmend-home"
    """Folder of the service: database, runs, recipes; made where there is none."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8700
    """Port to listen on; 0 takes a free one."""
    names: str | None = None
    """Names by which browsers call the server, beside localhost and `serve.host`, with commas between them, as behind a
    proxy with TLS; requests to other names are refused. With it sessions are good by TLS alone."""
    database: str | None = None
    """Database, `postgresql://user@host/name`, for several servers that share the home; unset means SQLite in it, for
    one server."""
    slots: int | None = None
    """Number of loops side by side on this server; unset means one for each GPU, or one."""
    grace: float = 5.0
    """Seconds that a loop has to end by itself when it is cancelled, or the server ends; then it is killed."""

    def __post_init__(self) -> None:
        if not self.home.strip() or not self.home.isprintable() or set(self.home) & set("?#%"):
            raise ValueError(
                f"serve.home must name a folder, without '?', '#' and '%', got {self.home!r}; for example "
                "serve.home=evalmend-home"
            )
        if not 0 <= self.port < 65536:
            raise ValueError(f"serve.port must be from 0 to 65535, got {self.port}; 0 takes a free one")
        if self.names is not None and not all(re.fullmatch(HOST_NAME, name) for name in self.names.split(",")):
            raise ValueError(
                f"serve.names must be names of hosts with commas between them, got {self.names!r}; for example "
                "serve.names=loops.example.org"
            )
        if self.database is not None and not self.database.startswith("postgresql://"):
            raise ValueError(
                "serve.database must begin with postgresql://, as postgresql://user@host/evalmend does; leave it unset "
                "for SQLite in serve.home"
            )
        if self.slots is not None and self.slots < 1:
            raise ValueError(f"serve.slots must be at least 1, got {self.slots}; leave it unset for as many as fit")
        if not 0 < self.grace <= LONGEST_GRACE_S:
            raise ValueError(f"serve.grace must be above 0 and at most {LONGEST_GRACE_S:g} seconds, got {self.grace:g}")


@dataclass(frozen=True, slots=True)
class Command:
    """Words of a command line, parted."""

    serve: Serve
    words: tuple[str, ...]
    """Words that are not settings of the service."""


def parted(words: Sequence[str]) -> Command:
    """Part the settings of the service, `serve.key=value`, from other words.

    Raises:
        ValueError: a key is unknown or named twice, or its value is of another type.
    """
    given: dict[str, object] = {}
    rest = []
    for word in words:
        key, _, value = word.partition("=")
        if not key.startswith(PREFIX):
            rest.append(word)
            continue
        name = key.removeprefix(PREFIX)
        if name in given:
            raise ValueError(f"{key} is named twice; which one is meant?")
        given[name] = _value(name, value)
    return Command(Serve(**given), tuple(rest))  # type: ignore[arg-type]  # of their types, as `_value` has checked


def _value(name: str, text: str) -> object:
    kinds = get_type_hints(Serve)
    if name not in kinds:
        near = get_close_matches(name, kinds, n=1)
        hint = f"did you mean '{PREFIX}{near[0]}'?" if near else f"known are {', '.join(kinds)}"
        raise ValueError(f"unknown key '{PREFIX}{name}'; {hint}")
    try:
        return TypeAdapter[object](kinds[name]).validate_python(None if text == "null" else text)
    except ValidationError as error:
        raise ValueError(f"{PREFIX}{name}={text}: {error.errors()[0]['msg']}") from error
