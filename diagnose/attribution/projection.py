"""Projected gradients of single examples, caught by hooks on frozen weights.

The gradient of a linear layer's weight for one example is `sum_t dy_t x_t^T`. Multiplied from both sides
with a matrix of p columns it shrinks to p x p before it is ever formed: `(dy P_out)^T (x P_in)`, the
Kronecker projection of LoGra (Choe et al. 2024, arXiv 2405.13954). Each side is random with orthogonal
columns, then shrunk in the directions in which activations or their gradients are large (their second moment
to the power -1/4, on one batch): the inverse Fisher would discount those anyway, and p columns then keep
more of what counts. On a model of 148 k parameters that raises the rank correlation with retraining within slices from
.143 to .159; eigenvectors in place of random columns lower it to .13.

One forward and one backward pass serve a whole batch. No weight wants a gradient, so backward computes input
gradients only, two thirds of the multiplications of training, and starts at the first hooked layer. The
head sees only the positions with loss. Memory is below training's: without weight gradients a linear layer
keeps no input for backward, only its p-wide projection.

Left out: biases, norms, embeddings, and weights that are no linear layer (fused experts). The head counts: over six
checkpoints it raises the rank correlation within slices from .229 to .233 (two seeds), for half a percent of the pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

CALIBRATION_TOKENS = 1024
"""Tokens of the batch whose activations shape the projections."""

_MOST_MOMENT_TOKENS = 256
"""Tokens that a second moment is taken of: its eigenvectors cost the cube of this. Four times as many gain .003."""

_MOMENT_DAMPING = 0.1
"""Fraction of the mean eigenvalue; .03 to .3 make no difference."""


@dataclass(frozen=True, slots=True)
class LinearLayer:
    name: str
    module: nn.Module
    num_in: int
    num_out: int
    is_head: bool = False
    """It is given only the tokens with loss, those of all rows in one list."""


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


@dataclass(frozen=True, slots=True)
class BatchGradients:
    grads: Tensor
    """[batch, dim]; a row is zero where the loss or the gradient is not finite."""
    losses: Tensor
    """[batch], nats, summed over the tokens with loss, float32; NaN or infinite where the model says so."""
    hidden: Tensor
    """[batch, hidden_size]: mean over the row's tokens of what the middle layer is given."""
    is_finite: Tensor
    """[batch], bool; whether loss and gradient are."""


class ProjectedGradients:
    """Gradients of the examples of a batch, for one model; made by `catch_gradients`, valid within it."""

    def __init__(self, model: PreTrainedModel, projections: Sequence[LayerProjection]) -> None:
        self.projections = projections
        self.dim = sum(projection.width for projection in projections)
        self._middle = _middle_layer([projection.layer for projection in projections], model)
        self.hidden_size = self._middle.num_in
        self._pass = _Pass(model)
        self.device = self._pass.device
        self.dtype = self._pass.dtype
        self._grads = torch.zeros(0)  # [batch, dim] of the batch in flight
        self._hidden = torch.zeros(0)  # [batch, hidden_size]

    def of_batch(self, batch: dict[str, Tensor]) -> BatchGradients:
        """Gradient of the summed loss of each row of a batch of `diagnose.tokens.collate`."""
        self._grads = torch.zeros(len(batch["labels"]), self.dim, dtype=self.dtype, device=self.device)
        losses = self._pass.run(batch)
        grads, self._grads = self._grads, torch.zeros(0)
        hidden, self._hidden = self._hidden, torch.zeros(0)
        is_finite = losses.isfinite() & grads.sum(1).isfinite()
        if not is_finite.all():
            grads[~is_finite] = 0
            hidden[~is_finite] = 0
        return BatchGradients(grads, losses.float(), hidden, is_finite)

    def hook(self, projection: LayerProjection) -> "_ForwardHook":
        return partial(self._catch_input, projection)

    def head_hook(self) -> "_HeadHook":
        return self._pass.keep_positions_with_loss

    def _catch_input(
        self, projection: LayerProjection, _module: nn.Module, args: tuple[Tensor], output: Tensor
    ) -> None:
        if projection.layer is self._middle:
            self._hidden = self._pass.mean_of_tokens(self._pass.by_row(args[0].detach(), projection.layer))
        projected = args[0].detach() @ projection.input_side
        _want_gradient(output, partial(self._catch_gradient, projection, projected.to(self.dtype)))

    def _catch_gradient(self, projection: LayerProjection, projected_input: Tensor, grad: Tensor) -> None:
        projected = (grad @ projection.output_side).to(self.dtype)
        block = self._pass.products_by_row(projected, projected_input, projection.layer)  # [batch, p_out, p_in]
        self._grads[:, projection.columns] += block.flatten(1)  # a layer may be called more than once


@contextmanager
def catch_gradients(
    model: PreTrainedModel, projection_dim: int, calibration: dict[str, Tensor], seed: int
) -> Iterator[ProjectedGradients]:
    """Freeze the model, hook its trainable linear layers, and take the hooks off again at the end.

    Of a model with adapters only the adapters' layers are hooked: those are what training changes.

    Args:
        calibration: A batch of about `CALIBRATION_TOKENS` tokens of training rows.

    Raises:
        ValueError: there is no trainable linear layer.
    """
    layers = linear_layers(model)
    model.requires_grad_(False)
    model.eval()
    model.config.use_cache = False
    gradients = ProjectedGradients(model, layer_projections(model, layers, projection_dim, calibration, seed))
    hooks = [(projection.layer.module, gradients.hook(projection)) for projection in gradients.projections]
    with _hooked(model, hooks, gradients.head_hook()):
        yield gradients


