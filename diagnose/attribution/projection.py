"""How the gradient of a linear layer's weight shrinks to p x p numbers before it is ever formed.

The gradient for one example is `sum_t dy_t x_t^T`. Multiplied from both sides with a matrix of p columns it is
`(dy P_out)^T (x P_in)`, the Kronecker projection of LoGra (Choe et al. 2024, arXiv 2405.13954). Each side is random
with orthogonal columns, then shrunk in the directions in which activations or their gradients are large (their second
moment to the power -1/4, on one batch): the inverse Fisher would discount those anyway, and p columns then keep
more of what counts. On a model of 148 k parameters that raises the rank correlation with retraining within slices from
.143 to .159; eigenvectors in place of random columns lower it to .13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from diagnose.attribution.layers import LinearLayer, freeze, linear_layers
from diagnose.attribution.model_pass import ModelPass, hooked, want_gradient

_MOST_MOMENT_TOKENS = 256
"""Tokens that a second moment is taken of: its eigenvectors cost the cube of this. Four times as many gain .003."""

_MOMENT_DAMPING = 0.1
"""Fraction of the mean eigenvalue; .03 to .3 make no difference."""


@dataclass(frozen=True, slots=True)
class LayerProjection:
    """How the gradient of one layer's weight becomes `width` columns."""

    layer: LinearLayer
    input_side: Tensor
    """[in, p_in]"""
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


def random_projections(
    model: PreTrainedModel, projection_dim: int, calibration: dict[str, Tensor], seed: int
) -> list[LayerProjection]:
    """The projection of each trainable linear layer, shaped by one pass over the calibration batch.

    Freezes the model. Of a model with adapters only the adapters' layers count: those are what training changes.

    Args:
        calibration: A batch of training rows, a thousand tokens or so.

    Raises:
        ValueError: there is no trainable linear layer.
    """
    layers = linear_layers(model)
    freeze(model)
    run = ModelPass(model)
    # Noise is drawn before the pass, so that it does not depend on the order in which layers are called.
    generator = torch.Generator().manual_seed(seed)

    def side(size: int) -> Tensor:
        return random_side(size, projection_dim, generator).to(run.device, run.dtype)

    sides = {layer.name: (side(layer.num_in), side(layer.num_out)) for layer in layers}

    def shape_sides(layer: LinearLayer, layer_input: Tensor, grad: Tensor) -> None:
        rows, grads = layer_input.reshape(-1, layer.num_in), grad.reshape(-1, layer.num_out)
        # A token counts for one side by how much it moves the weight: by the length of its other side.
        rows, grads = (
            rows.to(run.dtype) * grads.to(run.dtype).norm(dim=1, keepdim=True),
            grads.to(run.dtype) * rows.to(run.dtype).norm(dim=1, keepdim=True),
        )
        size = grads.norm(dim=1)
        counts = torch.nonzero((size > 0) & size.isfinite() & rows.isfinite().all(1))[:, 0]
        counts = counts[:: 1 + len(counts) // _MOST_MOMENT_TOKENS]
        side_in, side_out = sides[layer.name]
        sides[layer.name] = (_whitened(side_in, rows[counts]), _whitened(side_out, grads[counts]))

    def catch_input(layer: LinearLayer, _module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        want_gradient(output, partial(shape_sides, layer, args[0].detach()))

    hooks = [(layer.module, partial(catch_input, layer)) for layer in layers]
    with hooked(model, hooks, run.keep_positions_with_loss):
        run.run(calibration)
    return in_columns(layers, [sides[layer.name] for layer in layers], run.model_dtype)


def in_columns(
    layers: Sequence[LinearLayer], sides: Sequence[tuple[Tensor, Tensor]], dtype: torch.dtype
) -> list[LayerProjection]:
    """The projections with these input and output sides, one behind the other."""
    projections = []
    start = 0
    for layer, (side_in, side_out) in zip(layers, sides, strict=True):
        projections.append(LayerProjection(layer, side_in.to(dtype), side_out.to(dtype), start))
        start += projections[-1].width
    return projections


def random_side(size: int, projection_dim: int, generator: torch.Generator) -> Tensor:
    """[size, p], E[P P^T] = 1; the identity where nothing would be saved."""
    if size <= projection_dim:
        return torch.eye(size)
    columns: Tensor = torch.linalg.qr(torch.randn(size, projection_dim, generator=generator)).Q
    return columns.mul((size / projection_dim) ** 0.5)


def _whitened(side: Tensor, rows: Tensor) -> Tensor:
    """`(M + damping)^(-1/4) side`, M the second moment of `rows` [tokens, size] with mean eigenvalue 1."""
    if side.shape[0] == side.shape[1] or len(rows) == 0:
        return side
    rows = rows * (side.shape[0] / rows.square().sum()).sqrt()
    # Of M and the Gram matrix, which share their eigenvalues, the smaller one.
    if len(rows) < side.shape[0]:
        values, left = torch.linalg.eigh(rows @ rows.T)
        is_large = values > 1e-6 * values[-1]
        values = values[is_large]
        vectors = rows.T @ left[:, is_large] / values.sqrt()  # [size, rank]
    else:
        values, vectors = torch.linalg.eigh(rows.T @ rows)
    floor = _MOMENT_DAMPING**-0.25  # of the directions that no row has
    scale = (values.clamp_min(0) + _MOMENT_DAMPING).pow(-0.25) - floor
    shaped: Tensor = floor * side + vectors @ (scale[:, None] * (vectors.T @ side))
    return shaped
