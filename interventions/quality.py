"""The gate that every added row passes, for fixes and controls alike, and what is left behind it.

Blocked are near copies of evaluation items of any split, rows that the corpus has already, and rows that
repeat an added one (case, space and punctuation aside). Rows of the corpus that are near copies of items
leave every arm. Cost: about 20 microseconds for a short row.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diagnose.pool import TrainPool
from evals.near_copies import normalise

EVALUATION_ITEM = "near copy of an evaluation item"
IN_CORPUS = "already in the corpus"
REPEATED = "repeats an added row"


class EvaluationIndex(Protocol):
    """What `evals.index.ItemIndex` can be asked."""

    def matches(self, texts: Iterable[tuple[str, str]]) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """Rows that passed, and those that did not."""

    rows: NDArray[np.int64]
    """Row numbers, in the order in which they were asked for."""
    blocked: Mapping[str, str]
    """Id of each blocked row, with the reason."""

    @property
    def num_blocked(self) -> Mapping[str, int]:
        """Blocked rows by reason."""
        return dict(Counter(self.blocked.values()))


@dataclass(frozen=True, slots=True)
class Stock:
    """What mixes are made from: the corpus without evaluation items, and the pool."""

    corpus: TrainPool
    kept: NDArray[np.int64]
    """Rows of the corpus that stay."""
    removed: tuple[str, ...]
    """Ids of the others, near copies of evaluation items."""
    pool: TrainPool | None
    index: EvaluationIndex


def take_stock(corpus: TrainPool, pool: TrainPool | None, index: EvaluationIndex) -> Stock:
    """The corpus through the gate.

    Raises:
        ValueError: every row of the corpus is an evaluation item.
    """
    matches = index.matches(zip(corpus.rows["prompt"][:], corpus.rows["completion"][:], strict=True))
    kept = np.flatnonzero(~matches).astype(np.int64)
    if not len(kept):
        raise ValueError(
            f"all {len(corpus)} rows of corpus.train are near copies of evaluation items, so nothing may be "
            "trained on; give a corpus that does not contain the evaluation"
        )
    removed = corpus.rows.select(np.flatnonzero(matches))["id"][:]
    return Stock(corpus=corpus, kept=kept, removed=tuple(removed), pool=pool, index=index)


def contents(pool: TrainPool, rows: NDArray[np.int64]) -> list[str]:
    """What makes a row the same as another one."""
    part = pool.rows.select(rows)
    return [
        f"{normalise(prompt)}\x00{normalise(completion)}"
        for prompt, completion in zip(part["prompt"][:], part["completion"][:], strict=True)
    ]


def admit(pool: TrainPool, rows: NDArray[np.int64], index: EvaluationIndex, known: Collection[str]) -> Admitted:
    """Rows of the pool that may be added.

    Args:
        rows: Row numbers of the pool.
        known: `contents` that are there already.
    """
    part = pool.rows.select(rows)
    matches = index.matches(zip(part["prompt"][:], part["completion"][:], strict=True))
    seen: set[str] = set()
    passed: list[int] = []
    blocked: dict[str, str] = {}
    for row, key, content, is_item in zip(
        rows.tolist(), part["id"][:], contents(pool, rows), matches.tolist(), strict=True
    ):
        if is_item:
            blocked[key] = EVALUATION_ITEM
        elif content in known:
            blocked[key] = IN_CORPUS
        elif content in seen:
            blocked[key] = REPEATED
        else:
            seen.add(content)
            passed.append(row)
    return Admitted(rows=np.array(passed, np.int64), blocked=blocked)
