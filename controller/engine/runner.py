"""Run stages: find what is done, have workers do the rest, and keep account of time."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter

from controller.engine.artifacts import Artifact
from controller.engine.budget import Books, Spent
from controller.engine.journal.store import StageKey, Store
from controller.engine.keys import determining, types_in
from controller.engine.versions import this_code
from controller.engine.workers.pool import Job, Workers
from controller.engine.workers.progress import read_share

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage(Generic[T]):
    """A piece of work that is done once: a call of a function in a worker."""

    name: str
    """Name of the folder, for people: `measure`, `train-random-2`."""
    function: Callable[..., T]
    """Function at the top of a module, called with the stage's folder and `arguments`; its result, of the annotated
    type, is kept as JSON. Costs are booked of a result that is `Spent`, or has it as `spent`."""
    arguments: tuple[Any, ...]
    """Arguments that pickle, and define what of them determines the result (`controller.engine.keys`)."""
    fills_cores: bool = False
    """Whether its matrices are so large that all cores that are free make it faster; they change the last bits of sums
    and nothing else."""

    @property
    def key(self) -> StageKey:
        modules = {self.function.__module__, *(kind.__module__ for kind in types_in(self.arguments))}
        version = this_code().version(modules - {"builtins"})
        return StageKey(self.name, version, [self.function.__qualname__, determining(self.arguments)])

    @property
    def result(self) -> TypeAdapter[T]:
        """Adapter of the function's return type."""
        return TypeAdapter(get_type_hints(self.function)["return"])


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A stage that is done."""

    value: T
    artifact: Artifact
    """Folder of the stage, given to later stages that read it."""
    spent: Spent

    @property
    def folder(self) -> Path:
        return self.artifact.folder


class Runner:
    """Runs the stages of one run directory, and books their costs."""

    def __init__(self, run_dir: Path, workers: Workers, books: Books) -> None:
        """Run stages; `budget.seconds` is checked about once a second, and stops everything when it is spent."""
        self._store = Store(run_dir)
        self._workers = workers
        self.books = books
        self.busy: list[tuple[float, float]] = []
        """Start and end of every stage that this process carried out, Unix time in seconds."""
        self.folders: list[Path] = []
        """Folders of the stages that were asked for, done before or now, in the order in which they were."""

    @property
    def num_workers(self) -> int:
        """Most stages that are done side by side."""
        return self._workers.count

    def do(self, stage: Stage[T], book: str | None) -> Done[T]:
        """Do one stage with half of the cores, or with all where it fills them: a second thread on the same core, or on
        one that others use too, made small models up to ten times slower than one thread alone.

        Args:
            stage: Stage to do.
            book: Book of its costs; None for costs that are not counted.
        """
        return next(iter(self._carry_out([stage], book, self._workers.threads_alone(stage.fills_cores))))

    def do_all(self, stages: Sequence[Stage[T]], book: str) -> list[Done[T]]:
        """Do stages side by side and return results in their order. Threads do not depend on how many are left to do,
        for they change the last bits of a sum and a resumed run must end as one that ran through."""
        if not stages:
            return []
        fill = all(stage.fills_cores for stage in stages)
        return list(self._carry_out(stages, book, self._workers.threads_each(len(stages) if fill else None)))

    def has_begun(self, stage: Stage[Any]) -> bool:
        """Whether a stage is done, or was begun and not finished."""
        return self._store.has_begun(stage.key)

    def _carry_out(self, stages: Sequence[Stage[T]], book: str | None, num_threads: int) -> Iterator[Done[T]]:
        keys = [stage.key for stage in stages]
        found = [self._store.find(key) for key in keys]
        missing = [number for number, done in enumerate(found) if done is None]
        folders = [self._store.open(keys[number]) for number in missing]
        jobs = [
            Job(stages[number].function, folder, stages[number].arguments, num_threads)
            for number, folder in zip(missing, folders, strict=True)
        ]
        line = _StatusLine([stages[number].name for number in missing], folders)
        for finished in self._workers.run(jobs, lambda: self._watch(line)):
            number = missing[finished.number]
            value = stages[number].result.dump_python(finished.value, mode="json")
            found[number] = self._store.finish(keys[number], value, finished.started, finished.seconds)
            self.busy.append((finished.started, finished.started + finished.seconds))
            line.clear()
            log.info("%s: %.1f s", stages[number].name, finished.seconds)
        line.clear()
        for stage, key, done in zip(stages, keys, found, strict=True):
            assert done is not None, "every stage was found or carried out"
            self.folders.append(done.folder)
            value = stage.result.validate_python(done.value)
            costs = value if isinstance(value, Spent) else getattr(value, "spent", Spent())
            spent = replace(costs, seconds=done.seconds)
            if book is not None:
                self.books.add(book, spent)
            yield Done(value, Artifact(done.folder, key.digest), spent)

    def _watch(self, line: "_StatusLine") -> None:
        line.draw()
        self.books.check_time()


def covered_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in which at least one span, start and end in seconds, is running."""
    total, until = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


class _StatusLine:
    """Status line on a terminal: `train-random-2 43 % | train-random-3 41 % | about 0:12 left`."""

    def __init__(self, names: Sequence[str], folders: Sequence[Path]) -> None:
        self._names, self._folders = names, folders
        self._started = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def draw(self) -> None:
        if not self._is_terminal or not self._names:
            return
        shares = [read_share(folder) if folder.is_dir() else 1.0 for folder in self._folders]
        under_way = [f"{name} {share:.0%}" for name, share in zip(self._names, shares, strict=True) if 0 < share < 1]
        done = sum(shares) / len(shares)
        elapsed = time.monotonic() - self._started
        left = f"about {_clock(elapsed * (1 - done) / done)} left" if done > 0.02 else f"{_clock(elapsed)} so far"
        text = " | ".join([*(under_way or self._names[:2]), left])
        sys.stderr.write(f"\r\x1b[K{text[:150]}")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
