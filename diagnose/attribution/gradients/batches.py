"""Compute gradients of rows in batches of similar length."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.gradients.caught import BatchGradients, ProjectedGradients
from diagnose.model.head import fitting_tokens
from diagnose.rows.batches import length_batches, num_loss_tokens
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
    """Yield places in `rows` and gradients, batch by batch; rows without loss are left out.

    Args:
        batch_tokens: Most tokens of a batch, padding included.
        without: Places of rows that are left out.
        seeds: One for each row, [num_rows], for `BatchGradients.sampled`.
    """
    chosen = num_loss_tokens(rows) > 0
    if without is not None:
        chosen[without] = False
    most_rows = max(1, _BATCH_FLOATS // gradients.dim)
    most_tokens = fitting_tokens(gradients.model_pass.model, batch_tokens)
    for places in length_batches(rows.lengths, np.flatnonzero(chosen), most_tokens, most_rows):
        batch = collate(rows, places, pad_id=0)
        yield places, gradients.of_batch(batch, None if seeds is None else seeds[places].tolist())
