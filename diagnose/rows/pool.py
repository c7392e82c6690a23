"""Training examples with stable ids, memory-mapped.

A `TrainPool` is an Arrow table behind `datasets`: rows stay on disk until they are read. Paths and hub
names are resolved in `controller.data.corpus`; this module knows only rows.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

COLUMNS = ("id", "source", "prompt", "completion", "messages")
"""Columns that are no metadata; `messages`, a whole conversation as JSON, is there where rows are conversations."""


@dataclass(frozen=True, slots=True)
class TrainExample:
    id: str
    source: str
    """File or hub name that the row came from."""
    prompt: str
    """Prompt; empty for plain text, whose loss is taken on all of it."""
    completion: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendering:
    """How the parts of a row become the text that is trained on."""

    delimiter: str = " "
    """Text between prompt and completion, as lm-eval's `target_delimiter`; a chat template needs none."""
    is_chat: bool = False
    """Whether rows are conversations in the tokenizer's chat template."""
    template: str | None = None
    """Name of the template; None for the tokenizer's only or default one."""
    system: str | None = None
    """System turn of rows that are given as prompt and completion."""


@dataclass(frozen=True, slots=True)
class TrainPool:
    """Rows with the columns id, source, prompt, completion and any metadata columns."""

    rows: Dataset
    rendering: Rendering = Rendering()
    folder: Path | None = None
    """Where these rows are stored, all of them and in this order; None for rows that were selected or made."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> TrainExample:
        return self._example(self.rows[int(index)])

    def __iter__(self) -> Iterator[TrainExample]:
        return (self._example(row) for row in self.rows)

    @property
    def metadata_fields(self) -> tuple[str, ...]:
        return tuple(name for name in self.rows.column_names if name not in COLUMNS)

    def select(self, indices: NDArray[np.int64] | Sequence[int]) -> "TrainPool":
        """Select the rows at `indices`, in that order; repeats are allowed."""
        return TrainPool(rows=self.rows.select(indices), rendering=self.rendering)

    def _example(self, row: Mapping[str, Any]) -> TrainExample:
        return TrainExample(
            id=row["id"],
            source=row["source"],
            prompt=row["prompt"],
            completion=row["completion"],
            metadata={name: value for name, value in row.items() if name not in COLUMNS},
        )


class ContentIds:
    """Ids `<hash of prompt and completion>-<occurrence>`, given in the order of the rows.

    A plain content hash collides: SCAN's `addprim_jump` repeats one command 1,466 times.
    """

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def take(self, prompts: Sequence[str], completions: Sequence[str]) -> list[str]:
        """Take the ids of the next rows."""
        ids = []
        for prompt, completion in zip(prompts, completions, strict=True):
            digest = hashlib.sha256(f"{prompt}\x00{completion}".encode()).hexdigest()[:16]
            number = self._seen.get(digest, 0)
            self._seen[digest] = number + 1
            ids.append(f"{digest}-{number}")
        return ids
