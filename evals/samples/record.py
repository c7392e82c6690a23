"""What a log says of one model: its tasks, and for each item the question, the gold answer, the answer, the scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals.harness.scoring.metrics import Metric
from evals.items import OutputType

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class RecordedItem:
    """One item with one model's answer."""

    number: str
    """The log's own name of the item, for messages; unique in its task."""
    identity: Mapping[str, Any]
    """What the id is made from; the same in every log of the item, JSON values only."""
    document: Mapping[str, Any]
    """All fields by which failures can be reported, JSON values only."""
    prompt: str
    question: str
    """The prompt without description and few-shot examples; empty where it is the prompt, or not known."""
    target: str
    """Gold answer as text, the first of several; empty where the log has none."""
    delimiter: str
    """Text between prompt and target."""
    output_type: OutputType
    choices: tuple[str, ...]
    """Texts of the answers that could be chosen; none where the answer was written."""
    answers: Mapping[str, str]
    """Answer by the name of the metric that judges it: the same log may score two."""
    values: Mapping[str, object]
    """Value of each metric as the log has it, numbers or not."""
    is_unparsed: bool | None = None
    """Whether no answer could be read out of what was written; None where the log does not tell."""


@dataclass(frozen=True, slots=True)
class RecordedTask:
    name: str
    version: str | None
    """Version that the log gives the task; None where it gives none."""
    metrics: tuple[Metric, ...]
    has_main_metric: bool
    """Whether the order of metrics is the task's own, so that its first is the one that it is judged by."""
    items: tuple[RecordedItem, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """All that one folder says of one model."""

    source: str
    model: str
    tasks: tuple[RecordedTask, ...]


def check_once(source: Path, task: str, items: tuple[RecordedItem, ...]) -> None:
    """Raise a ValueError where a task's log has no item, or one twice."""
    if not items:
        raise ValueError(f"evals.samples: {source} holds no sample of {task}; log it again with its samples")
    seen: set[str] = set()
    for item in items:
        if item.number in seen:
            raise ValueError(
                f"evals.samples: {source} holds item {item.number} of {task} twice; two runs were written to one "
                "file, or an item was asked several times: leave one answer for each item"
            )
        seen.add(item.number)


def chosen(answer: str, choices: Sequence[str]) -> str:
    """Text of the choice that a letter names; anything else stays as it is."""
    letter = answer.strip()
    place = _LETTERS.find(letter) if len(letter) == 1 and letter not in choices else -1
    return choices[place] if 0 <= place < len(choices) else answer


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: it is none, or is cut off.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _not_json(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines, or one JSON array; each member is an object.

    Raises:
        ValueError: a line is no JSON object, or is cut off.
    """
    text = path.read_text(encoding="utf-8")
    try:
        if text.lstrip().startswith("["):
            rows: list[dict[str, Any]] = json.loads(text)
        else:  # not splitlines(), which breaks at characters that JSON leaves unescaped inside strings
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _not_json(path, error) from error
    if bad := [k for k, row in enumerate(rows) if not isinstance(row, dict)]:
        raise ValueError(f"evals.samples: sample {bad[0] + 1} of {path} is no JSON object; log it again")
    return rows


def _not_json(path: Path, error: ValueError) -> ValueError:
    return ValueError(f"evals.samples: {path} is no complete JSON ({error}); the log is cut off: write it again")
