"""Progress of a stage: the worker writes it to a file, the parent draws it.

Stages run in worker processes, whose bars would write over each other. So the parent draws one line for all of them.
"""

import time
from pathlib import Path

EVERY_S = 1.0
FILE = "progress"


class Progress:
    """Writes `done total` to a file in the stage's folder, at most once a second."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._last = 0.0

    def at(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= EVERY_S:
            self._last = now
            self._path.write_text(f"{done} {total}")


def read_share(folder: Path) -> float:
    """Share of the stage that is done, in [0, 1]; 0 before anything is written."""
    try:
        done, total = (folder / FILE).read_text().split()
    except (OSError, ValueError):  # not there yet, or half written
        return 0.0
    return min(1.0, int(done) / max(1, int(total)))
