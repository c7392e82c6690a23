"""Read labelled failures: those that ship with the package, and a user's own.

A row of JSON has prompt, target, answer and mode, optionally output_type (`generate_until`). Shipped rows are made by
`scripts/make_mode_examples.py` and also name the template that they were made from.
"""

import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from diagnose.modes.features import Answered
from diagnose.modes.mode import Mode
from evals.items import OutputType

SHIPPED = Path(__file__).with_name("examples.jsonl")
_KEY = "diagnose.mode_labels"
_TEXTS = ("prompt", "target", "answer")
_TYPES = (OutputType.GENERATE_UNTIL, OutputType.MULTIPLE_CHOICE)


@dataclass(frozen=True, slots=True)
class LabelledFailure:
    item: Answered
    mode: Mode
    template: str
    """Name of the row's template; rows of one are alike, so results on some say little about other templates."""


def shipped_examples() -> list[LabelledFailure]:
    rows = map(json.loads, SHIPPED.read_text(encoding="utf-8").splitlines())
    return [LabelledFailure(_answered(row, _output_type(row)), Mode(row["mode"]), row["template"]) for row in rows]


def read_mode_labels(path: str) -> list[LabelledFailure]:
    """Read a user's labelled failures; rows of one prompt count as one template.

    Raises:
        ValueError: there is no such file, or a line of it is malformed.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(
            f"{_KEY} names a file that does not exist, got '{path}'; give a JSONL file with prompt, target, answer and "
            "mode in each line"
        ) from None
    except (UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{_KEY} must name a text file that can be read, got '{path}': {error}") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise ValueError(f"{_KEY} must hold at least one labelled failure, got none in '{path}'; leave the key out")
    return [_labelled(line, f"{_KEY}: line {number} of '{path}'") for number, line in lines]


def labels_digest(path: str) -> str:
    """Hash of the labelled failures in a user's file, whatever its path and layout."""
    rows = [[r.item.question, r.item.gold, r.item.answer, r.item.is_generated, r.mode] for r in read_mode_labels(path)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _labelled(line: str, where: str) -> LabelledFailure:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"{where} must be an object with prompt, target, answer and mode, got {line[:60]!r}")
    for key in (*_TEXTS, "mode"):
        if not isinstance(row.get(key), str):
            got = repr(row[key]) if key in row else "no such key"
            raise ValueError(f"{where}: {key} must be a text, got {got}")
    modes = [mode.value for mode in Mode]
    if row["mode"] not in modes:
        near = get_close_matches(row["mode"].lower().replace(" ", "_").replace("-", "_"), modes, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"{where}: mode must be one of {', '.join(modes)}, got '{row['mode']}'{hint}")
    try:
        output_type = _output_type(row)
    except ValueError:
        allowed = " or ".join(kind.value for kind in _TYPES)
        raise ValueError(
            f"{where}: output_type must be {allowed}, got {row['output_type']!r}; leave it out for the first"
        ) from None
    return LabelledFailure(_answered(row, output_type), Mode(row["mode"]), f"user {row['prompt']}")


def _output_type(row: dict[str, Any]) -> OutputType:
    found = OutputType(row.get("output_type", OutputType.GENERATE_UNTIL))
    if found not in _TYPES:
        raise ValueError(f"{found} leaves no answer to look at")
    return found


def _answered(row: dict[str, Any], output_type: OutputType) -> Answered:
    return Answered(row["prompt"], row["target"], row["answer"], output_type is OutputType.GENERATE_UNTIL)
