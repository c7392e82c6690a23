"""kronfluence: EK-FAC influence (Grosse et al. 2023, arXiv 2308.03296)."""

from pathlib import Path

import numpy as np
import torch
from bench_attribution import BATCH_ROWS
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.task import Task
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from transformers import PreTrainedModel

from attribution_peers.rows import as_dataset, summed_losses
from diagnose.rows.tokens import NO_LOSS, TokenRows

Batch = tuple[Tensor, Tensor]


class LanguageModelling(Task):
    def compute_train_loss(self, batch: Batch, model: Module, sample: bool = False) -> Tensor:
        input_ids, labels = batch
        logits = model(input_ids=input_ids).logits
        return summed_losses(logits, _sampled(logits, labels) if sample else labels).sum()

    def compute_measurement(self, batch: Batch, model: Module) -> Tensor:
        return self.compute_train_loss(batch, model)


def score(model: PreTrainedModel, train: TokenRows, queries: TokenRows, folder: Path) -> NDArray[np.float64]:
    torch.manual_seed(0)  # of the labels that the Fisher matrix is sampled with
    task = LanguageModelling()
    analyzer = Analyzer("peer", prepare_model(model, task), task, cpu=True, disable_tqdm=True, output_dir=str(folder))
    rows = as_dataset(train)
    analyzer.fit_all_factors("ekfac", rows, per_device_batch_size=BATCH_ROWS)
    analyzer.compute_pairwise_scores(
        scores_name="pairwise",
        factors_name="ekfac",
        query_dataset=as_dataset(queries),
        train_dataset=rows,
        per_device_query_batch_size=len(queries),  # it passes over the rows once for each batch of queries
        per_device_train_batch_size=BATCH_ROWS,
    )
    scores: Tensor = analyzer.load_pairwise_scores("pairwise")["all_modules"]  # [num_queries, num_train]
    return scores.T.double().numpy()


def _sampled(logits: Tensor, labels: Tensor) -> Tensor:
    """Labels that the model itself would give, where there is one."""
    with torch.no_grad():
        drawn = torch.multinomial(logits[:, :-1].softmax(-1).flatten(0, 1), 1).view(len(labels), -1)
    sampled = labels.clone()
    sampled[:, 1:] = torch.where(labels[:, 1:] == NO_LOSS, NO_LOSS, drawn)
    return sampled
