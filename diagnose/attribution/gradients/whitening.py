"""Shrink sides of a projection in the directions in which activations or their gradients are large.

A token counts for one side by how much it moves the weight, which is the length of its other side.
"""

import torch
from torch import Tensor

_MOST_MOMENT_TOKENS = 128
"""Tokens from which a second moment is computed: its eigenvectors cost the cube of this. Twice as many gain nothing."""

_MOMENT_DAMPING = 0.1
"""Damping as a fraction of the mean eigenvalue; .03 to .3 make no difference."""


class SharedInput:
    """A tensor that is the input of one layer or several."""

    def __init__(self, given: Tensor) -> None:
        self.given = given
        self._squares: Tensor | None = None  # [tokens]

    def add(self, grads: Tensor) -> None:
        """Add gradients of the output of one of the layers, [tokens, out]."""
        squares = grads.square().sum(1)
        self._squares = squares if self._squares is None else self._squares + squares

    def tokens(self, dtype: torch.dtype) -> Tensor:
        """The input as tokens, [tokens, in]."""
        return self.given.detach().reshape(-1, self.given.shape[-1]).to(dtype)

    def weighted(self, dtype: torch.dtype) -> Tensor:
        """Tokens times the length of all the layers' gradients, [tokens, in]; no token where there are none."""
        tokens = self.tokens(dtype)
        return tokens[:0] if self._squares is None else tokens * self._squares.sqrt()[:, None]


def whitened(side: Tensor, rows: Tensor) -> Tensor:
    """Return `(M + damping)^(-1/4) side`; M is the second moment of some `rows`, [tokens, size], mean eigenvalue 1."""
    if side.shape[0] == side.shape[1]:
        return side
    sizes = rows.norm(dim=1)
    counts = torch.nonzero((sizes > 0) & sizes.isfinite())[:, 0]
    if len(counts) == 0:
        return side
    rows = rows[counts[:: 1 + len(counts) // _MOST_MOMENT_TOKENS]]
    rows = rows * (side.shape[0] / rows.square().sum()).sqrt()
    # Of M and the Gram matrix, which share their eigenvalues, the smaller one.
    if len(rows) < side.shape[0]:
        values, left = torch.linalg.eigh(rows @ rows.T)
        is_large = values > 1e-6 * values[-1]
        values = values[is_large]
        vectors = rows.T @ left[:, is_large] / values.sqrt()  # [size, rank]
    else:
        values, vectors = torch.linalg.eigh(rows.T @ rows)
    floor = _MOMENT_DAMPING**-0.25  # of the directions that no row has
    scale = (values.clamp_min(0) + _MOMENT_DAMPING).pow(-0.25) - floor
    shaped: Tensor = floor * side + vectors @ (scale[:, None] * (vectors.T @ side))
    return shaped
