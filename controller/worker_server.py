"""The process that workers are forked from.

It imports what stages need once, and while the parent still imports and reads settings: a worker is there as soon
as it is asked for. This module is light for that reason; whoever can tell early that work will come calls `start`.
"""

import gc
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext


def context() -> ForkServerContext:
    """What pools of workers are made with. A fork of the parent itself would not do: torch's threads do not
    survive one, and the server, which only imports, has none."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["controller.preloaded"])
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
