"""Parts of a run's report, as the loop has written them beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

PARTS_FILE = "report-parts.json"


@dataclass(frozen=True, slots=True)
class Part:
    """HTML of a part, in which text from data is escaped."""

    round: int | None
    """Number of its round; None of what is about the loop as a whole."""
    name: str
    html: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What the report says, in parts."""

    headline: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def html(self, name: str, round_number: int | None = None) -> str:
        """A part; empty where there is none."""
        return next((part.html for part in self.parts if (part.name, part.round) == (name, round_number)), "")


def read_parts(path: Path | None) -> Parts:
    """Read the parts; none before the first round, or where the file is none."""
    try:
        return Parts() if path is None else TypeAdapter(Parts).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Parts()


def version_of(path: Path | None) -> str:
    """What changes with the parts."""
    try:
        return "" if path is None else str(path.stat().st_mtime_ns)
    except OSError:
        return ""
