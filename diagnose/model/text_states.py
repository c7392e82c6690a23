"""Mean hidden states of texts by the measured model, which is loaded only when it is asked.

Of a small vocabulary none are asked for.
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
    """A space for `diagnose.slices.text_clusters`; counts the tokens that it takes."""

    model: AskedModel
    batch_tokens: int
    """Most tokens in a batch, padding included."""
    num_tokens: int = 0
    """Through a forward pass."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[num_texts, hidden_size]; 0 for a text with a state that is not finite. Long texts lose their ends.

        Raises:
            ValueError: as `check_checkpoints`.
        """
        check_checkpoints(self.model.checkpoints, len(self.model.tokenizer))
        rows = encode([""] * len(texts), texts, self.model.tokenizer, "", self.model.most_tokens)
        self.num_tokens += rows.num_tokens
        return mean_hidden_states(self.model.load(), rows, self.batch_tokens)
