"""Carry out stages in processes, so that the parent stays small and a stage can be killed.

There is one worker for each GPU; without one, a worker for each core up to four, or for each two cores if that is more,
because models that train on a CPU are too small to keep many threads busy.
"""

import ctypes
import gc
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any

import torch
from tqdm import tqdm

from controller.engine.errors import is_user_error
from controller.engine.logs import quiet_libraries
from controller.engine.workers import server as worker_server

_STARTING = threading.Lock()
"""Held while a pool starts processes, so that loops in several threads do not take each other's for their own."""


@dataclass(frozen=True, slots=True)
class Job:
    """A function of a folder, with its further arguments; importable by name, so that a worker finds it."""

    function: Callable[..., Any]
    folder: Path
    arguments: tuple[Any, ...]
    num_threads: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done."""

    number: int
    """Place of the job in the sequence given to `run`."""
    value: Any
    started: float
    """Unix time of the start, in seconds."""
    seconds: float


class Workers:
    """A pool of processes; a context manager, which asks for its first worker at once."""

    def __init__(self, count: int | None) -> None:
        self.num_cores = len(os.sched_getaffinity(0))
        self.count = count or torch.cuda.device_count() or max(min(self.num_cores, 4), self.num_cores // 2)
        self._pool: ProcessPoolExecutor | None = None
        self._children: set[BaseProcess] = set()

    def threads_each(self, num_jobs: int | None = None) -> int:
        """Threads of one worker when all are busy, or as many as there are jobs."""
        return max(1, self.num_cores // min(self.count, num_jobs or self.count))

    def threads_alone(self, fills_cores: bool) -> int:
        """Threads of a job that is done alone."""
        return self.num_cores if fills_cores else max(1, self.num_cores // 2)

    def __enter__(self) -> "Workers":
        self._submit(_nothing)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._stop()
        elif self._pool is not None:
            self._pool.shutdown(wait=True)

    def run(self, jobs: Sequence[Job], watch: Callable[[], None]) -> Iterator[Finished]:
        """Yield results in the order in which jobs finish; `watch` is called about once a second meanwhile.

        Raises:
            RuntimeError: a worker was killed, mostly for memory.
        """
        waiting = {self._submit(_work, job): number for number, job in enumerate(jobs)}
        try:
            while waiting:
                done, _ = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                watch()
                for future in done:
                    value, started, seconds = future.result()
                    yield Finished(waiting.pop(future), value, started, seconds)
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process died, mostly because memory ran out; the stages before it are kept: lower "
                "train.per_device_train_batch_size, evals.batch_size or workers and run the same command again"
            ) from error
        finally:
            if waiting:
                self._stop()

    def _stop(self) -> None:
        """Kill running jobs: after an error, Ctrl-C or the end of the budget their results are not wanted."""
        if self._pool is None:
            return
        for child in self._children:
            child.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool, self._children = None, set()

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Submit a call; the processes that this starts are the pool's own, which nothing else tells."""
        with _STARTING:
            others = set(multiprocessing.active_children())
            future = self._started().submit(function, *arguments)
            self._children |= set(multiprocessing.active_children()) - others
        return future

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            worker_server.start()
            context = worker_server.context()
            devices = context.Queue()
            for device in range(torch.cuda.device_count()):
                for _ in range(-(-self.count // torch.cuda.device_count())):
                    devices.put(device)
            self._pool = ProcessPoolExecutor(
                self.count,
                mp_context=context,
                initializer=_initialise,
                initargs=(devices, logging.root.level),
            )
        return self._pool


def _initialise(devices: Any, level: int) -> None:
    worker_server.die_with_parent()
    # Where the server died before that took effect, the worker would wait for jobs for ever; of a loop that is being
    # killed at this moment nothing can be asked yet.
    threading.Thread(target=_end_with_loop, name="end with loop", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with suppress(Empty):
        os.environ["CUDA_VISIBLE_DEVICES"] = str(devices.get(timeout=0.1))
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a killed worker would be said to have leaked
    logging.basicConfig(level=max(level, logging.WARNING), format="%(message)s")
    quiet_libraries()


def _end_with_loop() -> None:
    """Wait until the loop's process has ended, and end this one."""
    loop = multiprocessing.parent_process()
    assert loop is not None, "workers are started by multiprocessing"
    loop.join()
    os._exit(1)


def _nothing() -> None:
    """Do nothing, to start a worker."""


def _work(job: Job) -> tuple[Any, float, float]:
    torch.set_num_threads(job.num_threads)
    started = time.time()
    clock = time.perf_counter()
    try:
        value = job.function(job.folder, *job.arguments)
    except ValueError as error:
        if is_user_error(error):
            shutil.rmtree(job.folder, ignore_errors=True)  # input that is refused leaves nothing to go on from
            raise
        raise RuntimeError(f"{job.folder.name}: {error}") from error
    finally:
        _give_memory_back()
    return value, started, time.perf_counter() - clock


def _give_memory_back() -> None:
    """Return what a stage has freed: the C library would keep gigabytes for the next one, of every worker."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # of glibc; others have none
