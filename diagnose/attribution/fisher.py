"""Damped inverse Fisher matrix of projected gradients, layer by layer.

The effect of a training row on a query is, summed over layers,

    g_query^T (F + damping * mean eigenvalue)^-1 g_train

influence functions (Koh and Liang 2017, arXiv 1703.04730) with the Fisher matrix F of each layer in place of the
Hessian. Two choices, each judged by the rank correlation with retraining within slices, at the last checkpoint of a
model of 148 k parameters:

F is the second moment of gradients of labels that the model draws itself, the curvature of its loss (Martens 2020,
arXiv 1412.1193, section 5), not of the true labels: those of well-learnt rows have hardly a gradient, and wrong labels
dominate the rest. .21 in place of .18.

F of few rows is noisy, so it is drawn towards the Kronecker product of its own two factors (Martens and Grosse 2015,
arXiv 1503.05671): of 250 rows .19 without, .20 with a share of .3, .21 with .6.

The products with F^-1 are solved for the queries beforehand: each row costs p^2 multiplications for each query and
layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from diagnose.attribution.gradients.projection import LayerProjection

LEAST_EIGENVALUE = 1e-11
"""Smallest mean eigenvalue of a layer, as a fraction of the largest layer's: gradients of 3e-6 are float32 rounding."""


def inverse_fisher_product(
    queries: Tensor, sample: Tensor, projections: Sequence[LayerProjection], damping: float, kronecker: float
) -> Tensor:
    """Multiply the queries' gradients by the damped inverse, [num_queries, dim]; times a row's gradient it is the
    effect.

    Args:
        queries: Gradients of the queries, [num_queries, dim].
        sample: Gradients of labels that the model drew, [num_sample, dim].
        damping: Damping as a fraction of the mean eigenvalue, > 0.
        kronecker: Share of the Kronecker product, from 0 to 1.

    Raises:
        ValueError: the whole sample is zero: the model has no finite loss, or none that its layers can change.
    """
    means = [float(sample[:, projection.columns].square().mean()) for projection in projections]
    if max(means) == 0:
        raise ValueError(
            f"none of {len(sample)} sampled training rows has a finite gradient other than zero, so there is "
            "nothing to attribute by; check that the model's loss on the training rows is finite"
        )
    solved = torch.zeros_like(queries)
    for projection, mean_eigenvalue in zip(projections, means, strict=True):
        # No gradient reaches it, as below the zero matrix of a fresh adapter or in the attention of rows that
        # repeat one token; inverting would blow rounding errors up to the size of the others' gradients.
        if mean_eigenvalue <= LEAST_EIGENVALUE * max(means):
            continue
        columns = projection.columns
        fisher = _second_moment(sample[:, columns], projection, kronecker)
        fisher.diagonal().add_(damping * mean_eigenvalue)
        solved[:, columns] = torch.cholesky_solve(queries[:, columns].T, torch.linalg.cholesky(fisher)).T
    return solved


def _second_moment(sample: Tensor, projection: LayerProjection, kronecker: float) -> Tensor:
    """Second moment of a layer, [width, width], shrunk to the Kronecker product of its factors with the same trace."""
    moment = sample.T @ sample / len(sample)
    if kronecker == 0:
        return moment
    matrices = sample.view(len(sample), projection.output_side.shape[1], projection.input_side.shape[1])
    of_inputs = torch.einsum("noi,noj->ij", matrices, matrices) / len(sample)
    of_outputs = torch.einsum("noi,npi->op", matrices, matrices) / len(sample)
    return (1 - kronecker) * moment + kronecker * torch.kron(of_outputs, of_inputs) / of_inputs.trace()
