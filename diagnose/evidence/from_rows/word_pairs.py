"""Predict plain text by pairs of tokens: the least that a model of it has to beat.

Tokens and pairs of tokens are counted in other rows; a pair's probability is interpolated with that of its second
token, and that with an equal share for every token of the vocabulary, by Witten and Bell's rule (1991, IEEE
Transactions on Information Theory 37, method C): a token that has `t` different successors in `c` places gives `t` of
`c + t` parts of the probability away. It has no constant to set. One sort of the counted tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from diagnose.rows.tokens import TokenRows


@dataclass(frozen=True, slots=True)
class WordPairs:
    """Counts of pairs of tokens over rows of text."""

    counts: csr_matrix
    """Number of times that the second token follows the first, [vocabulary, vocabulary]."""

    def log_likelihood(self, rows: TokenRows) -> NDArray[np.float64]:
        """Sum log-likelihoods over tokens with loss that have one before them, as for a model, [num_rows], nats."""
        first, second, number = _successions(rows)
        if not len(first):
            return np.zeros(len(rows))
        single = self._single(second)
        places, successors = self.counts.sum(axis=1).A1[first], np.diff(self.counts.indptr)[first]
        seen = np.asarray(self.counts[first, second]).ravel()
        paired = (seen + successors * single) / np.maximum(places + successors, 1)
        each = np.log(np.where(places > 0, paired, single))
        return np.bincount(number, weights=each, minlength=len(rows)).astype(np.float64)

    def log_likelihood_of_singles(self, rows: TokenRows) -> NDArray[np.float64]:
        """Sum log-likelihoods as `log_likelihood` does, each token by its frequency alone, [num_rows], nats."""
        _, second, number = _successions(rows)
        return np.bincount(number, weights=np.log(self._single(second)), minlength=len(rows)).astype(np.float64)

    def _single(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        totals = self.counts.sum(axis=0).A1
        num_words = max(1, int(np.count_nonzero(totals)))
        return np.asarray((totals[tokens] + num_words / len(totals)) / (totals.sum() + num_words))


def count_pairs(rows: TokenRows, vocabulary: int) -> WordPairs:
    """Count the tokens with loss, each with the one before it.

    Args:
        rows: Rows of text.
        vocabulary: Number of different tokens.
    """
    first, second, _ = _successions(rows)
    each = np.ones(len(first), np.int64)
    return WordPairs(csr_matrix((each, (first, second)), shape=(vocabulary, vocabulary)))


def _successions(rows: TokenRows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pair each token with loss, except a row's first, with the one before it; also gives its row's number."""
    number = np.repeat(np.arange(len(rows)), rows.lengths)
    second = np.flatnonzero(rows.has_loss.astype(bool))
    second = second[second > rows.offsets[number[second]]]
    ids = rows.ids.astype(np.int64)
    return ids[second - 1], ids[second], number[second]
