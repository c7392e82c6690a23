"""Projected gradients of single examples, caught by hooks on frozen weights.

The gradient of a linear layer's weight for one example is `sum_t dy_t x_t^T`. Multiplied from both sides with
a random matrix it shrinks to p x p before it is ever formed: `(dy P_out)^T (x P_in)`, the Kronecker projection
of Choe et al. 2024 (LoGra, arXiv 2405.13954). Inner products stay unbiased, for E[P P^T] = 1.

One forward and one backward pass serve a whole batch. No weight wants a gradient, so backward computes input
gradients only, two thirds of the multiplications of training, and starts at the first hooked layer. The
head sees only the positions with loss. Memory is below training's: without weight gradients a linear layer
keeps no input for backward, only its p-wide projection.

Left out: biases, norms, embeddings, the head, and weights that are no linear layer (fused experts).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True, slots=True)
class LayerProjection:
    """How the gradient of one layer's weight becomes `width` columns."""

    name: str
    layer: nn.Module
    input_side: Tensor
    """[in, p_in]; layers that are given the same input use the first one's."""
    output_side: Tensor
    """[out, p_out]"""
    start: int
    """First of its columns among those of all layers."""

    @property
    def width(self) -> int:
        return self.input_side.shape[1] * self.output_side.shape[1]

    @property
    def columns(self) -> slice:
        return slice(self.start, self.start + self.width)


@dataclass(frozen=True, slots=True)
class BatchGradients:
    grads: Tensor
    """[batch, dim]; a row is zero where the loss or the gradient is not finite."""
    losses: Tensor
    """[batch], nats, summed over the tokens with loss, float32; NaN or infinite where the model says so."""
    is_finite: Tensor
    """[batch], bool; whether loss and gradient are."""


