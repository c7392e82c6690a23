"""Predict plain text by pairs of tokens: the least that a model of it has to beat.

Tokens and pairs of tokens are counted in other rows; a pair's probability is interpolated with that of its second
token, and that with an equal share for every token of the vocabulary, by Witten and Bell's rule (1991, IEEE
Transactions on Information Theory 37, method C): a token that has `t` different successors in `c` places gives `t` of
`c + t` parts of the probability away. It has no constant to set. One sort of the counted tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.tokens import TokenRows


@dataclass(frozen=True, slots=True)
class WordPairs:
    """Counts of tokens and of pairs of tokens over rows of text."""

    vocabulary: int
    totals: NDArray[np.int64]
    """Number of times that each token follows another one, [vocabulary]."""
    places: NDArray[np.int64]
    """Number of times that each token has a successor, [vocabulary]."""
    successors: NDArray[np.int64]
    """Number of different successors of each token, [vocabulary]."""
    pairs: NDArray[np.int64]
    """Distinct pairs, each as first token times `vocabulary` plus the second, ascending, [num_pairs]."""
    counts: NDArray[np.int64]
    """Number of times that each of `pairs` occurs, [num_pairs]."""

    def log_likelihood(self, rows: TokenRows) -> NDArray[np.float64]:
        """Sum log-likelihoods over tokens with loss that have one before them, as for a model, [num_rows], nats."""
        first, second, number = _successions(rows)
        single = self._single(second)
        places, successors = self.places[first], self.successors[first]
        seen = self._count(first * self.vocabulary + second)
        paired = (seen + successors * single) / np.maximum(places + successors, 1)
        each = np.log(np.where(places > 0, paired, single))
        return np.bincount(number, weights=each, minlength=len(rows)).astype(np.float64)

    def log_likelihood_of_singles(self, rows: TokenRows) -> NDArray[np.float64]:
        """Sum log-likelihoods as `log_likelihood` does, each token by its frequency alone, [num_rows], nats."""
        _, second, number = _successions(rows)
        return np.bincount(number, weights=np.log(self._single(second)), minlength=len(rows)).astype(np.float64)

    def _single(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        num_words = max(1, int(np.count_nonzero(self.totals)))
        found: NDArray[np.float64] = (self.totals[tokens] + num_words / self.vocabulary) / (
            self.totals.sum() + num_words
        )
        return found

    def _count(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(self.pairs):
            return np.zeros(len(keys), np.int64)
        at = np.minimum(np.searchsorted(self.pairs, keys), len(self.pairs) - 1)
        return np.where(self.pairs[at] == keys, self.counts[at], 0)


def count_pairs(rows: TokenRows, vocabulary: int) -> WordPairs:
    """Count the tokens with loss, each with the one before it.

    Args:
        rows: Rows of text.
        vocabulary: Number of different tokens.
    """
    first, second, _ = _successions(rows)
    pairs, counts = np.unique(first * vocabulary + second, return_counts=True)
    return WordPairs(
        vocabulary=vocabulary,
        totals=np.bincount(second, minlength=vocabulary),
        places=np.bincount(first, minlength=vocabulary),
        successors=np.bincount(pairs // vocabulary, minlength=vocabulary),
        pairs=pairs,
        counts=counts,
    )


def _successions(rows: TokenRows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pair each token with loss, except a row's first, with the one before it; also gives its row's number."""
    number = np.repeat(np.arange(len(rows)), rows.lengths)
    second = np.flatnonzero(rows.has_loss.astype(bool))
    second = second[second > rows.offsets[number[second]]]
    ids = rows.ids.astype(np.int64)
    return ids[second - 1], ids[second], number[second]
