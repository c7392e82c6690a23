"""Parts of a run's report, as the loop has written them beside it."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from controller.results.page.parts_json import ReportParts


def read_parts(path: Path | None) -> ReportParts:
    """Read the parts; none before the first round, or where the file is none."""
    try:
        return ReportParts() if path is None else TypeAdapter(ReportParts).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return ReportParts()


def version_of(path: Path | None) -> str:
    """What changes with the parts."""
    try:
        return "" if path is None else str(path.stat().st_mtime_ns)
    except OSError:
        return ""
