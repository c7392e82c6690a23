"""`night.json`: what a night of `evalmend nightly` has found, for programs.

The types are the file: pydantic writes them. Folders of nights without one are not over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from controller.engine.whole_file import write_whole

NIGHT_FILE = "night.json"
WORSE_CODE = 4
"""Exit code of a night that is shown to be worse than the one before."""
ALL = "all"
"""Name of all tasks together."""


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A task on two nights, on the items that both models answered."""

    task: str
    num_items: int
    before: float
    now: float
    change: float
    ci: tuple[float, float]
    """Interval of 95 %: items are a sample, both models are what they are."""
    p: float
    """One-sided p-value of the hypothesis that the task has not got worse, by items and by how much nights differ
    anyway."""
    num_fixed: int
    """Number of items that turned right; `num_broken` likewise."""
    num_broken: int
    is_worse: bool = False
    """Whether it is shown to have got worse, corrected for the number of tasks."""


@dataclass(frozen=True, slots=True)
class WorseSlice:
    """A slice of the items that turned wrong, and why it did."""

    slice: Mapping[str, str]
    num_items: int
    num_failed: int
    cause: str
    cause_probability: float


@dataclass(frozen=True, slots=True)
class Night:
    """What a night has found."""

    night: str
    """Name of its folder."""
    model: str
    """Model that it opened with."""
    since: str | None
    """Night that it is compared with; None of a first night, or where the two share no items."""
    changes: tuple[TaskChange, ...]
    """Changes of all tasks together, where there are several, and of each."""
    num_left_out: int
    """Items that only one of the two models answered."""
    findings: tuple[WorseSlice, ...] = ()
    """Slices that got worse, where nights diagnose these."""

    @property
    def worse(self) -> tuple[str, ...]:
        """Tasks that are shown to have got worse."""
        return tuple(change.task for change in self.changes if change.is_worse)


def write_night(night: Night, folder: Path) -> None:
    """Write `night.json` atomically."""
    write_whole(folder / NIGHT_FILE, TypeAdapter(Night).dump_json(night, indent=1))


def read_night(folder: Path) -> Night | None:
    """Read the `night.json` of a folder; None where there is none of this form."""
    try:
        return TypeAdapter(Night).validate_json((folder / NIGHT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
