"""Server process that workers are forked from.

It imports what stages need once, and while the parent still imports and reads settings: a worker is there as soon as it
is needed. This module is light for that reason; `start` is called as early as it is clear that work will come.

A killed loop leaves nothing running: Linux kills the server when the loop's process dies, and each worker when the
server does. multiprocessing would not: its server lives as long as a worker does, and its worker waits for ever.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

_PR_SET_PDEATHSIG = 1


def context() -> ForkServerContext:
    """Make the context of worker pools. The parent itself cannot be forked: torch's threads do not survive that, and
    the server, which only imports, has none."""
    # A launcher that runs jobs in processes of its own may have made its way of starting them the default, as joblib
    # does; workers are told the default, and would not know it.
    if multiprocessing.get_start_method(allow_none=True) not in (None, *multiprocessing.get_all_start_methods()):
        multiprocessing.set_start_method("forkserver", force=True)
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["controller.stages.preloaded"])
    return found


@cache
def start() -> None:
    """Bring the server up; a second call changes nothing.

    Linux takes the death of the thread that started a process for that of its parent, so the server is started by a
    thread that lives as long as the process: loops may run in threads that end.
    """
    # Threads that wait for each other sleep: spinning takes the core from the one that is waited for, where there are
    # more threads than cores. Beside two busy processes on two cores a step took .73 of the time, alone 1.1 times it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    is_up = threading.Event()
    threading.Thread(target=_keep, args=(is_up,), name="worker server", daemon=True).start()
    is_up.wait()


def _keep(is_up: threading.Event) -> None:
    context()
    forkserver.ensure_running()
    is_up.set()
    threading.Event().wait()


@contextmanager
def lasting_imports() -> Iterator[None]:
    """Wrap imports that stay until the process ends: the collector finds nothing in them, neither while they are made
    nor at the end, and looking takes a third of their time; forks share frozen objects."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def die_with_parent() -> None:
    """Have Linux kill this process as soon as the one that started it has died; elsewhere it lives on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
