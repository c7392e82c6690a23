"""A killed loop leaves no worker, whatever Linux was told of the death of its parent."""

import ctypes
import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from controller.engine.workers.pool import Job, Workers

pytestmark = pytest.mark.slow

PR_SET_PDEATHSIG = 1


def not_killed_by_linux(folder: Path) -> int:
    """Undo what a worker is bound to the worker server by, as if that had died before; its process."""
    del folder
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
    return os.getpid()


def loop(folder: Path, told: Connection) -> None:
    with Workers(1) as workers:
        (done,) = workers.run([Job(not_killed_by_linux, folder, (), 1)], lambda: None)
        told.send(done.value)
        time.sleep(60)


def test_a_worker_ends_with_the_loop_even_if_it_was_started_too_late_for_linux_to_kill_it(tmp_path: Path) -> None:
    hears, told = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=loop, args=(tmp_path, told))
    process.start()
    worker = hears.recv()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    until = time.monotonic() + 10
    while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
        assert time.monotonic() < until, "the worker is left"
        time.sleep(0.05)
