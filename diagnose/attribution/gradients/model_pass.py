"""Run a forward and backward pass through hooks on linear layers, for all rows of a batch at once.

No weight wants a gradient, so backward computes input gradients only, two thirds of the multiplications of training,
and starts at the first hooked layer. The head sees only the positions with loss.

Gradients can be those of a softer model: at temperature T backward starts at the logits z from
`softmax(z / T) - label`, the gradient of T times the loss of the model whose logits are z / T.
`diagnose.attribution.influence` says why.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diagnose.attribution.gradients.layers import LinearLayer
from evals.model_ref import CausalModel


class ModelPass:
    """A forward and backward pass of the summed loss through the hooks, at a temperature."""

    def __init__(self, model: CausalModel, temperature: float) -> None:
        parameter = next(model.parameters())
        self.model = model
        self._temperature = temperature
        self.device = parameter.device
        # Sums over tokens are taken in float32 whatever the model computes in.
        self.dtype = torch.float64 if parameter.dtype == torch.float64 else torch.float32
        self.model_dtype = parameter.dtype
        self._has_loss = self._places = torch.zeros(0, dtype=torch.long)
        self._mask = torch.zeros(0)
        self._logits = torch.zeros(0)

    def run(self, batch: dict[str, Tensor], keeps: bool = False) -> Tensor:
        """Run forward and backward; loss of each row at temperature 1, [batch]. `keeps` is for `run_sampled`."""
        logits = self.forward(batch)
        labels = batch["labels"].to(self.device)[:, 1:].flatten()[self._places]
        log_probabilities = logits.detach().to(self.dtype).log_softmax(-1)  # [tokens with loss, vocab]
        token_losses = F.nll_loss(log_probabilities, labels, reduction="none")
        grad = log_probabilities.div_(self._temperature).softmax(-1)
        grad[torch.arange(len(labels), device=self.device), labels] -= 1
        logits.backward(grad.to(logits.dtype), retain_graph=keeps)  # type: ignore[no-untyped-call]
        if not keeps:
            self._logits = torch.zeros(0)
        losses = torch.zeros(len(self._has_loss), dtype=self.dtype, device=self.device)
        return losses.index_add_(0, self._places // self._has_loss.shape[1], token_losses)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of the tokens with loss, [tokens with loss, vocab]."""
        ids, mask = batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)
        self._has_loss = batch["labels"].to(self.device)[:, 1:] >= 0  # [batch, time - 1]
        self._places = self._has_loss.flatten().nonzero()[:, 0]  # [tokens with loss]
        self._mask = mask.to(self.dtype)  # [batch, time]
        with torch.enable_grad():
            # Without padding no mask: attention then takes its faster causal path.
            self._logits = self.model(input_ids=ids, attention_mask=None if mask.all() else mask).logits
        return self._logits

    def run_sampled(self, seeds: Sequence[int]) -> None:
        """Run backward from random labels for the batch of the last `forward`, or of a `run` that keeps it.

        The gradient at the logits is drawn as `sqrt(p) (e - sqrt(p) <sqrt(p), e>)` with e normal, p the model's
        probabilities: it has the covariance `diag(p) - p p^T` of the gradient of a label drawn from p, and so gives
        the Fisher matrix, without the rare large values that labels of a sure model have. At temperature T, where p
        is softer, it is shorter by the root of T, since T times the loss curves as `(diag(p) - p p^T) / T`.

        Args:
            seeds: One for each row, [batch].
        """
        logits, self._logits = self._logits, torch.zeros(0)
        root = logits.detach().to(self.dtype).div(self._temperature).softmax(-1).sqrt()  # [tokens with loss, vocab]
        counts = self._has_loss.sum(1).tolist()
        noise = torch.cat([_normal(seed, (count, logits.shape[-1])) for seed, count in zip(seeds, counts, strict=True)])
        noise = noise.to(self.device, self.dtype)
        grad = root * (noise - root * (root * noise).sum(-1, keepdim=True)) / self._temperature**0.5
        logits.backward(grad.to(logits.dtype))  # type: ignore[no-untyped-call]

    def keep_positions_with_loss(self, _head: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        """Reduce the head's input, [batch, time, width], to the positions with loss, [tokens with loss, width]."""
        return (args[0][:, :-1].flatten(0, 1)[self._places],)

    def mean_of_tokens(self, values: Tensor, layer: LinearLayer) -> Tensor:
        """Average what a layer is given, [batch, time, width], over tokens to [batch, width]: padding is left out, and
        what the head is not given, which sees the positions with loss alone."""
        mask = self._has_loss.to(self.dtype) if layer.is_head else self._mask
        shares = mask / mask.sum(1, keepdim=True).clamp_min(1)
        return torch.bmm(shares[:, None], values.to(self.dtype))[:, 0]

    def products_by_row(self, grads: Tensor, inputs: Tensor, layer: LinearLayer) -> Tensor:
        """Sum over each row's tokens of `grad input^T`, [batch, p_out, p_in]."""
        return torch.bmm(self.by_row(grads, layer).transpose(1, 2), self.by_row(inputs, layer))

    def by_row(self, values: Tensor, layer: LinearLayer) -> Tensor:
        """Arrange values as [batch, time, p], also of layers whose input is the tokens of all rows in one list."""
        if layer.is_head:
            padded = torch.zeros(self._has_loss.numel(), values.shape[-1], dtype=values.dtype, device=self.device)
            padded[self._places] = values
            return padded.view(*self._has_loss.shape, -1)
        num_rows, num_steps = len(self._has_loss), self._has_loss.shape[1] + 1
        if values.dim() == 3:
            return values
        if len(values) != num_rows * num_steps:
            raise ValueError(
                f"layer {layer.name!r} is not given every token of the batch (a routed expert?), so its "
                "gradients cannot be told apart by example; attribute with a model without such layers"
            )
        return values.reshape(num_rows, num_steps, values.shape[-1])


def _normal(seed: int, shape: tuple[int, int]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def want_gradient(output: Tensor, hook: Callable[[Tensor], None]) -> None:
    if not output.requires_grad:  # the first hooked layer: below it nothing wants a gradient
        output.requires_grad_()
    output.register_hook(hook)  # type: ignore[no-untyped-call]
