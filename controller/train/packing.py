"""Lay the rows of a batch end to end, so that less of it is padding; every row still attends to itself alone.

Positions count from 0 in each row, by which transformers keeps rows apart where no other mask is given. A step has the
same rows, the same loss and the same gradient as unpacked, only fewer positions: what it saves is the padding.
"""

import inspect

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diagnose.rows.tokens import NO_LOSS, TokenRows, collate
from evals.model_ref import CausalModel

_TRIED = 4
"""Rows on which a model is tried."""
_CLOSE = 1e-2
"""Largest relative difference of losses, packed and unpacked, that is rounding, in bfloat16 too."""

Batch = dict[str, Tensor | bool]


def packed(rows: TokenRows, indices: NDArray[np.int64] | list[int], pad_id: int, max_length: int) -> Batch:
    """Pack the rows at `indices` into sequences of at most `max_length` tokens, the longest rows first, each where it
    fits first.

    Returns:
        `input_ids`, `labels` and `position_ids`, each [num_sequences, longest], int64, and `use_cache` false, for with
        a cache transformers does not look for rows. Padding stands last, as a row of its own without loss.
    """
    batch = rows.select(indices)
    lengths = batch.lengths.tolist()
    used: list[int] = []
    placed = [(0, 0)] * len(lengths)
    for row in np.argsort(-batch.lengths, kind="stable").tolist():
        fits = (k for k, length in enumerate(used) if length + lengths[row] <= max_length)
        place = next(fits, len(used))
        if place == len(used):
            used.append(0)
        placed[row] = place, used[place]
        used[place] += lengths[row]
    shape = (len(used), max(used, default=0))
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    labels = np.full(shape, NO_LOSS, dtype=np.int64)
    position_ids = np.maximum(np.arange(shape[1])[None, :] - np.array(used, np.int64)[:, None], 0)
    for row, (place, start) in enumerate(placed):
        own = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
        where = slice(start, start + lengths[row])
        input_ids[place, where] = batch.ids[own]
        labels[place, where] = np.where(batch.has_loss[own], batch.ids[own], NO_LOSS)
        labels[place, start : start + 1] = NO_LOSS  # the row before does not predict it
        position_ids[place, where] = np.arange(lengths[row])
    made: Batch = {
        "input_ids": torch.from_numpy(input_ids),
        "labels": torch.from_numpy(labels),
        "position_ids": torch.from_numpy(position_ids),
    }
    return made | {"use_cache": False}


def check_packing(model: CausalModel, rows: TokenRows, pad_id: int, max_length: int) -> None:
    """Compare the loss of a few rows packed and unpacked: not every architecture keeps rows apart by their positions.

    Raises:
        ValueError: the model does not.
    """
    few = np.arange(min(_TRIED, len(rows)))
    way_out = "leave train.packing out, or choose another architecture"
    if "position_ids" not in inspect.signature(getattr(model, "get_base_model", lambda: model)().forward).parameters:
        raise ValueError(f"train.packing=true: a {model.config.model_type} model takes no position_ids; {way_out}")
    was_training = model.training
    model.eval()
    together = packed(rows, few, pad_id, max(max_length, int(rows.lengths[few].sum())))
    with torch.no_grad():
        apart, packed_ = (float(_loss(model, batch)) for batch in (collate(rows, few, pad_id), together))
    model.train(was_training)
    if abs(apart - packed_) > _CLOSE * max(abs(apart), 1e-3):
        raise ValueError(
            f"train.packing=true: a {model.config.model_type} model does not keep packed rows apart, its loss is "
            f"{packed_:.4f} with them and {apart:.4f} without; {way_out}"
        )


def _loss(model: CausalModel, batch: Batch | dict[str, Tensor]) -> Tensor:
    device = next(model.parameters()).device
    moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
    loss: Tensor = model(**moved).loss
    return loss
