"""Choose rows that cover a slice: facility location over hidden states and words.

Of SCAN's rows those with the highest attribution are near copies of each other and lose to random ones; a random draw
inside the right slice wins. In pools that are like the items nothing was found to beat that draw (docs/LOG.md), and no
pool need be so: rows are chosen so that everything to be covered has a chosen row near it,

    f(A) = sum_i w_i max_{j in A} s_ij,

with i over the rows of the slice and w_i their importance for the failed items. Greedy choice is within 1 - 1/e of the
best (Nemhauser et al. 1978), the first rows of a longer choice are a shorter one. Two seconds for 400 of 4,000.
"""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

MOST_ROWS = 4_000
"""Most rows that are compared with each other: the matrix of their similarities has 64 MB."""


def similarity(rows: Sequence[str], states: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Similarity of rows to each other, [num_rows, num_rows], in [-1, 1].

    Args:
        rows: Texts.
        states: [num_rows, hidden_size], mean hidden states; None where the model may not be used. With
            states, the similarity is the mean of both cosines.
    """
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", alternate_sign=False, dtype=np.float32)
    counts = words.transform(rows)
    near = np.asarray((counts @ counts.T).toarray(), np.float32)
    if states is None:
        return near
    centred = states - states.mean(axis=0)  # what all rows have in common distinguishes none
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return np.asarray((near + centred @ centred.T) / 2, np.float32)


def covering(near: NDArray[np.float32], weights: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    """Choose rows greedily, in the order of choice, [min(number, num_rows)].

    Args:
        near: Matrix from `similarity`.
        weights: Weight of each row to be covered, [num_rows].
        number: Number of rows to choose.
    """
    shares = (weights / weights.sum()).astype(np.float32)
    best = np.full(len(near), near.min(), np.float32)
    # Gains only fall while rows are added (accelerated greedy, Minoux 1978): those that were first are computed again.
    queue = [(-float(gain), row) for row, gain in enumerate((near - best) @ shares)]
    heapq.heapify(queue)
    chosen: list[int] = []
    while queue and len(chosen) < number:
        _, row = heapq.heappop(queue)
        gain = -float(np.maximum(near[row] - best, 0) @ shares)
        if queue and gain > queue[0][0] + 1e-9:
            heapq.heappush(queue, (gain, row))
            continue
        chosen.append(row)
        best = np.maximum(best, near[row])
    return np.array(chosen, np.int64)
