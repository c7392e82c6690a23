"""Losses under one model: of training rows, and of the items that attribution explains.

Selecting rows by loss finds what the model does not know yet and what it should never learn, rare skills, hard rows and
wrong labels alike; that is why it is a control and not a fix. The loss of failed items is what attribution predicts, so
retraining compares the two. Costs one forward pass, 2 FLOPs for each parameter and token.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from diagnose.model.checkpoint import load_model
from diagnose.model.head import answer_logits, fitting_tokens
from diagnose.model.queries import Queries
from diagnose.rows.batches import length_batches
from diagnose.rows.tokens import TokenRows, collate
from evals.model_ref import ModelRef


@dataclass(frozen=True, slots=True)
class RowLosses:
    per_token: NDArray[np.float32]
    """Mean loss over the tokens with loss, [num_rows], nats; 0 where a row has none or its loss is not finite."""
    num_tokens: int
    """Tokens through a forward pass."""


def row_losses(ref: ModelRef, rows: TokenRows, batch_tokens: int) -> RowLosses:
    """Compute the mean loss of each row, completion and end token; a sum would rank rows by length.

    Args:
        batch_tokens: Most tokens in a batch, padding included.
    """
    summed, counts = _summed(ref, rows, batch_tokens)
    per_token = np.nan_to_num(summed / counts.clip(1), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return RowLosses(per_token, int(rows.lengths[rows.lengths > 1].sum()))


def item_values(ref: ModelRef, queries: Queries, batch_tokens: int) -> NDArray[np.float64]:
    """Value of each item of the queries, [num_items], in nats summed over tokens as in attribution: lower is better;
    not finite where a loss is not."""
    summed, _ = _summed(ref, queries.rows, batch_tokens)
    signed = np.where(queries.is_gold, summed, -summed)
    return np.bincount(queries.item, signed, minlength=queries.weights.shape[1]).astype(np.float64)


def _summed(ref: ModelRef, rows: TokenRows, batch_tokens: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sum the loss of each row over its tokens with loss, and count these; 0 and 0 where there are none."""
    model = load_model(ref).eval()
    summed, numbers = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.int64)
    readable = np.flatnonzero(rows.lengths > 1)
    for chosen in length_batches(rows.lengths, readable, fitting_tokens(model, batch_tokens), most_rows=len(rows)):
        logits, targets, has_loss = answer_logits(model, collate(rows, chosen, pad_id=0))
        losses = torch.zeros(has_loss.shape, device=logits.device)  # [batch, longest - 1]
        losses[has_loss] = cross_entropy(logits, targets, reduction="none")
        summed[chosen] = losses.sum(dim=1).cpu().numpy()
        numbers[chosen] = has_loss.sum(dim=1).cpu().numpy()
    return summed, numbers
