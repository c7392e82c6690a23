"""captum: TracInCP (arXiv 2002.08484) at one checkpoint, the dot product of whole gradients."""

import warnings
from pathlib import Path

import numpy as np
from bench_attribution import BATCH_ROWS
from captum.influence import TracInCP
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from attribution_peers.rows import Logits, as_dataset, linear_names, summed_losses
from diagnose.rows.tokens import TokenRows


class SummedLoss(Module):
    """All rows of a batch together, as the per-sample gradients out of one backward pass want it."""

    reduction = "sum"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return summed_losses(logits, labels).sum()


def score(model: PreTrainedModel, train: TokenRows, queries: TokenRows, folder: Path) -> NDArray[np.float64]:
    wrapped = Logits(model)
    tracin = TracInCP(
        wrapped,
        as_dataset(train),
        checkpoints=[folder],
        checkpoints_load_func=_keep,
        # The one mode without a backward pass for each row; it knows linear layers only.
        layers=linear_names(wrapped),
        sample_wise_grads_per_batch=True,
        loss_fn=SummedLoss(),
        batch_size=BATCH_ROWS,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Input Tensor .* has a dtype of")  # token ids have no gradient
        scores: Tensor = tracin.influence(DataLoader(as_dataset(queries), BATCH_ROWS))  # [num_queries, num_train]
    return scores.T.double().numpy()


def _keep(_model: Module, _checkpoint: object) -> float:
    """The model is loaded already; the learning rate of a single checkpoint ranks nothing."""
    return 1.0
