"""Measure how near rows lie to failed items, compared with how near these lie to each other, and which are of one kind.

A view (words, hidden states) measures how near the nearest other items are to rows and items, in a unit of its own. The
share of the failed items that are no nearer to the others is comparable: the degree of a row, in [0, 1], is the mean of
these shares over the views.

Which rows are inside: rows are a mixture of a share pi that lies as near as the items do, and of others, of which
nothing is known. Where the items of at least a degree t are the share F(t) of all and the rows G(t), pi is at most G(t)
/ F(t) for every t (Blanchard, Lee and Scott 2010, Semi-supervised novelty detection), and the least of these bounds is
taken, over degrees that at least the nearer half of the items has; of G the upper end of its interval, for of few rows
the least would be chance. Rows from the degree on are inside where 2 pi F(t) - G(t), the expected rows of the kind less
the others, is largest. So a corpus without any is found to have none, one of nothing else to have all, and no number
was chosen for a data set.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from diagnose.rows.bm25 import scores_of_each
from evals.statistics.intervals import wilson

NEIGHBOURS = 5
"""Rank of the near item that counts: up to four near copies, or other questions about one passage, do not."""
_NEARER = 0.5
"""Smallest share of the items that bounds the mixture: of fewer, farther in the tail, the ratio is chance."""
_CHUNK = 8_192


def by_words(rows: Sequence[str], items: Sequence[str], neighbour: int = 1) -> NDArray[np.float64]:
    """BM25 of rows, then items, with the `neighbour`-th nearest other item, [num_rows + num_items].

    It is a share of the item's score with itself, since long items score more.
    """
    best = np.zeros((len(rows) + len(items), min(neighbour, max(len(items) - 1, 1))), np.float32)
    for number, scores in enumerate(scores_of_each(items, [*rows, *items])):
        own = len(rows) + number
        share = scores / max(float(scores[own]), 1e-9)
        share[own] = 0
        last = np.argmin(best, axis=1)
        places = np.arange(len(best))
        best[places, last] = np.maximum(best[places, last], share)
    return np.asarray(best.min(axis=1), np.float64)


def by_states(rows: NDArray[np.float32], items: NDArray[np.float32], neighbour: int = 1) -> NDArray[np.float64]:
    """Negative distance of rows, then items, to the `neighbour`-th nearest other item, [num_rows + num_items].

    Args:
        rows: Mean hidden states of rows, [num_rows, hidden_size].
        items: Mean hidden states of items, [num_items, hidden_size].
    """
    states, which = np.concatenate([rows, items]), min(neighbour, max(len(items) - 1, 1)) - 1
    found = []
    for start in range(0, len(states), _CHUNK):
        away = cdist(states[start : start + _CHUNK], items)
        own = np.arange(start, start + len(away)) - len(rows)
        is_item = np.flatnonzero(own >= 0)
        away[is_item, own[is_item]] = np.inf
        found.append(np.partition(away, which, axis=1)[:, which])
    return -np.concatenate(found)


def shares(near: NDArray[np.float64], items: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the items that are no nearer than each of `near`, in [0, 1], [len(near)]."""
    return np.asarray(np.searchsorted(np.sort(items), near, side="right") / len(items))


def least_degree(rows: NDArray[np.float64], items: NDArray[np.float64]) -> float:
    """Degree from which rows are of the items' kind; infinite where none is.

    Args:
        rows: Degrees of the rows, [num_rows].
        items: Degrees of the items by the same views, [num_items].
    """
    if not len(rows):
        return np.inf
    degrees = np.unique(items)
    of_items = 1 - np.searchsorted(np.sort(items), degrees, side="left") / len(items)
    num_rows = len(rows) - np.searchsorted(np.sort(rows), degrees, side="left")
    counts = of_items >= _NEARER
    most = np.array([wilson(number, len(rows)).high for number in num_rows[counts].tolist()])
    share = min(1.0, float((most / of_items[counts]).min()))
    gain = 2 * share * of_items - num_rows / len(rows)
    return float(degrees[np.argmax(gain)]) if gain.max() > 0 else np.inf
