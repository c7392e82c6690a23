"""Products of our gradients against captum's TracInCP, which takes them from autograd one example at a time.

Pruthi et al. 2020, arXiv 2002.08484: with one checkpoint and a learning rate of 1, the score of a training example for
a query is the inner product of their gradients.
"""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from builders.models import llama, rows_of_many_lengths
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import PreTrainedModel

from diagnose.attribution.gradients.caught import catch_gradients
from diagnose.attribution.gradients.projection import random_projections
from diagnose.rows.tokens import NO_LOSS, collate

tracin = pytest.importorskip("captum.influence")

WIDEST = 40


class Logits(nn.Module):
    """What captum asks of a model: tensors in, a tensor out."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=ids, attention_mask=mask).logits
        return logits


def row_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """[batch], summed over tokens."""
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], ignore_index=NO_LOSS, reduction="none").sum(1)


@pytest.mark.filterwarnings("ignore:Setting required grads", "ignore:Since `loss_fn` has no")
def test_unpreconditioned_scores_are_those_of_tracin(tmp_path: Path) -> None:
    model = llama(WIDEST, 24, num_key_value_heads=1).double().eval()
    train = collate(rows_of_many_lengths(7, seed=1), range(7), pad_id=0)
    queries = collate(rows_of_many_lengths(3, seed=2), range(3), pad_id=0)
    torch.save(Logits(model).state_dict(), tmp_path / "checkpoint.pt")

    with catch_gradients(model, random_projections(model, WIDEST, train, seed=0)) as gradients:
        ours = gradients.of_batch(queries).grads @ gradients.of_batch(train).grads.T  # [queries, train]
        layers = [f"model.{projection.layer.name}" for projection in gradients.projections]

    def load(wrapped: Logits, path: str) -> float:
        wrapped.load_state_dict(torch.load(path))
        return 1.0  # the learning rate

    theirs = tracin.TracInCP(
        Logits(model),
        DataLoader(TensorDataset(train["input_ids"], train["attention_mask"], train["labels"]), batch_size=4),
        checkpoints=[str(tmp_path / "checkpoint.pt")],
        checkpoints_load_func=load,
        layers=layers,
        loss_fn=row_losses,
        batch_size=4,
    ).influence((queries["input_ids"], queries["attention_mask"], queries["labels"]))

    assert len(layers) == 15  # the head among them
    assert ours.abs().min() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
