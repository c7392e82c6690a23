"""Token rows as tensors, and the one loss that every library attributes."""

import torch
from torch import Tensor
from torch.nn import Module, functional
from torch.utils.data import TensorDataset
from transformers import PreTrainedModel

from diagnose.rows.tokens import NO_LOSS, TokenRows, collate


class Logits(Module):
    """A causal language model that takes token ids alone and returns a bare tensor, [rows, tokens, vocab]."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids).logits
        return logits


def as_dataset(rows: TokenRows) -> TensorDataset:
    """Ids and labels, each [num_rows, num_tokens]; nothing is padded, for not every library knows of a mask.

    Raises:
        ValueError: rows of different lengths.
    """
    lengths = sorted(set(rows.lengths.tolist()))
    if len(lengths) != 1:
        raise ValueError(f"rows must be of one length, got lengths {lengths}; give a corpus that needs no padding")
    batch = collate(rows, range(len(rows)), pad_id=0)
    return TensorDataset(batch["input_ids"], batch["labels"])


def summed_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Nats of each row, [rows]."""
    predicted, wanted = logits[:, :-1], labels[:, 1:]
    losses = functional.cross_entropy(predicted.flatten(0, 1), wanted.flatten(), ignore_index=NO_LOSS, reduction="none")
    return losses.view(wanted.shape).sum(1)


def linear_names(model: Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
