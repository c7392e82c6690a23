"""Effect of a slice's rows on a query, compared with all other rows: count, mean, error and contrast.

Only counts, sums and sums of squares are kept, so any corpus can be summed over for hundreds of slices. Errors
are those of a mean over rows: of many rows with effects of either sign the total is mostly noise (a bootstrap over
the rows of one slice of 125 puts the relative error of its total at .35), and a slice is named only with its interval.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diagnose.slices.data.parts import ScoredParts
from diagnose.slices.predicate import Slice


@dataclass(frozen=True, slots=True)
class SliceQuery:
    """A slice, and the query on which the effect of its rows is summed."""

    slice: Slice
    query: int
    is_confirming: bool = False
    """Whether only every second scored row counts, because the others have found the slice."""


@dataclass(frozen=True, slots=True)
class SliceEffect:
    slice: Slice
    num_corpus: int
    """Rows of the corpus in the slice, scored or not."""
    num_pool: int
    num_scored: int
    mean: float
    """Mean effect of a row, as attribution gives it; 0 if none is scored."""
    stderr: float
    contrast: float
    """Mean effect of the slice's rows less that of the rest."""
    z: float
    """Welch's z of the contrast."""
    members: str
    """Hash of the rows in the slice, equal for slices of the same rows."""
    losses: tuple[float, ...]
    """Mean loss of the slice's rows at each checkpoint, nats per token; empty if none is scored."""

    @property
    def num_rows(self) -> int:
        return self.num_corpus + self.num_pool


@dataclass
class _Sums:
    num_corpus: int = 0
    num_pool: int = 0
    inside: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """Count, sum and sum of squares of the scored rows in the slice."""
    losses: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    """Losses summed over the same rows, [num_checkpoints], or zero before the first of them."""
    everywhere: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)


def slice_effects(parts: ScoredParts, slice_queries: Sequence[SliceQuery]) -> list[SliceEffect]:
    """Compute the effect of each slice on its query, in one pass over the rows."""
    sums = [_Sums() for _ in slice_queries]
    for part in parts if slice_queries else ():
        members = {where: part.table.members(where) for where in dict.fromkeys(one.slice for one in slice_queries)}
        confirms = part.order % 2 == 1
        for one, total in zip(slice_queries, sums, strict=True):
            inside = members[one.slice]
            if part.in_pool:
                total.num_pool += int(inside.sum())
            else:
                total.num_corpus += int(inside.sum())
            total.digest.update(np.packbits(inside).tobytes())
            counts = confirms if one.is_confirming else np.ones(len(part.scored), bool)
            effect = part.effect[:, one.query].astype(np.float64)
            chosen = inside[part.scored] & counts
            total.inside += _moments(effect[chosen])
            total.losses = total.losses + part.losses[chosen].sum(axis=0, dtype=np.float64)
            total.everywhere += _moments(effect[counts])
    return [_effect(one.slice, total) for one, total in zip(slice_queries, sums, strict=True)]


def welch(inside: NDArray[np.float64], everywhere: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Compute the mean inside, its standard error, the contrast to the outside, and Welch's z of that.

    Args:
        inside: Count, sum and sum of squares of the rows inside.
        everywhere: The same for all rows, inside and outside.
    """
    outside = everywhere - inside
    if inside[0] < 2 or outside[0] < 2:
        return (float(inside[1] / inside[0]) if inside[0] else 0.0), 0.0, 0.0, 0.0
    (mean, variance), (other, other_variance) = _mean_and_variance(inside), _mean_and_variance(outside)
    stderr = math.sqrt(variance / inside[0])
    spread = math.hypot(stderr, math.sqrt(other_variance / outside[0]))
    return mean, stderr, mean - other, (mean - other) / spread if spread > 0 else 0.0


def contrast(effect: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Compute Welch's z of the effects of the rows inside less those of the others.

    Args:
        effect: Effect of each row, [num_rows].
        inside: Whether each row is inside, [num_rows].
    """
    return welch(_moments(effect[inside]), _moments(effect))[3]


def _moments(effect: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([len(effect), effect.sum(), np.square(effect).sum()])


def _mean_and_variance(moments: NDArray[np.float64]) -> tuple[float, float]:
    count, total, squares = moments.tolist()
    mean = total / count
    return mean, max(squares - count * mean**2, 0.0) / (count - 1)


def _effect(where: Slice, sums: _Sums) -> SliceEffect:
    mean, stderr, contrast, z = welch(sums.inside, sums.everywhere)
    return SliceEffect(
        slice=where,
        num_corpus=sums.num_corpus,
        num_pool=sums.num_pool,
        num_scored=int(sums.inside[0]),
        mean=mean,
        stderr=stderr,
        contrast=contrast,
        z=z,
        members=sums.digest.hexdigest(),
        losses=tuple((sums.losses / sums.inside[0]).tolist()) if sums.inside[0] else (),
    )
