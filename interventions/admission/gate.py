"""Quality gate that every added row passes, for fixes and controls alike, and the rows that it leaves.

Blocked are near copies of evaluation items of any split, rows that the corpus has already, rows that repeat an added
one (both by `diagnose.rows.copies`: the same but for case, space and punctuation, and near copies of long texts), rows
without an answer, far longer than any of the corpus, in a script that the corpus does not have, or under a licence that
was not allowed. Rows of the corpus that are near copies of items leave every arm. Cost: about 20 microseconds for a
short row, 100 for one of 35 words.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from diagnose.rows import copies
from diagnose.rows.messages import with_answer
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import evenly_spaced, text_pairs

EVALUATION_ITEM = "near copy of an evaluation item"
IN_CORPUS = "already in the corpus"
REPEATED = "repeats an added row"
NO_ANSWER = "has no answer"
TOO_LONG = "far longer than any row of the corpus"
OTHER_SCRIPT = "in a script that the corpus does not have"
LICENCE = "under a licence that is not allowed"
LICENCE_FIELDS = ("license", "licence")
_SAMPLE = 5_000
"""Rows of the corpus that are sampled to learn lengths and scripts."""
_MUCH_LONGER = 4
"""Multiple of the longest sampled row, in words, beyond which a row is too long."""
_LEAST_LETTERS = 10
"""Fewest letters of a text whose script is determined."""
_RARE = 0.002
"""Share of the corpus's letters that a script must exceed to be one of its own."""


class EvaluationIndex(Protocol):
    """Part of `evals.leaks.item_index.ItemIndex` that the gate uses."""

    def matches(self, texts: Iterable[tuple[str, str]]) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """Rows that passed, and those that did not."""

    rows: NDArray[np.int64]
    """Row numbers, in the order in which they were given."""
    blocked: Mapping[str, str]
    """Id of each blocked row, with the reason."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Rules that added rows must meet."""

    index: EvaluationIndex
    most_words: int
    scripts: frozenset[str]
    """Scripts of the corpus, as in the names of letters: LATIN, CYRILLIC, CJK; if empty, any is admitted."""
    licences: frozenset[str]
    """Allowed licences in lower case; if empty, all are. Rows that name no licence pass."""

    def faults(self, pool: TrainPool, rows: NDArray[np.int64]) -> list[str]:
        """Fault of each row by itself, [num_rows]; empty where it has none."""
        part = pool.rows.select(rows)
        prompts, completions = part["prompt"][:], part["completion"][:]
        is_item = self.index.matches(zip(prompts, completions, strict=True)).tolist()
        named = next((part[name][:] for name in LICENCE_FIELDS if name in part.column_names), [None] * len(rows))
        return [
            EVALUATION_ITEM if repeats else self._fault(prompt, completion, licence)
            for prompt, completion, repeats, licence in zip(prompts, completions, is_item, named, strict=True)
        ]

    def _fault(self, prompt: str, completion: str, licence: object) -> str:
        if not completion.strip():
            return NO_ANSWER
        if prompt.count(" ") + completion.count(" ") > self.most_words:
            return TOO_LONG
        if self.scripts and (script := _script(f"{prompt} {completion}")) and script not in self.scripts:
            return OTHER_SCRIPT
        if self.licences and licence is not None and str(licence).casefold() not in self.licences:
            return LICENCE
        return ""


def make_gate(corpus: TrainPool, index: EvaluationIndex, licences: Collection[str] = ()) -> Gate:
    """Make the gate to a corpus.

    Args:
        corpus: Rows that define how long rows may be, and their scripts.
        index: Index of the evaluation items of all splits.
        licences: Licences that rows may name; if empty, all are allowed.
    """
    sample = corpus.select(evenly_spaced(len(corpus), _SAMPLE))
    texts = [f"{prompt} {completion}" for prompt, completion in text_pairs(sample)]
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(_scripts(text))
    return Gate(
        index=index,
        most_words=_MUCH_LONGER * max((text.count(" ") for text in texts), default=0),
        scripts=frozenset(script for script, count in letters.items() if count > _RARE * letters.total()),
        licences=frozenset(licence.casefold() for licence in licences),
    )


def _script(text: str) -> str:
    """Script of most letters; empty for texts of few letters, as numbers and code."""
    scripts = _scripts(text)
    return scripts.most_common(1)[0][0] if scripts.total() >= _LEAST_LETTERS else ""


def _scripts(text: str) -> Counter[str]:
    """Number of letters in each script."""
    if text.isascii():
        return Counter(LATIN=sum(map(str.isalpha, text)))
    return Counter(unicodedata.name(letter, "UNKNOWN").split(" ", 1)[0] for letter in text if letter.isalpha())


