"""Load the models that attribution uses: checkpoints of one training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, PretrainedConfig

from evals.model_ref import CausalModel, ModelRef
from evals.weights import shared_model

_SHAPE = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers")
"""Configuration values that checkpoints of one training share."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    model: ModelRef
    learning_rate: float
    """Learning rate at that step; the checkpoint's weight where `checkpoint_weights` is `learning_rate`."""


def load_model(ref: ModelRef) -> CausalModel:
    """Load the causal language model, on the accelerator if there is one; of an adapter, only that is trainable. Its
    weights must not be changed: others share them."""
    return shared_model(ref).to(device())


def device() -> str:
    """Device that models run on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_checkpoints(checkpoints: Sequence[Checkpoint], num_words: int) -> None:
    """Check that gradients at these models can be combined; reads configurations only.

    Args:
        checkpoints: Oldest first, the model that was measured last.
        num_words: Vocabulary size of its tokenizer: one more than the largest id.

    Raises:
        ValueError: a folder is missing, a model is of another shape than the last one, or the tokenizer knows more
            tokens than the model.
    """
    configs = [read_config(checkpoint.model) for checkpoint in checkpoints]
    last = configs[-1].get_text_config()
    for checkpoint, config in zip(checkpoints, configs, strict=True):
        own = config.get_text_config()
        for name in _SHAPE:
            if getattr(own, name, None) != getattr(last, name, None):
                raise ValueError(
                    f"model.checkpoints: {checkpoint.model.path!r} has {name} {getattr(own, name, None)}, "
                    f"{checkpoints[-1].model.path!r} has {getattr(last, name, None)}; give checkpoints of one training"
                )
    if num_words > last.vocab_size:
        raise ValueError(
            f"model.name: the tokenizer of {checkpoints[-1].model.path!r} gives ids up to {num_words - 1}, the model "
            f"has {last.vocab_size} embeddings; give the tokenizer that it was trained with, or resize its embeddings"
        )


Load = Callable[[ModelRef], CausalModel]
"""Gives the model of a checkpoint with its weights."""


def context_length(ref: ModelRef) -> int | None:
    """Most tokens that the model takes; None where its configuration names no limit."""
    config = read_config(ref).get_text_config()
    return getattr(config, "max_position_embeddings", None)


def read_config(ref: ModelRef) -> PretrainedConfig:
    """Read the configuration alone.

    Raises:
        ValueError: the path looks like a folder and is none, or has no configuration.
    """
    folder = Path(ref.path)
    is_folder = folder.is_dir() or folder.is_absolute() or ref.path.startswith(".")
    if is_folder and not (folder / "config.json").is_file():
        raise ValueError(
            f"model.checkpoints: {ref.path!r} has no config.json; give a folder that save_pretrained has written, "
            "or a hub id"
        )
    return AutoConfig.from_pretrained(ref.path, revision=ref.revision)
