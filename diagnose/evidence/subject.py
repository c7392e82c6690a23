"""What a test is given: one failing slice with its items, the rows behind it, and the model's own words on both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.case import Case
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import Slice
from evals.items import ItemResult


@dataclass(frozen=True, slots=True)
class Copies:
    """How often contents stand in the corpus."""

    counts: NDArray[np.int64]
    """Of each row of the sample that is of the corpus, itself included."""
    text: str
    """The content that stands there most often."""
    ids: tuple[str, ...]
    """The first rows that have it."""
    number: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows in memory: a sample of corpus and pool, with what attribution says of each."""

    prompts: Sequence[str]
    completions: Sequence[str]
    numbers: NDArray[np.int64]
    """Counted through the corpus and then the pool."""
    in_pool: NDArray[np.bool_]
    copies: Copies
    losses: NDArray[np.float32]
    """[num_rows, num_checkpoints], nats for each token with loss, oldest first."""
    effect: NDArray[np.float32]
    """[num_rows, num_slices]; positive means that more of the row lowers the loss of the slice's failed items."""

    def __len__(self) -> int:
        return len(self.prompts)


def share_against(effect: NDArray[np.float32]) -> float:
    """Of all absolute effect, the share that raises the loss of the failed items; 0 where there is none."""
    wide = effect.astype(np.float64)
    total = np.abs(wide).sum()
    return float(-wide[wide < 0].sum() / total) if total else 0.0


@dataclass(frozen=True, slots=True)
class Subject:
    """One failing slice."""

    case: Case
    number: int
    """Its column in `Rows.effect`."""
    failed: Sequence[ItemResult]
    """In random order."""
    passed: Sequence[ItemResult]
    """Of the slice, in random order."""
    others: Sequence[ItemResult]
    """Probe items outside the slice, in random order."""
    where: Slice | None
    """Over training rows: the rows that teach what the items ask; None where no predicate reads so on both."""
    num_rows: int
    """Rows of the corpus there."""
    num_pool: int
    """Rows of the pool there."""
    fair_share: float
    """Of the corpus that a slice like this may ask for."""
    rows: Rows
    members: NDArray[np.bool_]
    """[len(rows)]; whether the row is in `where`, of corpus or pool."""

    @property
    def corpus(self) -> TrainPool:
        return self.case.corpus

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Corpus rows of the sample in `where`, [len(rows)]."""
        return self.members & ~self.rows.in_pool

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Corpus rows of the sample that are not."""
        return ~self.members & ~self.rows.in_pool