@dataclass(frozen=True)
class Stock:
    """Rows that mixes are made from: the corpus without evaluation items, and the pool. Without slots, so that what is
    computed over all rows is cached."""

    corpus: TrainPool
    kept: NDArray[np.int64]
    """Rows of the corpus that stay."""
    removed: tuple[str, ...]
    """Ids of the other rows, near copies of evaluation items."""
    pool: TrainPool | None
    gate: Gate

    @cached_property
    def draws(self) -> NDArray[np.float64]:
        """Share of the draws that each row that stays has where no fix changes it, [num_kept], sum 1."""
        return self.corpus.select(self.kept).draws()

    @cached_property
    def said(self) -> frozenset[str]:
        """`contents` of the rows that stay."""
        return frozenset(contents(self.corpus, self.kept))

    @cached_property
    def faults(self) -> tuple[str, ...]:
        """Fault of each row that stays by itself, [num_kept]; empty where it has none."""
        return tuple(self.gate.faults(self.corpus, self.kept))


def take_stock(
    corpus: TrainPool, pool: TrainPool | None, index: EvaluationIndex, licences: Collection[str] = ()
) -> Stock:
    """Take the corpus without evaluation items, and the gate to it; arguments as for `make_gate`.

    Raises:
        ValueError: every row of the corpus is an evaluation item.
    """
    matches = index.matches(text_pairs(corpus))
    kept = np.flatnonzero(~matches).astype(np.int64)
    if not len(kept):
        raise ValueError(
            f"all {len(corpus)} rows of corpus.train are near copies of evaluation items, so nothing may be "
            "trained on; give a corpus that does not contain the evaluation"
        )
    removed = corpus.rows.select(np.flatnonzero(matches))["id"][:]
    return Stock(corpus=corpus, kept=kept, removed=tuple(removed), pool=pool, gate=make_gate(corpus, index, licences))


def contents(pool: TrainPool, rows: NDArray[np.int64]) -> list[str]:
    """Normalised prompt and completion of each row; equal for rows that are the same."""
    return list(copies.contents(pool.select(rows)))


def made_from(parents: TrainPool, kind: str, columns: Mapping[str, Sequence[str]]) -> TrainPool:
    """Copy the parents with these columns replaced, and ids that name parent and kind.

    A conversation with another answer keeps its other turns; one with another prompt is that prompt and its answer.
    """
    rows = parents.rows.to_dict()
    rows |= {"id": [f"{key}~{kind}" for key in rows["id"]], **columns}
    if "messages" in rows and "prompt" in columns:
        rows["messages"] = [None] * len(rows["id"])
    elif "messages" in rows and "completion" in columns:
        rows["messages"] = [
            with_answer(turns, answer) if turns else None
            for turns, answer in zip(rows["messages"], columns["completion"], strict=True)
        ]
    made = Dataset.from_dict(rows, features=parents.rows.features)
    return TrainPool(made, parents.rendering, source_weights=parents.source_weights)


def admit(pool: TrainPool, rows: NDArray[np.int64], gate: Gate, known: Collection[str]) -> Admitted:
    """Admit rows of the pool that may be added; of near copies among them only the first.

    Near copies are searched among all long rows, of `rows` and of `known`: 30 microseconds each, and none where no
    given row is long.

    Args:
        rows: Row numbers of the pool.
        gate: Gate to the corpus.
        known: `contents` that the corpus has already.
    """
    said = contents(pool, rows)
    distinct = _distinct(pool, rows, gate, known, said)
    said_by = dict(zip(rows.tolist(), said, strict=True))
    distinct_texts = [said_by[row] for row in distinct.rows.tolist()]
    if not any(map(copies.has_near_copies, distinct_texts)):
        return distinct
    first = copies.first_alike([*known, *distinct_texts])[len(known) :]
    is_first = first == np.arange(len(known), len(known) + len(distinct_texts))
    ids = pool.rows.select(distinct.rows)["id"][:]
    near = {
        key: IN_CORPUS if other < len(known) else REPEATED
        for key, other, new in zip(ids, first.tolist(), is_first.tolist(), strict=True)
        if not new
    }
    return Admitted(rows=distinct.rows[is_first], blocked={**distinct.blocked, **near})


def admit_edited(pool: TrainPool, rows: NDArray[np.int64], gate: Gate, known: Collection[str]) -> Admitted:
    """Admit rows as `admit` does, but for edits of corpus rows, which are near copies of these by intent: only equal
    contents repeat."""
    return _distinct(pool, rows, gate, known, contents(pool, rows))


def _distinct(
    pool: TrainPool, rows: NDArray[np.int64], gate: Gate, known: Collection[str], said: Sequence[str]
) -> Admitted:
    seen: set[str] = set()
    passed: list[int] = []
    blocked: dict[str, str] = {}
    ids = pool.rows.select(rows)["id"][:]
    for row, key, content, fault in zip(rows.tolist(), ids, said, gate.faults(pool, rows), strict=True):
        if fault:
            blocked[key] = fault
        elif content in known:
            blocked[key] = IN_CORPUS
        elif content in seen:
            blocked[key] = REPEATED
        else:
            seen.add(content)
            passed.append(row)
    return Admitted(rows=np.array(passed, np.int64), blocked=blocked)
