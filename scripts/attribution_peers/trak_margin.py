"""traker: TRAK (Park et al. 2023, arXiv 2303.14186) of one checkpoint.

The model's output is log(p / (1 - p)) summed over the tokens that have a loss, p the probability of the label.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from bench_attribution import BATCH_ROWS
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from torch.utils.data import DataLoader
from trak import TRAKer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import BasicSingleBlockProjector, ProjectionType
from transformers import PreTrainedModel

from attribution_peers.rows import Logits, as_dataset
from diagnose.rows.tokens import NO_LOSS, TokenRows

PROJECTION_DIM = 512
Named = dict[str, Tensor]


class KeptProjector(BasicSingleBlockProjector):
    """One matrix for rows and queries alike; the default draws it anew for each batch."""

    def free_memory(self) -> None:
        """Keeps it: it is freed before the queries need it, and not made again."""


class Margin(AbstractModelOutput):
    def __init__(self) -> None:
        """Nothing to set; without it the class is abstract."""

    @staticmethod
    def get_output(model: Module, weights: Named, buffers: Named, input_ids: Tensor, labels: Tensor) -> Tensor:
        """Of one row: `input_ids` and `labels` are [tokens]."""
        logits = torch.func.functional_call(model, (weights, buffers), (input_ids[None],))
        log_p = _log_probabilities(logits, labels[None])
        margins = log_p - torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
        return torch.where(labels[None, 1:] == NO_LOSS, 0, margins).sum()

    def get_out_to_loss_grad(self, model: Module, weights: Named, buffers: Named, batch: Iterable[Tensor]) -> Tensor:
        """1 - p, averaged over the row's tokens, [rows, 1]."""
        input_ids, labels = batch
        with torch.no_grad():
            logits = torch.func.functional_call(model, (weights, buffers), (input_ids,))
            has_loss = labels[:, 1:] != NO_LOSS
            missing = torch.where(has_loss, 1 - _log_probabilities(logits, labels).exp(), 0)
            return missing.sum(1, keepdim=True) / has_loss.sum(1, keepdim=True)


def score(model: PreTrainedModel, train: TokenRows, queries: TokenRows, folder: Path) -> NDArray[np.float64]:
    model.set_attn_implementation("eager")  # the fused kernel has no gradient for each row and is slower in a loop
    wrapped = Logits(model)
    num_parameters = sum(parameter.numel() for parameter in wrapped.parameters())
    traker = TRAKer(
        wrapped,
        task=Margin(),
        train_set_size=len(train),
        save_dir=str(folder),
        device="cpu",
        projector=KeptProjector(num_parameters, PROJECTION_DIM, 0, ProjectionType.normal, "cpu"),
        use_half_precision=False,
        logging_level=logging.WARNING,
    )
    weights = wrapped.state_dict()
    traker.load_checkpoint(weights, model_id=0)
    for batch in DataLoader(as_dataset(train), BATCH_ROWS):
        traker.featurize(batch, num_samples=len(batch[0]))
    traker.finalize_features()
    traker.start_scoring_checkpoint("queries", weights, model_id=0, num_targets=len(queries))
    for batch in DataLoader(as_dataset(queries), BATCH_ROWS):
        traker.score(batch, num_samples=len(batch[0]))
    return np.array(traker.finalize_scores("queries"), dtype=np.float64)  # [num_train, num_queries]


def _log_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """Of each label, [rows, tokens - 1]; of token 0 where there is no loss."""
    wanted = labels[:, 1:].clamp(min=0)
    return logits[:, :-1].log_softmax(-1).gather(-1, wanted[..., None])[..., 0]
