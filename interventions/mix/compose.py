"""Join the corpus and added rows, each draw with its share, into one training mix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, Value, concatenate_datasets
from numpy.typing import NDArray

from diagnose.rows.pool import COLUMNS, TrainPool
from interventions.admission.gate import Stock
from interventions.mix.mix import ORIGINAL, Origin, TrainingMix


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
    """Compose a mix of the corpus's rows, then the added ones: each draw has its share, the other rows the rest."""
    kept = stock.kept
    position = np.full(len(stock.corpus), -1, np.int64)
    position[kept] = np.arange(len(kept))
    weights, origin = np.zeros(len(kept)), np.zeros(len(kept), np.int64)
    origins = [ORIGINAL]
    raised, added = [d for d in draws if d.source is None], [d for d in draws if d.source is not None]
    for draw in raised:
        places = position[draw.rows]
        origin[places] = len(origins)
        origins.append(draw.origin)
        weights[places] = draw.share / len(draw.rows)
    rest = origin == 0
    weights[rest] = (1 - sum(d.share for d in draws)) / max(int(rest.sum()), 1)
    parts, all_weights, all_origins = [stock.corpus.select(kept).rows], [weights], [origin]
    parents: dict[int, str] = {}
    size = len(kept)
    for draw in added:
        parts.append(_like(draw, stock.corpus.delimiter))
        all_weights.append(np.full(len(draw.rows), draw.share / len(draw.rows)))
        all_origins.append(np.full(len(draw.rows), len(origins)))
        origins.append(draw.origin)
        parents |= {size + place: parent for place, parent in enumerate(draw.parents)}
        size += len(draw.rows)
    joined = np.concatenate(all_weights)
    return TrainingMix(
        examples=TrainPool(rows=_concatenated(parts), delimiter=stock.corpus.delimiter),
        weights=joined / joined.sum(),
        origins=tuple(origins),
        origin=np.concatenate(all_origins),
        parents=parents,
    )


def _like(draw: Draw, delimiter: str) -> Dataset:
    """Rows of the draw; a ValueError where their delimiter is not this one."""
    source = draw.source
    assert source is not None
    part = source.rows.select(draw.rows)
    if source.delimiter == delimiter:
        return part
    raise ValueError(
        f"corpus.pool joins prompt and completion by {source.delimiter!r} and corpus.train by {delimiter!r}; "
        "rows of one training need the same corpus.delimiter"
    )


def _concatenated(parts: Sequence[Dataset]) -> Dataset:
    """Join tables; metadata of different types in different parts becomes text, nested ones are left out."""
    types: dict[str, set[str]] = {}
    for part in parts:
        for name, feature in part.features.items():
            types.setdefault(name, set()).add(str(feature))
    mixed = [name for name, found in types.items() if len(found) > 1]
    aligned = []
    for part in parts:
        table = part
        for name in mixed:
            if name in table.column_names:
                is_plain = isinstance(table.features[name], Value)
                assert is_plain or name not in COLUMNS, "prompts and completions are text"
                table = table.cast_column(name, Value("string")) if is_plain else table.remove_columns(name)
        aligned.append(table)
    return concatenate_datasets(aligned) if len(aligned) > 1 else aligned[0]
