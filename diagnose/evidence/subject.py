"""What a test is given: one failing slice with its items, the rows behind it, and the model's own words on both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from diagnose.case import Case
from diagnose.rows.pool import TrainPool
from diagnose.rows.tokens import TokenRows, encode
from diagnose.slices.predicate import Slice
from evals.items import Answered, Edited, Item, ItemResult


class Asker(Protocol):
    """Asks the measured model probe items under other prompts; `evals.harness.asking` is one."""

    num_tokens: int

    def can_ask(self, item: Item) -> bool: ...

    def has_room(self, edit: Edited) -> bool: ...

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]: ...

    def score(self, answered: Sequence[Answered]) -> list[ItemResult | None]:
        """Answers as the task's filters leave them, by its own metrics; the model is not asked."""
        ...


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
class Trained:
    """The measured model, and how rows become batches in its training."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    end_in_loss: bool | None
    """None where the model was trained elsewhere."""
    batch_tokens: int

    def encode(self, rows: Sequence[tuple[str, str]], delimiter: str, end_in_loss: bool = True) -> TokenRows:
        """Prompts and completions as batches have them."""
        prompts, completions = [prompt for prompt, _ in rows], [completion for _, completion in rows]
        return encode(prompts, completions, self.tokenizer, delimiter, self.max_length, end_in_loss)

    def encode_answers(self, items: Sequence[Item], answers: Sequence[str]) -> TokenRows:
        """Answers to items as attribution has them."""
        completions = [
            (item.delimiter if item.prompt else "") + answer for item, answer in zip(items, answers, strict=True)
        ]
        return encode([item.prompt for item in items], completions, self.tokenizer, "", self.max_length)


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
