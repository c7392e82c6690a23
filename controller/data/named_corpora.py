"""Corpora with a name: the embedded starter and known data sets (`controller.data.named_corpus`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

from controller.data.named_corpus import Made, NamedCorpus, rows_of
from evals.fixtures import kinds, problems, questions, reports, scan, starter


@dataclass
class StarterCorpus(NamedCorpus):
    """`corpus=starter`: small skills that a program can check, one of them starved (`evals.fixtures.starter`)."""

    slices: list[str] = field(default_factory=lambda: ["skill"])

    fixture: ClassVar[ModuleType] = starter

    def make(self) -> Made:
        made = starter.starter(self.data_seed)
        return Made({"train": made.train, "pool": made.pool}, made.items)


@dataclass
class TwoSourcesCorpus(NamedCorpus):
    """`corpus=two_sources`: a classification from two sources of as many rows: `book` is right, the labels of `web` are
    drawn at random, and it has two of three draws (`evals.fixtures.kinds`)."""

    weights: dict[str, float] = field(default_factory=lambda: {"book": 1.0, "web": 2.0})

    fixture: ClassVar[ModuleType] = kinds

    def make(self) -> Made:
        made = kinds.kinds(self.data_seed)
        sources = {"book": made.book, "web": made.web}
        files = {
            name: [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]
            for name, rows in sources.items()
        }
        return Made(files, {kinds.TASK: made.items})


@dataclass
class ReportsCorpus(NamedCorpus):
    """`corpus=reports`: short texts on four subjects, one of them starved (`evals.fixtures.reports`)."""

    text: str | None = "text"
    slices: list[str] = field(default_factory=lambda: ["subject"])

    fixture: ClassVar[ModuleType] = reports

    def make(self) -> Made:
        made = reports.reports(self.data_seed)
        return Made({"train": made.train, "pool": made.pool}, made.items)


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

    fixture: ClassVar[ModuleType] = scan

    def make(self) -> Made:
        made = scan.scan_jump(
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
        return rows_of(self.root, f"simple_{name}.jsonl", "command, actions", hub)


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

    fixture: ClassVar[ModuleType] = questions

    def make(self) -> Made:
        made = questions.starved_questions(
            self._split("train"),
            self._split("test"),
            starved=self.starved,
            num_starved=self.num_starved,
            num_train=self.num_train,
            num_pool=self.num_pool,
            num_held_out=self.num_held_out,
            seed=self.data_seed,
        )
        return Made({"train": self.form_of(made.train), "pool": self.form_of(made.pool)}, made.items)

    def _split(self, name: str) -> Iterator[Mapping[str, Any]]:
        hub = {"path": "CogComp/trec", "split": name, "revision": "refs/convert/parquet"}
        return rows_of(self.root, f"{name}.jsonl", "question, coarse", hub)


@dataclass
class ProblemsCorpus(NamedCorpus):
    """`corpus=problems`: GSM8K's word problems with worked solutions (`evals.fixtures.problems`)."""

    num_train: int = 300
    """Rows of the corpus."""
    num_pool: int = 900
    """Rows of the pool."""
    num_items: int = 150
    """Items, drawn from the test split."""

    fixture: ClassVar[ModuleType] = problems

    def make(self) -> Made:
        made = problems.problems(
            self._split("train"),
            self._split("test"),
            num_train=self.num_train,
            num_pool=self.num_pool,
            num_items=self.num_items,
            seed=self.data_seed,
        )
        return Made({"train": self.form_of(made.train), "pool": self.form_of(made.pool)}, made.items)

    def _split(self, name: str) -> Iterator[Mapping[str, Any]]:
        hub = {"path": "openai/gsm8k", "name": "main", "split": name}
        return rows_of(self.root, f"{name}.jsonl", "question, answer", hub)
