"""Damped inverse Fisher matrix of projected gradients, layer by layer, robust to outliers.

The effect of a training row on a query is, summed over layers,

    g_query^T (F + damping * mean eigenvalue)^-1 g_train / (1 + shrinkage * leverage)

with F the second moment of a sample of training gradients: influence functions (Koh and Liang 2017, arXiv
1703.04730) with the empirical Fisher of each layer in place of the Hessian (TRAK, arXiv 2303.14186; LoGra,
arXiv 2405.13954).

The leverage of a row in a layer is `g^T F^-1 g / width`, 1 on average. Two things hang on it. A row of the
sample shrinks its own score by Sherman and Morrison's factor and one outside does not, which makes the two
incomparable (rank correlation with retraining .12 in place of .17 when half of the rows are in the sample):
so the factor is taken out again. And a row of large leverage, mostly a wrong label, does less than it
promises, for the quadratic picture does not reach that far; shrinkage says how much less. On the model of
`diagnose.attribution.projection` none gives .147, .06 to .25 give .183 to .187.

Costs a product with the layer's p^2 x p^2 matrix for each row: under 1 % of the pass that made its gradient.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from diagnose.attribution.projection import LayerProjection

_LEAST_EIGENVALUE = 1e-11
"""Of a layer, as a fraction of the largest layer's: gradients of 3e-6 are what float32 rounds off."""


class DampedFisher:
    """Built from `sample` [num_sample, dim]; damping is a fraction of the mean eigenvalue, > 0.

    Raises:
        ValueError: the whole sample is zero: the model has no finite loss, or none that its layers can change.
    """

    def __init__(self, sample: Tensor, projections: Sequence[LayerProjection], damping: float) -> None:
        self._num_sample = len(sample)
        self._columns: list[slice] = []
        self._roots: list[Tensor] = []  # [width, width]: R with R R^T the damped inverse
        means = [float(sample[:, projection.columns].square().mean()) for projection in projections]
        if max(means) == 0:
            raise ValueError(
                f"none of {len(sample)} sampled training rows has a finite gradient other than zero, so there is "
                "nothing to attribute by; check that the model's loss on the training rows is finite"
            )
        for projection, mean_eigenvalue in zip(projections, means, strict=True):
            # No gradient reaches it, as below the zero matrix of a fresh adapter or in the attention of rows that
            # repeat one token; inverting would blow rounding errors up to the size of the others' gradients.
            if mean_eigenvalue <= _LEAST_EIGENVALUE * max(means):
                continue
            block = sample[:, projection.columns]
            fisher = block.T @ block / len(sample)
            fisher.diagonal().add_(damping * mean_eigenvalue)
            identity = torch.eye(len(fisher), dtype=fisher.dtype, device=fisher.device)
            lower = torch.linalg.cholesky(fisher)
            self._columns.append(projection.columns)
            self._roots.append(torch.linalg.solve_triangular(lower, identity, upper=False).T.contiguous())

    def whiten(self, grads: Tensor) -> list[Tensor]:
        """The gradients of each layer times the root of its inverse, [num_rows, width] each."""
        return [grads[:, columns] @ root for columns, root in zip(self._columns, self._roots, strict=True)]

    def effect(self, grads: Tensor, whitened_queries: Sequence[Tensor], shrinkage: float, *, is_sample: bool) -> Tensor:
        """Product of each row with each query, [num_rows, num_queries].

        Args:
            grads: [num_rows, dim].
            whitened_queries: `whiten` of the query gradients.
            shrinkage: At least 0.
            is_sample: Whether the rows are those that the matrix was made of.
        """
        out = torch.zeros(len(grads), len(whitened_queries[0]), dtype=grads.dtype, device=grads.device)
        for rows, queries in zip(self.whiten(grads), whitened_queries, strict=True):
            leverage = rows.square().sum(1)  # [num_rows], of the width
            scale = torch.ones_like(leverage)
            if is_sample:
                scale = 1 / (1 - leverage / self._num_sample).clamp_min(1e-3)
                leverage = leverage * scale
            scale = scale / (1 + shrinkage * leverage / rows.shape[1])
            out += scale[:, None] * (rows @ queries.T)
        return out
