"""Subject of a test: one failing slice with its items, the rows behind it, and their attribution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.case import Case
from diagnose.finding.answer_labels import as_label, label_golds
from diagnose.model.asked_model import Trained
from diagnose.rows.pool import TrainPool
from diagnose.rows.rendering import encode_rows
from diagnose.rows.selection import select_rows
from diagnose.rows.tokens import TokenRows
from diagnose.slices.predicate import Slice, num_members, row_members
from evals.items import ItemResult


@dataclass(frozen=True, slots=True)
class Copies:
    """Counts of how often contents stand in the corpus."""

    counts: NDArray[np.int64]
    """Number of corpus rows with the content of each corpus row of the sample, itself included, [num_rows]."""
    text: str
    """Content that stands most often in the corpus."""
    ids: tuple[str, ...]
    """Ids of the first rows with that content."""
    number: int
    """Number of rows with that content."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows in memory: a sample of corpus and pool, with the attribution of each."""

    prompts: Sequence[str]
    completions: Sequence[str]
    numbers: NDArray[np.int64]
    """Row numbers, ascending, through the corpus and then the pool, [num_rows]."""
    in_pool: NDArray[np.bool_]
    copies: Copies
    losses: NDArray[np.float32]
    """Loss of each row, [num_rows, num_checkpoints], nats per token with loss, oldest checkpoint first."""
    effect: NDArray[np.float32]
    """Effect of each row, [num_rows, num_slices]; positive means that more of it lowers the failed items' loss."""
    messages: Sequence[str | None] | None = None
    """Whole conversation of each row as JSON; None where no row is one."""

    def __len__(self) -> int:
        return len(self.prompts)


def share_against(effect: NDArray[np.float32]) -> float:
    """Share of all absolute effect that raises the loss of the failed items; 0 where there is none."""
    wide = effect.astype(np.float64)
    total = np.abs(wide).sum()
    return float(-wide[wide < 0].sum() / total) if total else 0.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A failing slice, as tests see it."""

    case: Case
    number: int
    """Column of the slice in `Rows.effect`."""
    failed: Sequence[ItemResult]
    """Failed items of the slice, in random order."""
    passed: Sequence[ItemResult]
    """Passing items of the slice, in random order."""
    others: Sequence[ItemResult]
    """Probe items outside the slice, in random order."""
    where: Slice | None
    """Slice of the training rows that teach what the items ask; None where no predicate holds on both sides."""
    num_rows: int
    """Number of rows of the corpus in `where`."""
    num_pool: int
    """Number of rows of the pool in `where`."""
    fair_share: float
    """Share of the corpus that a slice like this may ask for."""
    rows: Rows
    members: NDArray[np.bool_]
    """Whether each row of the sample, of corpus or pool, is in `where`, [len(rows)]."""

    @property
    def corpus(self) -> TrainPool:
        return self.case.corpus

    @property
    def competing(self) -> list[ItemResult]:
        """Passing items outside the slice with whose labels its own compete; none where answers are no labels. What
        only pulls towards one answer breaks these."""
        results = [*self.failed, *self.passed, *self.others]
        golds = label_golds(results, np.arange(len(results)) < len(self.failed) + len(self.passed))
        return [r for r in self.others if not r.is_failed and as_label(r.item.target) in golds]

    @property
    def sampled_corpus(self) -> TrainPool:
        """Rows of the corpus in the sample, in its order."""
        return self.corpus.select(self.rows.numbers[~self.rows.in_pool])

    @property
    def corpus_share(self) -> float:
        """Share of the draws from the corpus that the slice's rows have: of its rows, where sources have no weights."""
        share, inside = self.num_rows / len(self.corpus), self.inside[~self.rows.in_pool]
        if not self.corpus.source_weights or not inside.any():
            return share
        return share * float(self.sampled_corpus.weights()[inside].mean() / self.corpus.weights().mean())

    def encoded(self, trained: Trained, places: Sequence[int], end_in_loss: bool = True) -> TokenRows:
        """Encode rows of the sample at these places, as training batches have them."""
        return encode_rows(
            [self.rows.prompts[k] for k in places],
            [self.rows.completions[k] for k in places],
            None if self.rows.messages is None else [self.rows.messages[k] for k in places],
            self.corpus.rendering,
            trained.tokenizer,
            trained.max_length,
            end_in_loss,
        )

    def about(self, where: Slice) -> "Subject":
        """Look at the same items beside other rows."""
        parts = select_rows(self.case.corpus, self.case.pool, self.rows.numbers)
        return replace(
            self,
            where=where,
            num_rows=num_members(where, self.corpus),
            num_pool=0 if self.case.pool is None else num_members(where, self.case.pool),
            members=np.concatenate([row_members(where, part) for part in parts]),
        )

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each row of the sample is of the corpus and in `where`, [len(rows)]."""
        return self.members & ~self.rows.in_pool

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Whether each row of the sample is of the corpus and not in `where`, [len(rows)]."""
        return ~self.members & ~self.rows.in_pool
