"""Corpus and pool as token rows, tokenised when they are read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.rows.pool import TrainPool
from diagnose.rows.rendering import encode_pool
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
        rows, first, parts = self.chosen[indices], 0, []
        for source in (self.corpus, self.pool):
            if source is None:
                continue
            here = rows[(rows >= first) & (rows < first + len(source))] - first
            if len(here):
                parts.append(encode_pool(source.select(here), self.tokenizer, self.max_length))
            first += len(source)
        return concatenated(parts)
