"""Attribute the log-probability of the tokens that follow a prompt to pieces of it, by leaving out each (occlusion; Li
et al. 2016, arXiv 1612.08220).

What a piece has is how much less likely the answer is without it. That is true of any model, and needs no path between
two inputs along which gradients add up; but of two words that say the same neither has a share.

Costs one forward pass over the row for each piece.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.model.likelihoods import row_likelihoods
from diagnose.rows.batches import num_loss_tokens
from diagnose.rows.tokens import NO_LOSS, TokenRows, token_rows
from evals.model_ref import CausalModel

_BATCH_TOKENS = 4_096
"""Most tokens in a batch, padding included."""


@dataclass(frozen=True, slots=True)
class PieceChanges:
    nats: NDArray[np.float64]
    """Log-likelihood of the tokens with loss, less that without the piece, [num_pieces]; 0 for a piece of no tokens,
    and where a likelihood is not finite or nothing is left before the answer."""
    num_tokens: int
    """Tokens through the forward pass."""


def leave_out_pieces(model: CausalModel, row: TokenRows, piece: NDArray[np.int64], num_pieces: int) -> PieceChanges:
    """Leave out each piece of a row in turn.

    Args:
        row: One row.
        piece: Piece of each token, [num_tokens]; -1 for tokens that always stay, as those with loss do.
        num_pieces: Number of pieces.
    """
    keeps = [np.ones(len(piece), bool), *(piece != number for number in range(num_pieces))]
    labels = np.where(row.has_loss, row.ids, NO_LOSS)
    rows = token_rows([row.ids[keep] for keep in keeps], [labels[keep] for keep in keeps])
    counts = num_loss_tokens(rows)
    found = row_likelihoods(model, rows, _BATCH_TOKENS)
    is_known = (counts[1:] == counts[0]) & (found.num_loss_tokens[1:] > 0) & (found.log_likelihood[1:] != 0)
    changes = np.where(is_known & (found.log_likelihood[0] != 0), found.log_likelihood[0] - found.log_likelihood[1:], 0)
    return PieceChanges(changes, found.num_tokens)
