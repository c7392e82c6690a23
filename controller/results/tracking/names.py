"""Names that MLflow takes, and which settings are parameters of the result."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from controller.engine.hashes import hash_of

_LONGEST_NAME = 250
_LONGEST_VALUE = 5000
_ON_THIS_MACHINE = re.compile(r"^(~|\.{0,2}/)")


@dataclass(frozen=True, slots=True)
class Sorted:
    """Settings by what they say; every value as text."""

    params: Mapping[str, str]
    """Settings that determine the result, or that were swept."""
    tags: Mapping[str, str]
    """Settings that say where and how fast, and paths of this machine."""


def sort_settings(settings: Mapping[str, object], free: Collection[str], swept: Collection[str]) -> Sorted:
    """Sort settings into parameters and tags, by their dotted keys.

    Args:
        settings: Settings, nested.
        free: Dotted keys, or beginnings of them, that do not determine the result.
        swept: Dotted keys that a sweep varies: always parameters.
    """
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    for key, value in _flat(settings):
        is_free = any(key == one or key.startswith(f"{one}.") for one in free) or _is_on_this_machine(value)
        chosen = tags if is_free and key not in swept else params
        if chosen is params or value is not None:
            chosen[metric_name(key)] = str(value)[:_LONGEST_VALUE]
    return Sorted(params, tags)


def metric_name(name: str) -> str:
    """Make a name that MLflow takes: letters, digits and a few signs, a normal path, at most 250 characters."""
    safe = re.sub(r"[^\w./: -]", "_", name)
    path = "/".join(part for part in safe.split("/") if part.strip("."))
    if len(path) <= _LONGEST_NAME:
        return path
    return f"{path[: _LONGEST_NAME - 9]}-{hash_of(name)[:8]}"


def without_password(uri: str) -> str:
    """Hide user and password of an address."""
    return re.sub(r"//[^@/]*@", "//***@", uri)


def _is_on_this_machine(value: object) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(one, str) and _ON_THIS_MACHINE.match(one) for one in values)


def _flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
