"""Who did what, and when: `audit.jsonl` of the home, to which lines are only ever added.

Each request that would change something has a line, refused or not, and so has each sign-in. Texts are written as
ASCII, so that nothing of a request can move the terminal that shows the file.
"""

import json
import os
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

LONGEST = 200
"""Most characters of a text that are written."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request."""

    who: str
    """Name of the token; empty where there was none."""
    role: str
    token: str
    """Id of the token."""
    address: str
    method: str
    path: str
    loop: str
    """Loop that it was about; empty where it was about none."""
    status: int
    """Status of the answer."""


class Audit:
    """The log of a home."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, line: Line) -> None:
        """Add a line; one write, so that those of several servers do not mix."""
        cut = {key: value[:LONGEST] if isinstance(value, str) else value for key, value in asdict(line).items()}
        text = json.dumps({"time": round(time.time(), 3), **cut}) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def last(self, limit: int) -> list[dict[str, object]]:
        """The last lines, the latest first."""
        if not self._path.is_file():
            return []
        with self._path.open(encoding="ascii") as file:
            return [json.loads(line) for line in deque(file, limit)][::-1]