class ProjectedGradients:
    """Gradients of the examples of a batch, for one model. Use within `catch_gradients`."""

    def __init__(self, model: PreTrainedModel, layers: list[LayerProjection]) -> None:
        self.model = model
        self.layers = layers
        self.dim = sum(layer.width for layer in layers)
        parameter = next(model.parameters())
        self.device = parameter.device
        # Sums over tokens are taken in float32 whatever the model computes in.
        self.dtype = torch.float64 if parameter.dtype == torch.float64 else torch.float32
        self._grads = torch.zeros(0)  # [batch, dim] of the batch in flight
        self._num_steps = 0
        self._has_loss = torch.zeros(0)
        self._last_input: Tensor | None = None
        self._last_projected = torch.zeros(0)

    def of_batch(self, batch: dict[str, Tensor]) -> BatchGradients:
        """Gradient of the summed loss of each row of a batch of `diagnose.tokens.collate`."""
        ids, mask = batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)
        labels = batch["labels"].to(self.device)[:, 1:]
        self._has_loss = labels >= 0  # [batch, time - 1]
        self._grads = torch.zeros(len(ids), self.dim, dtype=self.dtype, device=self.device)
        self._num_steps = ids.shape[1]
        with torch.enable_grad():
            # Without padding no mask: attention then takes its faster causal path.
            logits = self.model(input_ids=ids, attention_mask=None if mask.all() else mask).logits
            token_losses = F.cross_entropy(  # [tokens with loss]
                logits.to(self.dtype), labels[self._has_loss], reduction="none"
            )
            # No gradient where nothing that is hooked can reach the loss.
            if token_losses.requires_grad:
                token_losses.sum().backward()  # type: ignore[no-untyped-call]
        self._last_input = None
        row = torch.arange(len(ids), device=self.device)[:, None].expand_as(labels)[self._has_loss]
        losses = torch.zeros(len(ids), dtype=self.dtype, device=self.device)
        losses.index_add_(0, row, token_losses.detach())
        grads, self._grads = self._grads, torch.zeros(0)
        is_finite = losses.isfinite() & grads.sum(1).isfinite()
        if not is_finite.all():
            grads[~is_finite] = 0
        return BatchGradients(grads, losses.float(), is_finite)

    def keep_positions_with_loss(self, _head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        """Before the head: hidden states [batch, time, width] become [tokens with loss, width]."""
        return (args[0][:, :-1][self._has_loss],)

    def catch_input(
        self, layer: LayerProjection, _module: nn.Module, args: tuple[Tensor], output: Tensor
    ) -> None:
        """After a layer: project its input, and wait for the gradient of its output."""
        if args[0] is not self._last_input:  # query, key and value are given one and the same tensor
            self._last_input = args[0]
            projected = args[0].detach() @ layer.input_side
            self._last_projected = self._by_row(projected, layer).to(self.dtype)
        if not output.requires_grad:
            output.requires_grad_()
        output.register_hook(partial(self._catch_gradient, layer, self._last_projected))

    def _catch_gradient(self, layer: LayerProjection, projected_input: Tensor, grad: Tensor) -> None:
        projected = self._by_row(grad @ layer.output_side, layer).to(self.dtype)
        block = torch.bmm(projected.transpose(1, 2), projected_input)  # [batch, p_out, p_in]
        self._grads[:, layer.columns] += block.flatten(1)  # a layer may be called more than once

    def _by_row(self, values: Tensor, layer: LayerProjection) -> Tensor:
        if values.dim() == 3:
            return values
        # Some layers are given the tokens of all rows in one list.
        if values.numel() != len(self._grads) * self._num_steps * values.shape[-1]:
            raise ValueError(
                f"layer {layer.name!r} is not given every token of the batch (a routed expert?), so its gradients "
                "cannot be told apart by example; attribute with a model without such layers"
            )
        return values.view(len(self._grads), self._num_steps, -1)


@contextmanager
def catch_gradients(model: PreTrainedModel, projection_dim: int, seed: int) -> Iterator[ProjectedGradients]:
    """Freeze the model, hook its trainable linear layers, and take the hooks off again at the end.

    Of a model with adapters only the adapters' layers are hooked: those are what training changes.

    Raises:
        ValueError: there is no trainable linear layer beside the head.
    """
    layers = layer_projections(model, projection_dim, seed)
    model.requires_grad_(False)
    model.eval()
    model.config.use_cache = False
    gradients = ProjectedGradients(model, layers)
    hooks = [model.get_output_embeddings().register_forward_pre_hook(gradients.keep_positions_with_loss)]
    hooks += [
        layer.layer.register_forward_hook(partial(gradients.catch_input, layer)) for layer in gradients.layers
    ]
    try:
        yield gradients
    finally:
        for hook in hooks:
            hook.remove()


def layer_projections(model: PreTrainedModel, projection_dim: int, seed: int) -> list[LayerProjection]:
    """A projection for each trainable linear layer but the head, in the model's order, seeded."""
    head = model.get_output_embeddings()
    generator = torch.Generator().manual_seed(seed)
    layers: list[LayerProjection] = []
    start = 0
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear | Conv1D) or module is head or not module.weight.requires_grad:
            continue
        num_out, num_in = module.weight.shape
        if isinstance(module, Conv1D):  # stores its weight as [in, out]
            num_in, num_out = num_out, num_in
        sides = [_side(size, projection_dim, generator).to(module.weight) for size in (num_in, num_out)]
        layers.append(LayerProjection(name, module, sides[0], sides[1], start))
        start += layers[-1].width
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no trainable linear layer beside its head, so there is no gradient to "
            "attribute by; give a transformer, or an adapter on one"
        )
    return layers


def _side(size: int, projection_dim: int, generator: torch.Generator) -> Tensor:
    """[size, p], E[P P^T] = 1; the identity where nothing would be saved."""
    if size <= projection_dim:
        return torch.eye(size)
    return torch.randn(size, projection_dim, generator=generator) / projection_dim**0.5
