"""Which rows cover what is asked: facility location over hidden states and words.

Of SCAN's rows those with the highest attribution are near copies of each other and lose to random ones; a random draw
inside the right slice wins. Better still are rows of which one is near to everything that is to be covered,

    f(A) = sum_i w_i max_{j in A} s_ij,

with i over the rows of the slice, half of the weight, and the failed items, the other half: the kinds of items that
fail most get most rows (the targeted facility location of Kothawade et al. 2021, arXiv 2103.00128). Greedy choice is
within 1 - 1/e of the best (Nemhauser et al. 1978), and the first rows of a longer choice are a shorter one. Two seconds
for 400 of 4,000 rows.
"""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from interventions.step import States

MOST_ROWS = 4_000
"""Rows that are compared with each other: the matrix of their similarities has 64 MB."""
_ITEMS_SHARE = 0.5
"""Of the weight, for the failed items."""


def similarity(rows: Sequence[str], items: Sequence[str], states: States | None) -> NDArray[np.float32]:
    """How near rows and items are to each row, [num_rows + num_items, num_rows], in [-1, 1].

    Args:
        rows: Texts.
        items: Failed items, question and gold answer.
        states: Of the same rows and items; None where the model may not be asked. The mean of both cosines otherwise.
    """
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", alternate_sign=False, dtype=np.float32)
    counts = words.transform([*rows, *items])
    near = np.asarray((counts @ counts[: len(rows)].T).toarray(), np.float32)
    if states is None:
        return near
    both = np.concatenate([states.rows, states.items])
    both = both - states.rows.mean(axis=0)  # what all rows have in common tells none of them from another
    both /= np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)
    return np.asarray((near + both @ both[: len(rows)].T) / 2, np.float32)


def covering(near: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """The first rows of the greedy choice, in its order, [min(number, num_rows)].

    Args:
        near: As `similarity` gives it.
        number: Of rows.
    """
    num_rows, num_items = near.shape[1], len(near) - near.shape[1]
    weights = np.full(len(near), (1 - _ITEMS_SHARE if num_items else 1) / num_rows, np.float32)
    weights[num_rows:] = _ITEMS_SHARE / max(num_items, 1)
    columns = np.ascontiguousarray(near.T)
    best = np.full(len(near), near.min(), np.float32)
    # Gains only fall while rows are added (accelerated greedy, Minoux 1978): those that were first are asked again.
    queue = [(-float(gain), row) for row, gain in enumerate((columns - best) @ weights)]
    heapq.heapify(queue)
    chosen: list[int] = []
    while queue and len(chosen) < number:
        _, row = heapq.heappop(queue)
        gain = -float(np.maximum(columns[row] - best, 0) @ weights)
        if queue and gain > queue[0][0] + 1e-9:
            heapq.heappush(queue, (gain, row))
            continue
        chosen.append(row)
        best = np.maximum(best, columns[row])
    return np.array(chosen, np.int64)
