"""Compute gradients of training rows on demand; those of the Fisher sample are computed first and kept.

In all this costs one pass over the training rows, and half of one more over the sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from diagnose.attribution.gradients.batches import gradient_batches
from diagnose.attribution.gradients.caught import BatchGradients, ProjectedGradients
from diagnose.attribution.gradients.sample import FisherSample
from diagnose.rows.batches import num_loss_tokens
from diagnose.rows.tokens import TokenRows

CHUNK_ROWS = 256
"""Rows passed on at a time whose gradients are known already."""


@dataclass(frozen=True, slots=True)
class RowGradients:
    """Gradients of some rows, yet to be computed."""

    batches: Iterator[tuple[NDArray[np.int64], BatchGradients]]
    """Places in the rows, with their gradients; rows without loss never come."""
    num_tokens: int
    """Tokens that go through a forward and backward pass for the batches."""


class LiveGradients:
    """Gradients from the model; valid within `catch_gradients`."""

    def __init__(self, gradients: ProjectedGradients, sample: FisherSample, batch_tokens: int) -> None:
        self._gradients, self._sample, self._batch_tokens = gradients, sample, batch_tokens
        self.num_tokens = int(sample.calibration["attention_mask"].sum())
        """Tokens of the calibration batch."""
        caught = list(gradient_batches(gradients, sample.rows, batch_tokens, seeds=sample.seeds))
        self._order = np.concatenate([places for places, _ in caught])
        """Places in the sample, [num_caught]."""
        self._caught = BatchGradients(
            *(torch.cat([getattr(batch, one.name) for _, batch in caught]) for one in fields(BatchGradients))
        )
        assert self._caught.sampled is not None, "asked for with seeds"
        self.drawn = self._caught.sampled
        """Gradients of the Fisher sample's random labels, [num_sample, dim]."""

    def of(self, rows: TokenRows, start: int) -> RowGradients:
        """Gradients of the training rows `start` to `start + len(rows)`."""
        return RowGradients(self._batches(rows, start), int(rows.lengths[num_loss_tokens(rows) > 0].sum()))

    def _batches(self, rows: TokenRows, start: int) -> Iterator[tuple[NDArray[np.int64], BatchGradients]]:
        places = self._sample.places[self._order] - start
        waiting = np.flatnonzero((places >= 0) & (places < len(rows)))
        for first in range(0, len(waiting), CHUNK_ROWS):
            chunk = waiting[first : first + CHUNK_ROWS]
            yield places[chunk], self._caught.select(torch.from_numpy(chunk).to(self._gradients.device))
        yield from gradient_batches(self._gradients, rows, self._batch_tokens, without=places[waiting])
