"""Folders of nights, each named by its date, and by the name of the nights where these share a folder with others."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.cli.nights.night_json import NIGHT_FILE
from controller.loop.models import CHAMPION_FILE, model_folders, read_champion
from controller.results.files import status_in
from controller.results.loop_json import LOOP_FILE

_DATE = r"\d{4}-\d{2}-\d{2}"


def night_name(name: str | None, date: str) -> str:
    """Name of a night's folder."""
    return date if name is None else f"{name}-{date}"


def earlier_nights(nights: Path, tonight: str) -> list[Path]:
    """Folders of finished nights of the same name before this one, the oldest first."""
    ends = (NIGHT_FILE, CHAMPION_FILE)
    return [folder for folder in _before(nights, tonight) if any((folder / end).is_file() for end in ends)]


def night_not_over(nights: Path, tonight: str) -> Path | None:
    """Last night before this one if its loop is not over; None where it is, or there is none."""
    begun = [folder for folder in _before(nights, tonight) if (folder / LOOP_FILE).is_file()]
    return begun[-1] if begun and status_in(begun[-1]) != "ended" else None


def _before(nights: Path, tonight: str) -> Iterator[Path]:
    is_night = re.compile(re.escape(tonight[: -len("2000-01-01")]) + _DATE)
    for folder in sorted(nights.iterdir()) if nights.is_dir() else ():
        if folder.name < tonight and is_night.fullmatch(folder.name) and folder.is_dir():
            yield folder


def forget_stages(nights: Sequence[Path], keep: int | None) -> Iterator[Path]:
    """Remove the stages of all but the last nights, and yield the folders that had some; results stay, and so do the
    stages of a night in which the model of the last one lies.

    Args:
        nights: Folders of finished nights, the oldest first.
        keep: Number of last nights that keep everything; None for all.
    """
    if keep is None or len(nights) <= keep:
        return
    needed = {folder.resolve() for folder in model_folders(read_champion(nights[-1]))}
    for night in nights[:-keep]:
        stages = (night / "stages").resolve()
        if stages.is_dir() and not any(folder.is_relative_to(night.resolve()) for folder in needed):
            shutil.rmtree(stages)
            yield night
