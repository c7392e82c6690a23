"""Find which texts contain which runs of words, as one sparse matrix.

Words become integers once and runs are found on integer arrays, so that 50,000 prompts of 50 words take
about two seconds; rare runs are dropped before the matrix is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array


@dataclass(frozen=True, slots=True)
class WordGrams:
    grams: tuple[str, ...]
    """Runs of words with one space between them."""
    holds: csc_array
    """Matrix with 1 where the text contains the run, [num_texts, num_grams]."""


def word_grams(texts: Sequence[str], min_texts: int) -> WordGrams:
    """Find single words and pairs of neighbours that at least `min_texts` texts contain."""
    split = [text.split() for text in texts]
    lengths = np.fromiter(map(len, split), np.int64, len(split))
    codes: dict[str, int] = {}
    flat = np.fromiter(
        (codes.setdefault(word, len(codes)) for word in chain.from_iterable(split)), np.int64, lengths.sum()
    )
    words = np.array(list(codes), dtype=object)
    text_of = np.repeat(np.arange(len(split)), lengths)
    pairs = np.flatnonzero(text_of[1:] == text_of[:-1]) if len(flat) else np.empty(0, np.int64)
    # The run after a word of code c is numbered (c + 1) * num_words + next, above all single words.
    runs = np.concatenate([flat, (flat[pairs] + 1) * len(words) + flat[pairs + 1]])
    owners = np.concatenate([text_of, text_of[pairs]])
    return _matrix(runs, owners, len(split), words, min_texts)


def _matrix(
    runs: NDArray[np.int64],
    owners: NDArray[np.int64],
    num_texts: int,
    words: NDArray[np.object_],
    min_texts: int,
) -> WordGrams:
    """Build the matrix with each (run, text) once, without runs of too few texts."""
    order = np.lexsort((owners, runs))
    runs, owners = runs[order], owners[order]
    first = np.ones(len(runs), bool)
    first[1:] = (runs[1:] != runs[:-1]) | (owners[1:] != owners[:-1])
    runs, owners = runs[first], owners[first]
    names, column, counts = np.unique(runs, return_inverse=True, return_counts=True)
    kept = counts >= max(min_texts, 1)
    is_kept = kept[column]
    new_column = np.cumsum(kept) - 1
    holds = csc_array(
        (np.ones(int(is_kept.sum()), np.float64), (owners[is_kept], new_column[column[is_kept]])),
        shape=(num_texts, int(kept.sum())),
    )
    return WordGrams(grams=tuple(_name(code, words) for code in names[kept].tolist()), holds=holds)


def _name(code: int, words: NDArray[np.object_]) -> str:
    before, last = divmod(code, len(words))
    return str(words[last]) if before == 0 else f"{words[before - 1]} {words[last]}"
