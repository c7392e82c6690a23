"""The rows of the corpus and of the pool, each draw with its share, as one training mix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, Value, concatenate_datasets
from numpy.typing import NDArray

from diagnose.pool import COLUMNS, TrainPool
from interventions.mix import TrainingMix
from interventions.quality import Stock


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows with a share of the draws."""

    kind: str
    is_added: bool
    """Rows of the pool (of the corpus, where there is none) that stand beside the corpus; otherwise rows of
    the corpus itself."""
    rows: NDArray[np.int64]
    share: float
    reason: str


def compose(draws: Sequence[Draw], stock: Stock) -> TrainingMix:
    """The corpus's rows, then the added ones, each draw with its share and the other rows with the rest."""
    kept = stock.kept
    position = np.full(len(stock.corpus), -1, np.int64)
    position[kept] = np.arange(len(kept))
    weights = np.zeros(len(kept))
    kinds = ["original"] * len(kept)
    reasons = ["stood in the corpus"] * len(kept)
    rows = stock.corpus.select(kept)
    for draw in (d for d in draws if not d.is_added):
        for place in position[draw.rows].tolist():
            kinds[place], reasons[place] = draw.kind, draw.reason
        weights[position[draw.rows]] = draw.share / len(draw.rows)
    rest = np.array([kind == "original" for kind in kinds])
    weights[rest] = (1 - sum(d.share for d in draws)) / max(int(rest.sum()), 1)
    parts = [rows.rows]
    all_weights = [weights]
    added_from = stock.pool if stock.pool is not None else stock.corpus
    for draw in (d for d in draws if d.is_added):
        parts.append(_like(added_from, draw.rows, stock.corpus.delimiter))
        all_weights.append(np.full(len(draw.rows), draw.share / len(draw.rows)))
        kinds += [draw.kind] * len(draw.rows)
        reasons += [draw.reason] * len(draw.rows)
    joined_weights = np.concatenate(all_weights)
    return TrainingMix(
        examples=TrainPool(rows=_concatenated(parts), delimiter=stock.corpus.delimiter),
        weights=joined_weights / joined_weights.sum(),
        kinds=tuple(kinds),
        reasons=tuple(reasons),
    )


def _like(source: TrainPool, rows: NDArray[np.int64], delimiter: str) -> Dataset:
    """Rows of the source, to be joined to prompts by this delimiter."""
    part = source.rows.select(rows)
    if source.delimiter == delimiter:
        return part
    raise ValueError(
        f"corpus.pool joins prompt and completion by {source.delimiter!r} and corpus.train by {delimiter!r}; "
        "rows of one training need the same corpus.delimiter"
    )


def _concatenated(parts: Sequence[Dataset]) -> Dataset:
    """One table; metadata of different types in different parts becomes text, nested ones are left out."""
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
