"""dattri: LoGra (arXiv 2405.13954), a Kronecker-factored projection and a Fisher matrix of each linear layer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from bench_attribution import BATCH_ROWS
from dattri.algorithm import LoGraAttributor
from dattri.task import AttributionTask
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from torch.utils.data import DataLoader, TensorDataset, default_collate
from transformers import PreTrainedModel

from attribution_peers.rows import as_dataset, summed_losses
from diagnose.rows.tokens import TokenRows


@dataclass(frozen=True, slots=True)
class Output:
    loss: Tensor


class WithLoss(Module):
    """Divides by the number of rows, for LoGra multiplies by it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, labels: Tensor) -> Output:
        return Output(summed_losses(self.model(input_ids=input_ids).logits, labels).mean())


def score(model: PreTrainedModel, train: TokenRows, queries: TokenRows, folder: Path) -> NDArray[np.float64]:
    wrapped = WithLoss(model)
    task = AttributionTask(loss_func=_loss, model=wrapped, checkpoints=wrapped.state_dict())
    # Size and damping of evalmend: twice the side of the matrix costs more and predicts no better, the default damping
    # predicts worse (within_slice_lds .13 both, against .15).
    attributor = LoGraAttributor(
        task,
        device="cpu",
        proj_dim=256,
        damping=0.3,
        offload="none",
        # Without it the batches' bounds lie in the working directory, and the next run takes them for its own.
        cache_dir=str(folder),
    )
    rows = _loader(as_dataset(train))
    with torch.compiler.set_stance("force_eager"):  # compiling a kernel for each layer takes longer than the pass
        attributor.cache(rows)
        scores: Tensor = attributor.attribute(rows, _loader(as_dataset(queries)))
    return scores.double().numpy()


def _loss(model: Module, batch: dict[str, Tensor], _device: str) -> Tensor:
    loss: Tensor = model(**batch).loss
    return loss


def _loader(rows: TensorDataset) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(rows, BATCH_ROWS, collate_fn=_named)


def _named(rows: list[tuple[Tensor, ...]]) -> dict[str, Tensor]:
    input_ids, labels = default_collate(rows)
    return {"input_ids": input_ids, "labels": labels}
