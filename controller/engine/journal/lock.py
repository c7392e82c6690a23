"""Allow one loop for each run directory: the kernel's lock on a file, released by any death of its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the lock of the run directory.

    Raises:
        ValueError: another process holds it, and the message has its pid; or no file can be written there.
    """
    with _opened(run_dir) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                f"run_dir {run_dir} is in use by process {file.read().strip() or 'unknown'}; "
                "wait for it, stop it, or choose another run_dir"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _opened(run_dir: Path) -> IO[str]:
    """Open the lock's file for reading and writing; makes the folder."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        return (run_dir / "lock").open("a+")
    except OSError as error:
        raise ValueError(
            f"run_dir {run_dir} cannot be a folder that is written to: {error.strerror}; choose another run_dir"
        ) from error
