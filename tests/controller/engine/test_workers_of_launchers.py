"""Workers inside processes that a launcher of jobs has started, which have a way of starting processes of their own."""

import os
from pathlib import Path

from joblib import Parallel, delayed

from controller.engine.workers.pool import Job, Workers


def own_process(folder: Path) -> int:
    """The process that a job is done in."""
    del folder
    return os.getpid()


def in_a_worker(folder: Path) -> tuple[int, int]:
    """The process of the launcher, and that of a worker which it starts."""
    with Workers(1) as workers:
        (done,) = workers.run([Job(own_process, folder, (), 1)], lambda: None)
    return os.getpid(), done.value


def test_jobs_of_joblib_start_workers_of_their_own(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    found = Parallel(n_jobs=2, backend="loky")(delayed(in_a_worker)(tmp_path / name) for name in ("first", "second"))
    assert all(worker not in (launcher, os.getpid()) for launcher, worker in found)
