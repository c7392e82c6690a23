"""Files of run directories, each resolved and found to lie under the home's runs before it is opened."""

from pathlib import Path


def file_of(runs: Path, loop_id: str, name: str) -> Path | None:
    """A file of a loop's run directory.

    Args:
        runs: Folder of the run directories.
        loop_id: Id of a loop that the database knows.
        name: Name of the file.

    Returns:
        Its resolved path; None where there is no such file, or a link leads out of the loop's own folder.
    """
    folder = runs.resolve() / loop_id
    try:
        path = (folder / name).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    return path if path.is_relative_to(folder) and folder.parent == runs.resolve() and path.is_file() else None
