"""Read models into memory; of the last one that was read, the weights are kept and shared by all that are made of it.

Many adapters stand on one base, and what is measured is asked again by diagnosis: reading it once saves its time, and
sharing its weights saves its memory. Whatever changes weights must read its own (`own_model`).
"""

import copy
from pathlib import Path

import torch
import transformers
from torch import nn

from evals.model_ref import CausalModel, ModelRef, weight_files

_KEPT: dict[object, CausalModel] = {}
"""The base that was read last, as it stands on disk, in the memory of the CPU."""


def shared_model(ref: ModelRef, is_base: bool = False) -> CausalModel:
    """Make a model of the reference, whose base shares its weights with all others of that base in this process.

    The modules are its own, so that hooks, adapters and a move to an accelerator concern no other; the weights must not
    be changed. Of an adapter, only that is trainable.

    Args:
        ref: Model to make.
        is_base: Whether an adapter will stand on it. With an accelerator nothing else is kept: a model without adapters
            is read for one stage, and its copy in the memory of the CPU would be of no use.

    Raises:
        ValueError: its folder has no weights any more.
    """
    key = (ref.path, ref.revision, ref.dtype, _files(ref.path))
    if key not in _KEPT:
        _KEPT.clear()  # before the next is read: two would lie in memory
        read = _read(ref)
        if not is_base and ref.adapter is None and torch.cuda.is_available():
            return read
        _KEPT[key] = read
    model = _view(_KEPT[key])
    if ref.adapter is None:
        return model
    _check_weights(ref.adapter)
    from peft import PeftModel  # noqa: PLC0415  # two seconds, for adapters alone

    return PeftModel.from_pretrained(model, ref.adapter, is_trainable=True)


def own_model(ref: ModelRef) -> CausalModel:
    """Read the base of the reference with weights that may be changed; what is kept is let go of."""
    _KEPT.clear()
    return _read(ref)


def _read(ref: ModelRef) -> CausalModel:
    _check_weights(ref.path)
    return transformers.AutoModelForCausalLM.from_pretrained(ref.path, revision=ref.revision, dtype=ref.dtype)


def _check_weights(path: str) -> None:
    """Raise a ValueError for the folder of a model whose weights were removed."""
    folder = Path(path)
    if not folder.is_dir() or weight_files(folder):
        return
    raise ValueError(
        f"the weights of {folder} are not there: train.keep or evalmend clean has removed them; remove "
        f"{folder.parent} too and give the same command again, which trains that model once more"
    )


def _files(path: str) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the files with weights in a folder: it may hold others by now. Empty for a hub id."""
    return tuple((file.name, (stat := file.stat()).st_size, stat.st_mtime_ns) for file in weight_files(Path(path)))


def _view(model: CausalModel) -> CausalModel:
    """Copy the modules, not what they hold. Quantised weights, which no training changes, are what they are: their
    scales are their own."""
    memo: dict[int, object] = {
        id(weight): nn.Parameter(weight.data) if weight.is_floating_point() else weight for weight in model.parameters()
    }
    return copy.deepcopy(model, memo | {id(buffer): buffer for buffer in model.buffers()})
