"""Lines of a run's journal as they come, each with its number in the file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line of the journal."""

    number: int
    """Its place in the journal, from 1 on; it stays what it is, as lines are only ever added."""
    line: dict[str, Any]


class Tail:
    """Reads on where it has stopped."""

    def __init__(self, path: Path, after: int) -> None:
        """Read lines after one.

        Args:
            path: The journal, which need not be there yet.
            after: Number of the last line that is known; 0 for none.
        """
        self._path, self._after, self._place, self._number = path, after, 0, 0

    def read(self) -> list[Numbered]:
        """Lines that are new and whole, up to a megabyte of them; one that is none keeps its number and is left out."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                chunk = file.read(CHUNK_BYTES)
        except OSError:
            return []
        end = chunk.rfind(b"\n") + 1
        self._place += end
        found = []
        for text in chunk[:end].splitlines():
            self._number += 1
            line = _parsed(text)
            if self._number > self._after and line is not None:
                found.append(Numbered(self._number, line))
        return found


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
