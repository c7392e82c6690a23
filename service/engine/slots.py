"""Slots: how many loops a server runs side by side, and what part of the machine each has."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from service.loops.command_line import Share

NVIDIA = Path("/proc/driver/nvidia/gpus")


class Slots:
    """Slots of this server.

    Args:
        count: Number of slots; None takes one for each GPU, or one.
    """

    def __init__(self, count: int | None) -> None:
        gpus = visible_gpus()
        self.count = count or len(gpus) or 1
        self._free: SimpleQueue[Share] = SimpleQueue()
        for number in range(self.count):
            self._free.put(_share(number, self.count, gpus))

    @contextmanager
    def taken(self) -> Iterator[Share]:
        """Hold a slot; waits where none is free."""
        share = self._free.get()
        try:
            yield share
        finally:
            self._free.put(share)


def visible_gpus() -> list[str]:
    """GPUs of this machine, as `CUDA_VISIBLE_DEVICES` names them, without asking a library for them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name]
    return [str(number) for number, _ in enumerate(NVIDIA.iterdir())] if NVIDIA.is_dir() else []


def _share(number: int, count: int, gpus: list[str]) -> Share:
    """One slot takes the whole machine, as a loop without a service does; several have a GPU each, or divide cores."""
    if count == 1:
        return Share(None, None)
    if gpus:
        return Share(gpus[number % len(gpus)], 1)
    return Share(None, max(1, len(os.sched_getaffinity(0)) // count))
