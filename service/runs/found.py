"""What the service writes into a run directory of its own, and what it reads there without its database."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from controller.engine.whole_file import write_whole
from service.runs.reading import JOURNAL_FILE, LOOP_FILE

SUBMITTED_FILE = "submitted.json"


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was asked for."""

    recipe: str
    fields: Mapping[str, Any]
    words: tuple[str, ...]
    submitted_by: str
    created: float
    """Unix time in seconds."""
    schedule: str | None = None
    """Schedule that it is a night of."""


def write_submitted(run_dir: Path, submitted: Submitted) -> None:
    """Keep what was asked for beside the run, so that it can be gone on with even if the database is lost."""
    run_dir.mkdir(exist_ok=True)
    write_whole(run_dir / SUBMITTED_FILE, TypeAdapter(Submitted).dump_json(submitted, indent=1))


def found_run(folder: Path) -> Submitted | None:
    """What was asked for; nothing of a run that the service has not submitted; None where the folder is no run."""
    try:
        return TypeAdapter(Submitted).validate_json((folder / SUBMITTED_FILE).read_bytes())
    except (OSError, ValidationError):
        is_run = (folder / LOOP_FILE).is_file() or (folder / JOURNAL_FILE).is_file()
        return Submitted("", {}, (), "", folder.stat().st_mtime) if is_run else None
