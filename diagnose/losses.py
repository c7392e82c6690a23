"""Loss of training rows under one model: what the model does not know yet, or should never learn.

A selection by loss finds rare skills, hard rows and wrong labels alike; that is why it is a control and not a
fix. Costs one forward pass over the rows, 2 FLOPs for each parameter and token.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from diagnose.attribution.batches import length_batches
from diagnose.attribution.checkpoint import load_model
from diagnose.tokens import NO_LOSS, TokenRows, collate
from evals.model_ref import ModelRef


@dataclass(frozen=True, slots=True)
class RowLosses:
    per_token: NDArray[np.float32]
    """[num_rows], nats, mean over the tokens with loss; 0 where a row has none or its loss is not finite."""
    num_tokens: int
    """Through a forward pass."""


def row_losses(ref: ModelRef, rows: TokenRows, batch_tokens: int) -> RowLosses:
    """Mean loss of each row, completion and end token; not summed, which would rank rows by length.

    Args:
        ref: The model.
        rows: As trained on.
        batch_tokens: Most tokens in a batch, padding included.
    """
    model = load_model(ref).eval()
    per_token = np.zeros(len(rows), np.float32)
    asked = np.flatnonzero(rows.lengths > 1)
    for chosen in length_batches(rows.lengths, asked, batch_tokens, most_rows=len(rows)):
        batch = {name: part.to(model.device) for name, part in collate(rows, chosen, pad_id=0).items()}
        targets = batch.pop("labels")[:, 1:]  # [batch, longest - 1]
        with torch.no_grad():
            logits = model(**batch).logits[:, :-1].float()
        losses = cross_entropy(logits.transpose(1, 2), targets, reduction="none", ignore_index=NO_LOSS)
        counts = (targets != NO_LOSS).sum(dim=1).clamp(min=1)
        per_token[chosen] = (losses.sum(dim=1) / counts).nan_to_num(0.0, 0.0, 0.0).cpu().numpy()
    return RowLosses(per_token, int(rows.lengths[asked].sum()))
