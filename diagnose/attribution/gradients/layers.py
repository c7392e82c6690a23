"""The linear layers of a model, whose weights' gradients attribution uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers.pytorch_utils import Conv1D

from evals.model_ref import CausalModel


@dataclass(frozen=True, slots=True)
class LinearLayer:
    name: str
    module: nn.Module
    num_in: int
    num_out: int
    is_head: bool = False
    """Whether the layer's input is only the tokens with loss, those of all rows in one list."""


def linear_layers(model: CausalModel, last_blocks: int | None = None) -> list[LinearLayer]:
    """Find every trainable linear layer, in the model's order.

    Args:
        model: A transformer, or an adapter on one.
        last_blocks: Number of the transformer's last blocks whose layers count, beside the head; None for all.
    """
    head = model.get_output_embeddings()
    first = 0 if last_blocks is None else model.config.get_text_config().num_hidden_layers - last_blocks
    layers = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and module.weight.requires_grad and _block(name) >= first:
            # GPT-2's Conv1D stores its weight as [in, out].
            num_in, num_out = module.weight.shape if isinstance(module, Conv1D) else module.weight.shape[::-1]
            layers.append(LinearLayer(name, module, num_in, num_out, is_head=module is head))
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no trainable linear layer, so there is no gradient to attribute by; "
            "give a transformer, or an adapter on one"
        )
    return layers


def _block(name: str) -> float:
    """Number of the block that a module is in, by its name; behind all where it is in none."""
    return float(next((part for part in name.split(".") if part.isdigit()), "inf"))


def freeze(model: CausalModel) -> None:
    """Turn off weight gradients, dropout and the cache of keys."""
    model.requires_grad_(False)
    model.eval()
    model.config.use_cache = False


def middle_layer(layers: Sequence[LinearLayer], model: CausalModel) -> LinearLayer:
    """Middle one of the layers whose input is the residual stream."""
    inner = [layer for layer in layers if not layer.is_head] or list(layers)
    of_stream = [layer for layer in inner if layer.num_in == model.config.get_text_config().hidden_size]
    chosen = of_stream or inner
    return chosen[len(chosen) // 2]
