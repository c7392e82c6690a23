"""Join the corpus and added rows, each draw with its share, into one training mix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool
from interventions.admission.gate import Stock
from interventions.mix.mix import ORIGINAL, MixPart, Origin, TrainingMix, joined


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows with a share of the draws."""

    origin: Origin
    source: TrainPool | None
    """Pool of the added rows; None for rows of the corpus itself."""
    rows: NDArray[np.int64]
    share: float
    parents: Sequence[str] = ()
    """Id of the row that each was made from; empty where they were not made."""


def compose(draws: Sequence[Draw], stock: Stock) -> TrainingMix:
    """Compose a mix of the corpus's rows, then the added ones: each draw has its share, the other rows the rest.

    Rows of the corpus divide a share as they are drawn in the corpus, by the weights of their sources, added
    ones alike.
    """
    kept = stock.kept
    before = stock.draws
    position = np.full(len(stock.corpus), -1, np.int64)
    position[kept] = np.arange(len(kept))
    weights, origin = np.zeros(len(kept)), np.zeros(len(kept), np.int64)
    origins = [ORIGINAL]
    raised, added = [d for d in draws if d.source is None], [d for d in draws if d.source is not None]
    for draw in raised:
        places = position[draw.rows]
        origin[places] = len(origins)
        origins.append(draw.origin)
        weights[places] = _divided(draw.share, before[places])
    rest = origin == 0
    weights[rest] = _divided(1 - sum(d.share for d in draws), before[rest])
    parts, all_weights, all_origins = [MixPart(stock.corpus, kept)], [weights], [origin]
    parents: dict[int, str] = {}
    size = len(kept)
    for draw in added:
        assert draw.source is not None, "the others are rows of the corpus"
        parts.append(MixPart(draw.source, draw.rows))
        all_weights.append(np.full(len(draw.rows), draw.share / len(draw.rows)))
        all_origins.append(np.full(len(draw.rows), len(origins)))
        origins.append(draw.origin)
        parents |= {size + place: parent for place, parent in enumerate(draw.parents)}
        size += len(draw.rows)
    shares = np.concatenate(all_weights)
    return TrainingMix(
        parts=tuple(parts),
        examples=joined(parts),
        weights=shares / shares.sum(),
        origins=tuple(origins),
        origin=np.concatenate(all_origins),
        parents=parents,
    )


def _divided(share: float, before: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide a share among rows as they were drawn before; evenly where none was."""
    total = float(before.sum())
    return share * before / total if total > 0 else np.full(len(before), share / max(len(before), 1))
