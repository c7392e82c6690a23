"""Corpora with a name: the embedded starter and known data sets, written as files like a user's data.

A named corpus makes its rows and items from a seed, writes them to the run directory as JSONL, and puts the
task files of `evals/` beside the items. From there on nothing knows that it had a name.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import datasets
import yaml

import evals.fixtures.kinds
import evals.fixtures.questions
import evals.fixtures.reports
import evals.fixtures.scan
import evals.fixtures.starter
from controller.data.corpus import Corpus
from evals.fixtures.kinds import TASK as KINDS_TASK
from evals.fixtures.kinds import kinds
from evals.fixtures.questions import starved_questions
from evals.fixtures.reports import TASK as REPORTS_TASK
from evals.fixtures.reports import reports
from evals.fixtures.scan import scan_jump
from evals.fixtures.starter import starter

log = logging.getLogger(__name__)

TRAIN, POOL, TASKS = "train.jsonl", "pool.jsonl", "tasks"

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Made:
    """What a named corpus makes."""

    files: Mapping[str, Sequence[Row]]
    """Rows of each file: `train` and `pool`, or the names of the corpus's sources."""
    items: Mapping[str, Sequence[Row]]
    """Items of each task."""


@dataclass
class NamedCorpus(Corpus):
    """A corpus that makes its rows and items from a seed."""

    data_seed: int = 0
    """Seeds rows and items; apart from `seed`, so that a sweep over seeds keeps its data."""

    fixture: ClassVar[ModuleType]
    """Package of `evals.fixtures` that holds the task files."""

    @property
    def is_given(self) -> bool:
        return True

    def make(self) -> Made:
        """Make rows and items."""
        raise NotImplementedError

    def materialise(self, folder: Path) -> Corpus:
        check_makes_rows(self)
        made = self.make()
        for name, rows in made.files.items():
            write_rows(folder / f"{name}.jsonl", rows)
        assert self.fixture.__file__ is not None, "a package of files"
        write_tasks(folder / TASKS, Path(self.fixture.__file__).parent / "tasks", made.items)
        if "train" not in made.files:
            return replace(self, train={name: str(folder / f"{name}.jsonl") for name in made.files})
        return replace(self, train=str(folder / TRAIN), pool=str(folder / POOL))

    def task_folder(self, folder: Path) -> Path | None:
        return folder / TASKS


@dataclass
class StarterCorpus(NamedCorpus):
    """`corpus=starter`: small skills that a program can check, one of them starved (`evals.fixtures.starter`)."""

    slices: list[str] = field(default_factory=lambda: ["skill"])

    fixture: ClassVar[ModuleType] = evals.fixtures.starter

    def make(self) -> Made:
        made = starter(self.data_seed)
        return Made({"train": made.train, "pool": made.pool}, made.items)


@dataclass
class TwoSourcesCorpus(NamedCorpus):
    """`corpus=two_sources`: a classification from two sources of as many rows: `book` is right, the labels of `web` are
    drawn at random, and it has two of three draws (`evals.fixtures.kinds`)."""

    weights: dict[str, float] = field(default_factory=lambda: {"book": 1.0, "web": 2.0})

    fixture: ClassVar[ModuleType] = evals.fixtures.kinds

    def make(self) -> Made:
        made = kinds(self.data_seed)
        sources = {"book": made.book, "web": made.web}
        files = {
            name: [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]
            for name, rows in sources.items()
        }
        return Made(files, {KINDS_TASK: made.items})


@dataclass
class ReportsCorpus(NamedCorpus):
    """`corpus=reports`: short texts on four subjects, one of them starved (`evals.fixtures.reports`)."""

    text: str | None = "text"
    slices: list[str] = field(default_factory=lambda: ["subject"])

    fixture: ClassVar[ModuleType] = evals.fixtures.reports

    def make(self) -> Made:
        made = reports(self.data_seed)
        return Made({"train": made.train, "pool": made.pool}, {REPORTS_TASK: made.items})


