"""An importance sample of a slice too large to be compared row by row.

Data selection with importance resampling (Xie et al. 2023, arXiv 2302.03169, section 3): rows and failed items as bags
of hashed words and pairs of words, a multinomial of each, and rows drawn without replacement in proportion to
p(row | failed items) / p(row | slice) by the Gumbel trick. A mixture with the slice keeps the tail of rows that no
failed item has asked for yet. 20 microseconds a row.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer

NUM_BUCKETS = 10_000
"""As in the paper."""
_UNIFORM = 0.2
"""Of the target: the slice itself."""


def importance_sample(
    rows: Sequence[str], items: Sequence[str], number: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Places of `number` of the rows, ascending; any, where no item is given.

    Args:
        rows: Texts of the slice.
        items: Failed items, question and gold answer.
    """
    if number >= len(rows):
        return np.arange(len(rows), dtype=np.int64)
    noise = rng.gumbel(size=len(rows))
    return np.sort(np.argsort(-(log_weights(rows, items) + noise), kind="stable")[:number]).astype(np.int64)


def log_weights(rows: Sequence[str], items: Sequence[str]) -> NDArray[np.float64]:
    """Logarithm of the importance weight of each row, [num_rows]; 0 where no item is given."""
    if not items:
        return np.zeros(len(rows))
    ratio = log_ratios(rows, items, rows)
    return np.asarray(np.logaddexp(np.log(1 - _UNIFORM) + ratio, np.log(_UNIFORM)), np.float64)


def log_ratios(texts: Sequence[str], asked: Sequence[str], raw: Sequence[str]) -> NDArray[np.float64]:
    """log p(text | asked) - log p(text | raw), [num_texts], nats: multinomials of their hashed words and pairs."""
    words = HashingVectorizer(
        n_features=NUM_BUCKETS, ngram_range=(1, 2), token_pattern=r"\S+", alternate_sign=False, norm=None
    )
    ratio = np.log(_multinomial(words.transform(asked)) / _multinomial(words.transform(raw)))
    return np.asarray(words.transform(texts) @ ratio, np.float64).ravel()


def _multinomial(counts: csr_matrix) -> NDArray[np.float64]:
    """Of the buckets of all texts, with half a word in each so that none is impossible."""
    total = np.asarray(counts.sum(axis=0)).ravel() + 0.5
    return np.asarray(total / total.sum(), np.float64)
