"""Allow one loop for each run directory: the kernel's lock on a file, released by any death of its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the lock of the run directory.

    Raises:
        ValueError: another process holds it; the message has its pid.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / "lock"
    with path.open("a+") as file:
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
