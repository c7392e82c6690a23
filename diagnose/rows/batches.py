"""Cut token rows into batches of similar length."""

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.tokens import TokenRows


def length_batches(
    lengths: NDArray[np.int64], indices: NDArray[np.int64], batch_tokens: int, most_rows: int
) -> list[NDArray[np.int64]]:
    """Sort the rows at `indices` by length, cut so that rows times longest is at most `batch_tokens`.

    The longest come first, so that a batch that does not fit in memory fails at once.
    """
    order = indices[np.argsort(-lengths[indices], kind="stable")]
    batches = []
    start = 0
    while start < len(order):
        num_rows = min(most_rows, max(1, batch_tokens // int(lengths[order[start]])))
        batches.append(order[start : start + num_rows])
        start += num_rows
    return batches


def num_loss_tokens(rows: TokenRows) -> NDArray[np.int64]:
    """Number of predicted tokens of each row, [num_rows]; the first token of a row never is."""
    has_loss = rows.has_loss.copy()
    has_loss[rows.offsets[:-1][rows.lengths > 0]] = False
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(has_loss, dtype=np.int64)])
    return np.diff(total[rows.offsets])
