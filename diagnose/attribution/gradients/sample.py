"""Draw the training rows on which a Fisher matrix is estimated."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diagnose.rows.batches import num_loss_tokens
from diagnose.rows.tokens import TokenRows, TokenSource, collate

CALIBRATION_TOKENS = 1024
"""Tokens of the batch whose activations shape the projections."""

LEAST_ROWS, MOST_SHARE = 128, 1 / 16
"""The sample is at most `MOST_SHARE` of a corpus, or `LEAST_ROWS` if more: a row of it costs half as much again."""


@dataclass(frozen=True, slots=True)
class FisherSample:
    places: NDArray[np.int64]
    """Places among all training rows, [num_sample], ascending."""
    rows: TokenRows
    seeds: NDArray[np.int64]
    """Seeds of each row's random labels, [num_sample]."""
    calibration: dict[str, Tensor]
    """A batch of some of the sample's rows."""


def draw_sample(train: TokenSource, most_rows: int, seed: int) -> FisherSample:
    """Draw `most_rows` at random, but at most a share of `MOST_SHARE` unless that is less than `LEAST_ROWS`.

    Raises:
        ValueError: no row drawn has a token with loss.
    """
    rng = np.random.default_rng(seed)
    num_rows = min(most_rows, max(LEAST_ROWS, int(MOST_SHARE * len(train))))
    places = np.sort(rng.permutation(len(train))[:num_rows])
    rows = train.select(places)
    calibration = collate(rows, _calibration_rows(rows, rng), pad_id=0)
    return FisherSample(places, rows, _seeds(rows, rng), calibration)


def _calibration_rows(rows: TokenRows, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw rows with loss that fill a batch of `CALIBRATION_TOKENS`, padding included."""
    order = rng.permutation(np.flatnonzero(num_loss_tokens(rows) > 0))
    if len(order) == 0:
        raise ValueError(
            f"none of {len(rows)} training rows has a token with loss, so there is nothing to attribute to; "
            "check corpus.completion or corpus.text, and train.max_length"
        )
    longest = np.maximum.accumulate(rows.lengths[order[:CALIBRATION_TOKENS]])
    num_rows = int((longest * np.arange(1, len(longest) + 1) <= CALIBRATION_TOKENS).sum())
    return order[: max(1, num_rows)]


def _seeds(rows: TokenRows, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a random number for each row, [num_rows]; the same for the same rows in any order."""
    texts = [rows.ids[start:stop].tobytes() for start, stop in pairwise(rows.offsets.tolist())]
    seeds = np.zeros(len(rows), np.int64)
    seeds[sorted(range(len(rows)), key=texts.__getitem__)] = rng.integers(2**62, size=len(rows))
    return seeds
