"""Rows as batches of like length, with their gradients."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.gradients.caught import BatchGradients, ProjectedGradients
from diagnose.rows.tokens import TokenRows, collate

_BATCH_FLOATS = 16_000_000
"""Most numbers in the gradients of a batch (64 MB): short rows of a large model would fill the memory."""


def gradient_batches(
    gradients: ProjectedGradients,
    rows: TokenRows,
    batch_tokens: int,
    without: NDArray[np.int64] | None = None,
    seeds: NDArray[np.int64] | None = None,
) -> Iterator[tuple[NDArray[np.int64], BatchGradients]]:
    """Places in `rows` and gradients, batch by batch; rows without loss are left out.

    Args:
        batch_tokens: Of a batch, padding included.
        without: Places of rows that are left out.
        seeds: [num_rows], for `BatchGradients.sampled`.
    """
    chosen = num_loss_tokens(rows) > 0
    if without is not None:
        chosen[without] = False
    most_rows = max(1, _BATCH_FLOATS // gradients.dim)
    for places in length_batches(rows.lengths, np.flatnonzero(chosen), batch_tokens, most_rows):
        batch = collate(rows, places, pad_id=0)
        yield places, gradients.of_batch(batch, None if seeds is None else seeds[places].tolist())


def length_batches(
    lengths: NDArray[np.int64], indices: NDArray[np.int64], batch_tokens: int, most_rows: int
) -> list[NDArray[np.int64]]:
    """The rows at `indices` sorted by length, cut so that rows times longest is at most `batch_tokens`.

    Longest first: a batch that does not fit in memory fails at once.
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
    """Tokens of each row that are predicted, [num_rows]; the first of a row never is."""
    has_loss = rows.has_loss.copy()
    has_loss[rows.offsets[:-1][rows.lengths > 0]] = False
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(has_loss, dtype=np.int64)])
    return np.diff(total[rows.offsets])
