"""Find which texts contain which runs of words, as one sparse matrix.

Words become integers once and runs are found on integer arrays, so that 50,000 prompts of 50 words take
about two seconds.
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
    pairs = np.flatnonzero(text_of[1:] == text_of[:-1])
    # The run after a word of code c is numbered (c + 1) * num_words + next, above all single words.
    runs = np.concatenate([flat, (flat[pairs] + 1) * len(words) + flat[pairs + 1]])
    owners = np.concatenate([text_of, text_of[pairs]])
    names, column = np.unique(runs, return_inverse=True)
    holds = csc_array((np.ones(len(runs)), (owners, column)), shape=(len(split), len(names)))
    holds.data[:] = 1  # a run counts once for a text
    kept = np.flatnonzero(np.diff(holds.indptr) >= min_texts)
    return WordGrams(grams=tuple(_name(code, words) for code in names[kept].tolist()), holds=holds[:, kept])


def _name(code: int, words: NDArray[np.object_]) -> str:
    before, last = divmod(code, len(words))
    return str(words[last]) if before == 0 else f"{words[before - 1]} {words[last]}"
