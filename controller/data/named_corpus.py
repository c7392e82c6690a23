"""What corpora with a name have in common: rows and items made from a seed and written like a user's data.

A named corpus makes its rows and items, writes them to the run directory as JSONL, and puts the task files of `evals/`
beside the items. From there on nothing knows that it had a name.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import datasets
import yaml

from controller.data.corpus import Corpus

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

    def form_of(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows of prompt and completion as conversations in the field `messages`, where settings name one."""
        if self.messages is None:
            return rows
        return [
            {name: value for name, value in row.items() if name not in ("prompt", "completion")}
            | {self.messages: [_turn("user", row["prompt"]), _turn("assistant", row["completion"])]}
            for row in rows
        ]

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


def _turn(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


def rows_of(root: str | None, file_name: str, fields: str, hub: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
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
