"""Corpus and pool as token rows, tokenised when they are read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import select_rows, text_pairs
from diagnose.rows.tokens import TokenRows, encode


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
        prompts, completions = row_texts(self.corpus, self.pool, self.chosen[indices])
        return encode(prompts, completions, self.tokenizer, "", self.max_length)


def row_texts(corpus: TrainPool, pool: TrainPool | None, rows: NDArray[np.int64]) -> tuple[list[str], list[str]]:
    """Prompts of ascending rows, corpus first and then pool, and completions with their delimiter in front."""
    prompts: list[str] = []
    completions: list[str] = []
    for part in select_rows(corpus, pool, rows):
        for prompt, completion in text_pairs(part):
            prompts.append(prompt)
            completions.append((part.delimiter if prompt else "") + completion)
    return prompts, completions
