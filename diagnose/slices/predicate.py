"""A slice: a predicate that reads the same on an evaluation item and on a training row.

`SliceTable.members` decides for many texts at once: 100,000 short ones cost about 0.1 s to prepare and 10 ms for each
slice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool
from diagnose.slices.listed import NEAREST, are_listed
from diagnose.slices.ranges import bounds, numbers
from diagnose.slices.tags import TAG_KEYS, with_tag
from diagnose.slices.text_clusters import IS_ABOUT, has_points
from diagnose.slices.topics import TOPIC_KEYS, are_about
from evals.items import Item

PROMPT_CONTAINS = "prompt contains"
"""Key of a condition on the text: the value is a run of words that the prompt (or plain text) contains."""

SOURCE = "source"
"""Field of every training row: the file or data set that it came from."""
PROMPT_WORDS = "prompt words"
"""Key of a condition on the number of words of the text: `7`, or a range (`diagnose.slices.ranges`)."""
TEXT_KEYS = (PROMPT_CONTAINS, PROMPT_WORDS, *TOPIC_KEYS, IS_ABOUT, *TAG_KEYS)
"""Keys that apply to every item and row; a field with the name of a tag takes the place of the tag."""


_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Slice:
    """A conjunction of conditions. Keys are fields (of the document, of a row's metadata, `task`, `source`) or
    `TEXT_KEYS`; an empty slice holds everywhere. The value of a field is its text, or a range of numbers."""

    conditions: tuple[tuple[str, str], ...]
    contents: tuple[str, ...] = ()
    """Digests of the rows for which the condition `NEAREST` holds, the nearest first (`diagnose.slices.listed`)."""

    def as_dict(self) -> dict[str, str]:
        return dict(self.conditions)

    def __str__(self) -> str:
        return " and ".join(_condition_text(key, value) for key, value in self.conditions) or "everything"

    def holds(self, text: str, fields: Mapping[str, Any], answer: str = "") -> bool:
        """Whether a prompt, its fields and its gold answer are in the slice; a missing field is not."""
        columns = {name: _column([value]) for name, value in fields.items()}
        return bool(SliceTable(_spaced([text]), columns, (answer,)).members(self)[0])


@dataclass(frozen=True, slots=True)
class SliceTable:
    """Texts, fields and answers of many items or rows, as slices read them."""

    texts: tuple[str, ...]
    """Texts with one space between words and one at each end."""
    fields: Mapping[str, NDArray[np.object_]]
    """Values as text, [num_texts] each; None where an item or row lacks the field."""
    answers: tuple[str, ...]
    """Targets or completions."""

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def num_words(self) -> NDArray[np.int64]:
        return np.fromiter((text.count(" ") - 1 for text in self.texts), np.int64, len(self.texts)).clip(0)

    @property
    def task_numbers(self) -> NDArray[np.int64]:
        """Number of each item's task, from 0 in the order of task names."""
        return np.unique(self.fields["task"].astype(str), return_inverse=True)[1].astype(np.int64)

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """Tags whose names are no field."""
        return tuple(key for key in TAG_KEYS if key not in self.fields)

    def members(self, where: Slice) -> NDArray[np.bool_]:
        """Whether each text is in the slice, [num_texts]; one without a field that the slice names is not."""
        inside = np.ones(len(self.texts), bool)
        for key, value in where.conditions:
            if key == NEAREST:
                inside &= are_listed(where.contents, self.texts, self.answers)
            else:
                inside &= self._members_of(key, value)
        return inside

    def _members_of(self, key: str, value: str) -> NDArray[np.bool_]:
        if key == PROMPT_CONTAINS:
            run = f" {value} "
            return np.fromiter((run in text for text in self.texts), bool, len(self.texts))
        if key == PROMPT_WORDS:
            low, high = bounds(value) or (int(value), int(value))
            return (self.num_words >= low) & (self.num_words <= high)
        if key in TOPIC_KEYS:
            return are_about(key, value, self.texts)
        if key == IS_ABOUT:
            return has_points(value, self.texts)
        if key in self.tag_keys:
            return with_tag(key, value, self.texts, self.answers)
        if key not in self.fields:
            return np.zeros(len(self.texts), bool)
        inside = np.asarray(self.fields[key] == value, bool)
        if (found := bounds(value)) is not None:
            as_numbers = numbers(self.fields[key])
            inside |= (as_numbers >= found[0]) & (as_numbers <= found[1])
        return inside


def item_table(items: Sequence[Item], fields: Iterable[str]) -> SliceTable:
    """Build a table of items with these document fields and `task`; the text is `Item.text`, without few-shots.

    A field with the name of a tag is one only if a document has it, and then always.
    """
    own = [key for key in TAG_KEYS if any(key in item.document for item in items)]
    named = [name for name in fields if name != "task" and name not in TAG_KEYS]
    columns = {name: _column(item.document.get(name) for item in items) for name in dict.fromkeys([*named, *own])}
    columns["task"] = _column(item.task for item in items)
    texts = _spaced(item.text for item in items)
    return SliceTable(texts=texts, fields=columns, answers=tuple(item.target for item in items))


def row_table(pool: TrainPool, fields: Iterable[str]) -> SliceTable:
    """Build the table of training rows with these metadata fields and `source`; the text of a plain row is all of it.

    A metadata field with the name of a tag is always one.
    """
    known = set(pool.metadata_fields)
    own = [key for key in TAG_KEYS if key in known]
    columns = {name: _column(pool.rows[name][:]) for name in dict.fromkeys([*fields, *own]) if name in known}
    columns[SOURCE] = _column(pool.rows["source"][:])
    prompts, completions = pool.rows["prompt"][:], pool.rows["completion"][:]
    texts = _spaced(p or c for p, c in zip(prompts, completions, strict=True))
    return SliceTable(texts=texts, fields=columns, answers=tuple(completions))


def joined(tables: Sequence[SliceTable]) -> SliceTable:
    """Stack the rows of the tables, in that order; a field that one lacks is missing there."""

    def column(name: str) -> NDArray[np.object_]:
        return np.concatenate([t.fields.get(name, np.full(len(t), None, object)) for t in tables])

    return SliceTable(
        texts=tuple(text for table in tables for text in table.texts),
        fields={name: column(name) for table in tables for name in table.fields},
        answers=tuple(answer for table in tables for answer in table.answers),
    )


def item_members(where: Slice, items: Sequence[Item]) -> NDArray[np.bool_]:
    """Whether each item is in the slice, [num_items]."""
    return item_table(items, [key for key, _ in where.conditions]).members(where)


def row_members(where: Slice, pool: TrainPool) -> NDArray[np.bool_]:
    """Whether each training row is in the slice, [num_rows]."""
    return row_table(pool, [key for key, _ in where.conditions]).members(where)


def num_members(where: Slice, pool: TrainPool) -> int:
    """Count the training rows in the slice, without holding all texts at once."""
    chunks = (range(start, min(start + _CHUNK, len(pool))) for start in range(0, len(pool), _CHUNK))
    return sum(int(row_members(where, pool.select(chunk)).sum()) for chunk in chunks)


def _condition_text(key: str, value: str) -> str:
    if key == PROMPT_CONTAINS:
        return f"{key} '{value}'"
    return f"{key} {value}" if key in (*TOPIC_KEYS, IS_ABOUT, NEAREST) else f"{key} = {value}"


def _spaced(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(f" {' '.join(text.split())} " for text in texts)


def _column(values: Iterable[Any]) -> NDArray[np.object_]:
    return np.array([None if value is None else str(value) for value in values], dtype=object)
