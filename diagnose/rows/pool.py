"""Training examples with stable ids, memory-mapped.

A `TrainPool` is an Arrow table behind `datasets`: rows stay on disk until they are read. Paths and hub
names are resolved in `controller.data.corpus`; this module knows only rows.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Value, concatenate_datasets
from numpy.typing import NDArray

COLUMNS = ("id", "source", "prompt", "completion", "messages")
"""Columns that are no metadata; `messages`, a whole conversation as JSON, is there where rows are conversations."""


@dataclass(frozen=True, slots=True)
class TrainExample:
    id: str
    source: str
    """Name of the source that the row came from, or its file or hub name where sources have no names."""
    prompt: str
    """Prompt; empty for plain text, whose loss is taken on all of it."""
    completion: str
    metadata: Mapping[str, Any]
    """Further columns of the row."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How the parts of a row become the text that is trained on."""

    delimiter: str = " "
    """Text between prompt and completion, as lm-eval's `target_delimiter`; a chat template needs none."""
    is_chat: bool = False
    """Whether rows are conversations in the tokenizer's chat template; rows of plain text never are."""
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
    source_weights: Mapping[str, float] = field(default_factory=dict)
    """How often a row of a source is drawn against one of a source that is not named here; by name of the source."""

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
        return TrainPool(self.rows.select(indices), self.rendering, source_weights=self.source_weights)

    def weights(self) -> NDArray[np.float64]:
        """Look up how often each row is drawn against one whose source has no weight, [num_rows]."""
        if not self.source_weights:
            return np.ones(len(self))
        return np.array([self.source_weights.get(name, 1.0) for name in self.rows["source"][:]], np.float64)

    def draws(self) -> NDArray[np.float64]:
        """Compute the share of the draws that each row has where no fix changes it, [num_rows], sum 1."""
        weights = self.weights()
        total = float(weights.sum())
        return weights / total if total > 0 else np.full(len(self), 1 / max(len(self), 1))

    def _example(self, row: Mapping[str, Any]) -> TrainExample:
        metadata = {name: value for name, value in row.items() if name not in COLUMNS}
        return TrainExample(row["id"], row["source"], row["prompt"], row["completion"], metadata)


def concatenated(parts: Sequence[Dataset]) -> Dataset:
    """Put tables behind each other; metadata of different types in different parts becomes text, nested ones are left
    out, and what a part lacks is None there."""
    types: dict[str, set[str]] = {}
    for part in parts:
        for name, feature in part.features.items():
            types.setdefault(name, set()).add(str(feature))
    mixed = [name for name, found in types.items() if len(found) > 1]
    aligned = []
    for part in parts:
        table = part
        for name in mixed:
            if name in table.column_names:
                is_plain = isinstance(table.features[name], Value)
                assert is_plain or name not in COLUMNS, "prompts and completions are text"
                table = table.cast_column(name, Value("string")) if is_plain else table.remove_columns(name)
        aligned.append(table)
    return concatenate_datasets(aligned) if len(aligned) > 1 else aligned[0]


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