@dataclass
class ScanJumpCorpus(NamedCorpus):
    """`corpus=scan_jump`: SCAN's simple split with `jump` starved (`evals.fixtures.scan`)."""

    slices: list[str] = field(default_factory=lambda: ["primitive"])
    num_starved: int = 80
    """Rows with `jump` in the corpus."""
    num_held_out: int = 2000
    """Rows with `jump` that join the evaluation."""
    max_actions: int = 24
    """Most actions of a row; longer ones are left out."""

    fixture: ClassVar[ModuleType] = evals.fixtures.scan

    def make(self) -> Made:
        made = scan_jump(
            self._split("train"),
            self._split("test"),
            num_starved=self.num_starved,
            num_held_out=self.num_held_out,
            max_actions=self.max_actions,
            seed=self.data_seed,
        )
        return Made({"train": made.train, "pool": made.pool}, made.items)

    def _split(self, name: str) -> Iterator[Mapping[str, Any]]:
        # The hub's copy is a script, which `datasets` no longer runs; its converted files are Parquet.
        hub = {"path": "scan", "name": "simple", "split": name, "revision": "refs/convert/parquet"}
        return _rows_of(self.root, f"simple_{name}.jsonl", "command, actions", hub)


@dataclass
class QuestionsCorpus(NamedCorpus):
    """`corpus=questions`: TREC's question classes with one class starved (`evals.fixtures.questions`)."""

    slices: list[str] = field(default_factory=lambda: ["kind"])
    starved: str = "location"
    """Kind of which the corpus has few rows."""
    num_starved: int = 4
    """Rows of that kind in the corpus."""
    num_train: int = 300
    """Rows of the corpus."""
    num_pool: int = 900
    """Rows of the pool."""
    num_held_out: int = 500
    """Training questions that join the 500 items of the test split."""

    fixture: ClassVar[ModuleType] = evals.fixtures.questions

    def make(self) -> Made:
        made = starved_questions(
            self._split("train"),
            self._split("test"),
            starved=self.starved,
            num_starved=self.num_starved,
            num_train=self.num_train,
            num_pool=self.num_pool,
            num_held_out=self.num_held_out,
            seed=self.data_seed,
        )
        return Made({"train": made.train, "pool": made.pool}, made.items)

    def _split(self, name: str) -> Iterator[Mapping[str, Any]]:
        hub = {"path": "CogComp/trec", "split": name, "revision": "refs/convert/parquet"}
        return _rows_of(self.root, f"{name}.jsonl", "question, coarse", hub)


def _rows_of(root: str | None, file_name: str, fields: str, hub: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a file in the folder `root`, or without one those of the hub's data set."""
    if root is None:
        try:
            yield from datasets.load_dataset(**hub)
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{hub['path']} could not be loaded from the hub ({str(error).splitlines()[0]}); set corpus.root to a "
                f"folder that holds {file_name} (fields {fields})"
            ) from error
        return
    path = Path(root).expanduser() / file_name
    if not path.is_file():
        raise ValueError(f"corpus.root {root} holds no {path.name} (looked from {Path.cwd()})")
    with path.open() as file:
        yield from map(json.loads, file)


def check_makes_rows(corpus: Corpus) -> None:
    """Raise a ValueError where rows are given to a corpus that makes its own."""
    for key, value in (("corpus.train", corpus.train), ("corpus.pool", corpus.pool)):
        if value is not None:
            raise ValueError(
                f"{key} must not be given to a corpus with a name, which makes its own rows, got {value}; choose "
                "corpus=files"
            )


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    temporary.replace(path)


def write_tasks(folder: Path, templates: Path, items: Mapping[str, Sequence[Row]]) -> None:
    """Write the items of each task, and its task file with the items' full path."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(templates.glob("*.yaml")):
        config = yaml.safe_load(path.read_text())
        if "dataset_kwargs" in config:
            name = path.stem
            write_rows(folder / f"{name}.jsonl", items[name])
            config["dataset_kwargs"]["data_files"] = {"test": str(folder / f"{name}.jsonl")}
        (folder / path.name).write_text(yaml.safe_dump(config, sort_keys=False))
