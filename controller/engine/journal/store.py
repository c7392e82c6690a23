"""Store stages, so that what was done once is never done again.

A stage is a name, a function and its arguments. Its key is the hash of the name, of the code that the function can run
and of the arguments, so an old result is unreachable as soon as anything that made it changes, and is found where
nothing did. The function works in `stages/<name>-<key>.partial`; a kill leaves that folder, and a function that can
resume (training) finds its own checkpoints there. When it is done, the folder is renamed to `stages/<name>-<key>`: a
rename is atomic, so a stage is finished or not, at any moment of a kill. `journal.jsonl` has a line for each start,
finish and reuse.

Costs one JSON file and one rename a stage.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class StageKey:
    """Everything that the result of a stage depends on, and nothing else."""

    name: str
    """Name of the stage, with which the name of its folder begins."""
    version: str
    """Version of the code that the stage runs (`controller.engine.versions`)."""
    inputs: Sequence[Any]
    """Part of each argument that determines the result, as JSON (`controller.engine.keys`)."""

    @property
    def digest(self) -> str:
        text = json.dumps([self.name, self.version, self.inputs], sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder_name(self) -> str:
        return f"{self.name}-{self.digest}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished stage."""

    folder: Path
    value: Any
    """JSON value that the stage returned."""
    seconds: float


class Store:
    """Stages of one run directory; one process at a time (`controller.engine.journal.lock`)."""

    def __init__(self, run_dir: Path) -> None:
        self._stages = run_dir / "stages"
        self._journal = run_dir / "journal.jsonl"
        self._stages.mkdir(parents=True, exist_ok=True)

    def find(self, key: StageKey) -> Kept | None:
        """Find the finished stage, and note that it is used again; None where it is not finished."""
        folder = self._stages / key.folder_name
        if not folder.is_dir():
            return None
        record = json.loads((folder / "done.json").read_text())
        self._write("reused", key)
        return Kept(folder, record["value"], record["seconds"])

    def has_begun(self, key: StageKey) -> bool:
        """Whether the stage is finished, or a killed attempt has left something of it."""
        return any((self._stages / name).is_dir() for name in (key.folder_name, f"{key.folder_name}.partial"))

    def open(self, key: StageKey) -> Path:
        """Open the folder to work in; it may hold what a killed attempt left."""
        folder = self._stages / f"{key.folder_name}.partial"
        folder.mkdir(exist_ok=True)
        self._write("started", key)
        return folder

    def finish(self, key: StageKey, value: Any, started: float, seconds: float) -> Kept:
        """Make the stage's folder final."""
        partial = self._stages / f"{key.folder_name}.partial"
        record = {
            "name": key.name,
            "version": key.version,
            "inputs": key.inputs,
            "value": value,
            "started": started,
            "seconds": seconds,
        }
        temporary = partial / "done.json.tmp"
        with temporary.open("w") as file:
            json.dump(record, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(partial / "done.json")
        folder = self._stages / key.folder_name
        partial.rename(folder)
        self._write("finished", key)
        return Kept(folder, value, seconds)

    def _write(self, event: str, key: StageKey) -> None:
        line = {"time": time.time(), "event": event, "stage": key.folder_name, "pid": os.getpid()}
        with self._journal.open("a") as file:  # one short write in append mode is atomic
            file.write(json.dumps(line) + "\n")
