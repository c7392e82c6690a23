"""Corpus and pool as token rows, tokenised when they are read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.rows.pool import TrainPool
from diagnose.rows.rendering import encode_pool
from diagnose.rows.selection import select_rows
from diagnose.rows.tokens import TokenRows, concatenated


@dataclass(frozen=True, slots=True)
class TrainRows:
    """A `TokenSource` of the rows `chosen`, ascending row numbers, corpus first and then pool."""

    corpus: TrainPool
    pool: TrainPool | None
    chosen: NDArray[np.int64]
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    """Most tokens of a row, as in training."""

    def __len__(self) -> int:
        return len(self.chosen)

    def select(self, indices: NDArray[np.int64]) -> TokenRows:
        """Encode the rows at `indices` of `chosen`, ascending."""
        parts = select_rows(self.corpus, self.pool, self.chosen[indices])
        return concatenated([encode_pool(part, self.tokenizer, self.max_length) for part in parts if len(part)])
