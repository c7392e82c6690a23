"""Findings and proposals of a loop, from its `loop.json` as it stands, whatever version has written it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class NumberedFinding:
    """A finding and its place."""

    round: int
    number: int
    """Place among the findings of the round, from 0 on, the worst first."""
    finding: Mapping[str, Any]


def read_result(path: Path) -> Mapping[str, Any]:
    """What `loop.json` holds; nothing where it is no JSON of a loop."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def rounds_of(result: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rounds with their numbers, the first first."""
    rounds = result.get("rounds")
    for place, one in enumerate(rounds if isinstance(rounds, list) else []):
        if isinstance(one, dict):
            number = one.get("number")
            yield (number if isinstance(number, int) else place), one


def part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object in an object; an empty one where it is none, as in a file of another version."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def parts(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Objects in a list in an object; none where it is no list."""
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def findings_of(result: Mapping[str, Any]) -> Iterator[NumberedFinding]:
    """All findings of all rounds, the first round first."""
    for number, round_ in rounds_of(result):
        for place, finding in enumerate(parts(part(round_, "diagnosis"), "findings")):
            yield NumberedFinding(number, place, finding)


def has_text(value: Any, text: str) -> bool:
    """Whether a text somewhere in a JSON value contains this one, in letters of either case."""
    wanted, left = text.casefold(), [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and wanted in one.casefold():
            return True
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one
    return False
