"""Embed texts by the measured model's mean hidden states; it is loaded when it is first used.

For a small vocabulary none are computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.model.asked_model import AskedModel
from diagnose.model.checkpoint import check_checkpoints
from diagnose.model.hidden_states import mean_hidden_states
from diagnose.rows.tokens import encode


@dataclass
class TextStates:
    """An embedding for `diagnose.slices.text_clusters`; counts the tokens that it takes."""

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
        rows = encode([""] * len(texts), texts, self.model.tokenizer, "", self.model.most_tokens)
        self.num_tokens += rows.num_tokens
        return mean_hidden_states(self.model.load(), rows, self.batch_tokens)
