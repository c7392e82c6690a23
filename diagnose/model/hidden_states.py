"""Embed rows, or texts, by a model: the mean of the last hidden states over a row's tokens.

One forward pass, 2 FLOPs for each parameter and token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from diagnose.model.asked_model import AskedModel
from diagnose.model.checkpoint import check_checkpoints
from diagnose.model.head import last_states
from diagnose.rows.batches import length_batches
from diagnose.rows.tokens import TokenRows, collate, encode_texts
from evals.model_ref import CausalModel


@dataclass
class TextStates:
    """An embedding for `diagnose.slices.text_clusters` by the measured model, which is loaded when it is first used;
    counts the tokens that it takes."""

    model: AskedModel
    batch_tokens: int
    """Most tokens in a batch, padding included."""
    num_tokens: int = 0
    """Tokens through a forward pass so far."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, [num_texts, hidden_size]; 0 where a state is not finite. Long texts lose their ends.

        Raises:
            ValueError: as in `check_checkpoints`.
        """
        check_checkpoints(self.model.checkpoints, len(self.model.tokenizer))
        rows = encode_texts(texts, self.model.tokenizer, self.model.most_tokens)
        self.num_tokens += rows.num_tokens
        return mean_hidden_states(self.model.load(), rows, self.batch_tokens)


def mean_hidden_states(model: CausalModel, rows: TokenRows, batch_tokens: int) -> NDArray[np.float32]:
    """Mean last hidden state of each row, [num_rows, hidden_size]; 0 without tokens or with a state that is not finite.

    Args:
        batch_tokens: Most tokens in a batch, padding included.
    """
    model.eval()
    found = np.zeros((len(rows), model.config.get_text_config().hidden_size), np.float32)
    nonempty = np.flatnonzero(rows.lengths > 0)
    for chosen in length_batches(rows.lengths, nonempty, batch_tokens, most_rows=len(rows)):
        batch = collate(rows, chosen, pad_id=0)
        last = last_states(model, batch)
        is_token = batch["attention_mask"][..., None].to(last)
        means = (last * is_token).sum(1) / is_token.sum(1).clamp_min(1)
        found[chosen] = torch.where(means.isfinite().all(1, keepdim=True), means, 0.0).cpu().numpy()
    return found
