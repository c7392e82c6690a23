"""The process that workers are forked from.

It imports what stages need once, and while the parent still imports and reads settings: a worker is there as soon
as it is asked for. This module is light for that reason; whoever can tell early that work will come calls `start`.

A killed loop leaves nothing running: Linux kills the server when the loop's process dies, and each worker when the
server does. multiprocessing would not: its server lives as long as a worker does, and its worker waits for ever.
"""

import ctypes
import gc
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

_PR_SET_PDEATHSIG = 1


def context() -> ForkServerContext:
    """What pools of workers are made with. A fork of the parent itself would not do: torch's threads do not
    survive one, and the server, which only imports, has none."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["controller.stages.preloaded"])
    return found


def start() -> None:
    """Bring the server up; returns at once. A second call changes nothing."""
    context()
    forkserver.ensure_running()


@contextmanager
def lasting_imports() -> Iterator[None]:
    """For imports that stay until the process ends: the collector finds nothing in them, neither while they are
    made nor at the end, and looking takes a third of their time; forks share frozen objects."""
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