def linear_layers(model: PreTrainedModel) -> list[LinearLayer]:
    """Every trainable linear layer, in the model's order."""
    head = model.get_output_embeddings()
    layers = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and module.weight.requires_grad:
            # GPT-2's Conv1D stores its weight as [in, out].
            num_in, num_out = module.weight.shape if isinstance(module, Conv1D) else module.weight.shape[::-1]
            layers.append(LinearLayer(name, module, num_in, num_out, is_head=module is head))
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no trainable linear layer, so there is no gradient to attribute by; "
            "give a transformer, or an adapter on one"
        )
    return layers


def _middle_layer(layers: Sequence[LinearLayer], model: PreTrainedModel) -> LinearLayer:
    """Of the layers that are given the residual stream, the middle one."""
    inner = [layer for layer in layers if not layer.is_head] or list(layers)
    of_stream = [layer for layer in inner if layer.num_in == model.config.get_text_config().hidden_size]
    chosen = of_stream or inner
    return chosen[len(chosen) // 2]


def layer_projections(
    model: PreTrainedModel,
    layers: Sequence[LinearLayer],
    projection_dim: int,
    calibration: dict[str, Tensor],
    seed: int,
) -> list[LayerProjection]:
    """The projection of each layer, shaped by one pass over the calibration batch."""
    run = _Pass(model)
    # Noise is drawn before the pass, so that it does not depend on the order in which layers are called.
    generator = torch.Generator().manual_seed(seed)

    def side(size: int) -> Tensor:
        return _random_side(size, projection_dim, generator).to(run.device, run.dtype)

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
        _want_gradient(output, partial(shape_sides, layer, args[0].detach()))

    hooks = [(layer.module, partial(catch_input, layer)) for layer in layers]
    with _hooked(model, hooks, run.keep_positions_with_loss):
        run.run(calibration)
    projections = []
    start = 0
    for layer in layers:
        side_in, side_out = sides[layer.name]
        projections.append(LayerProjection(layer, side_in.to(run.model_dtype), side_out.to(run.model_dtype), start))
        start += projections[-1].width
    return projections


_ForwardHook = Callable[[nn.Module, tuple[Tensor], Tensor], None]
_HeadHook = Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]


class _Pass:
    """A forward and backward pass of the summed loss through the hooks."""

    def __init__(self, model: PreTrainedModel) -> None:
        parameter = next(model.parameters())
        self.model = model
        self.device = parameter.device
        # Sums over tokens are taken in float32 whatever the model computes in.
        self.dtype = torch.float64 if parameter.dtype == torch.float64 else torch.float32
        self.model_dtype = parameter.dtype
        self._has_loss = torch.zeros(0)
        self._mask = torch.zeros(0)

    def run(self, batch: dict[str, Tensor]) -> Tensor:
        """Loss of each row, [batch], summed over its tokens with loss."""
        ids, mask = batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)
        labels = batch["labels"].to(self.device)[:, 1:]
        self._has_loss = labels >= 0  # [batch, time - 1]
        self._mask = mask.to(self.dtype)  # [batch, time]
        with torch.enable_grad():
            # Without padding no mask: attention then takes its faster causal path.
            logits = self.model(input_ids=ids, attention_mask=None if mask.all() else mask).logits
            token_losses = F.cross_entropy(  # [tokens with loss]
                logits.to(self.dtype), labels[self._has_loss], reduction="none"
            )
            token_losses.sum().backward()  # type: ignore[no-untyped-call]
        row = self._has_loss.nonzero()[:, 0]
        return torch.zeros(len(ids), dtype=self.dtype, device=self.device).index_add_(0, row, token_losses.detach())

    def keep_positions_with_loss(self, _head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        """Before the head: hidden states [batch, time, width] become [tokens with loss, width]."""
        return (args[0][:, :-1][self._has_loss],)

    def mean_of_tokens(self, values: Tensor) -> Tensor:
        """[batch, time, width] becomes [batch, width], padding left out."""
        shares = self._mask / self._mask.sum(1, keepdim=True).clamp_min(1)
        return torch.bmm(shares[:, None], values.to(self.dtype))[:, 0]

    def products_by_row(self, grads: Tensor, inputs: Tensor, layer: LinearLayer) -> Tensor:
        """Sum over each row's tokens of `grad input^T`, [batch, p_out, p_in]."""
        if not layer.is_head:
            return torch.bmm(self.by_row(grads, layer).transpose(1, 2), self.by_row(inputs, layer))
        row = self._has_loss.nonzero()[:, 0]
        products = torch.zeros(
            len(self._has_loss), grads.shape[1], inputs.shape[1], dtype=self.dtype, device=self.device
        )
        return products.index_add_(0, row, grads[:, :, None] * inputs[:, None, :])

    def by_row(self, values: Tensor, layer: LinearLayer) -> Tensor:
        """[batch, time, p], also of layers that are given the tokens of all rows in one list."""
        num_rows, num_steps = len(self._has_loss), self._has_loss.shape[1] + 1
        if values.dim() == 3:
            return values
        if len(values) != num_rows * num_steps:
            raise ValueError(
                f"layer {layer.name!r} is not given every token of the batch (a routed expert?), so its "
                "gradients cannot be told apart by example; attribute with a model without such layers"
            )
        return values.reshape(num_rows, num_steps, values.shape[-1])


@contextmanager
def _hooked(model: PreTrainedModel, hooks: Sequence[tuple[nn.Module, _ForwardHook]], head: _HeadHook) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    handles.append(model.get_output_embeddings().register_forward_pre_hook(head))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _want_gradient(output: Tensor, hook: Callable[[Tensor], None]) -> None:
    if not output.requires_grad:  # the first hooked layer: below it nothing wants a gradient
        output.requires_grad_()
    output.register_hook(hook)  # type: ignore[no-untyped-call]


def _random_side(size: int, projection_dim: int, generator: torch.Generator) -> Tensor:
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
