"""Put Hydra's and OmegaConf's errors in one line, with the nearest key that exists."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_type_hints

from controller.prove.settings import ProveSettings

GROUPS = ("corpus", "model", "interventions")
"""Keys that hold one of several schemas."""
PROVE_ALONE = ("prove", "world", "scenario")
"""Keys that only the proving ground has."""
_PLUGINS = "joblib, submitit and optuna come with the extra: pip install -c constraints.txt -e '.[sweep]'"
_OPTIONS = re.compile(r"Could not find '([^']+)'\n\nAvailable options in '([^']+)':\n((?:[ \t]*\S+[ \t]*(?:\n|$))+)")
"""Matches Hydra's list of choices, one a line; the lines of several words after them are its search path."""


def one_line(error: BaseException, root: type[Any], schemas: Sequence[type[Any]]) -> str:
    """Say in one line what is wrong, and the nearest key or value that would be right."""
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    text = "\n".join(str(cause) for cause in causes)
    key = re.search(r"Could not override '([^']+)'", text) or re.search(r"full_key: (\S+)", text)
    if key is not None and re.search(r"not in (struct|')|is not in|No match in the defaults list", text):
        known = [*_keys(root, ""), *(name for one in schemas for group in GROUPS for name in _keys(one, f"{group}."))]
        if key[1] in known:
            return of_another_choice(key[1])
        if key[1].split(".")[0] in PROVE_ALONE and root is not ProveSettings:
            return f"'{key[1]}' is a key of evalmend prove alone; leave it out"
        return f"unknown key '{key[1]}'{_nearest(key[1], known)}"
    missing = re.search(r"Missing mandatory value: (\S+)", text)
    if missing is None and "missing mandatory value" in text:
        missing = re.search(r"full_key: (\S+)", text)
    if missing is not None:
        return f"{missing[1]} must be given, for example {missing[1]}=..."
    option = _OPTIONS.search(text)
    if option is not None:
        name, choices = option[1].split("/")[-1], option[3].split()
        more = f"; {_PLUGINS}" if option[2].startswith("hydra/") else ""
        return f"unknown {option[2]} '{name}'{_nearest(name, choices)}; known are {', '.join(choices)}{more}"
    first = next((line for line in str(causes[-1]).splitlines() if line.strip()), type(error).__name__)
    where = re.search(r"full_key: (\S+)", text)
    return f"{where[1]}: {first.strip()}" if where is not None and where[1] not in first else first.strip()


def of_another_choice(key: str) -> str:
    """Say what is wrong with a key that the chosen schema of its group does not have."""
    return f"'{key}' is a key of another choice of {key.split('.', maxsplit=1)[0]}; leave it out, or choose that one"


def _keys(schema: type[Any], prefix: str) -> Iterator[str]:
    """Yield every key of settings, as `train.learning_rate`."""
    hints = get_type_hints(schema)
    for item in fields(schema):
        kind = hints[item.name]
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _keys(kind, f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}"


def _nearest(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
