"""Compute the effect of chosen rows with whole gradients: EK-FAC influence.

The Fisher matrix of a layer is taken to be diagonal in the basis of the eigenvectors of its two Kronecker factors, the
second moments of its inputs and of the gradients of its outputs (George et al. 2018, arXiv 1806.03884); so no
gradient needs to be projected (Grosse et al. 2023, arXiv 2308.03296). Everything else is as in
`diagnose.attribution.fisher`: random labels, damping.

It costs several times as much per row as projected gradients, so it is for the few that those rank first. Memory: a
gradient of the whole model for each query. Layers with a side above `MOST_SIDE` are left out, as is the head of a
large vocabulary: their eigenvectors cost the cube of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from diagnose.attribution.fisher import LEAST_EIGENVALUE
from diagnose.attribution.gradients.batches import gradient_batches
from diagnose.attribution.gradients.caught import ProjectedGradients, catch_gradients
from diagnose.attribution.gradients.layers import LinearLayer, freeze, linear_layers
from diagnose.attribution.gradients.model_pass import ModelPass, want_gradient
from diagnose.attribution.gradients.of_queries import query_gradients
from diagnose.attribution.gradients.projection import LayerProjection, in_columns
from diagnose.attribution.gradients.sample import FisherSample, draw_sample
from diagnose.attribution.influence import Influence
from diagnose.model.checkpoint import Checkpoint, Load, load_model
from diagnose.model.head import fitting_tokens, hooked
from diagnose.model.queries import Queries
from diagnose.rows.batches import length_batches, num_loss_tokens
from diagnose.rows.tokens import TokenSource, collate
from evals.model_ref import CausalModel

MOST_SIDE = 4096


@dataclass(frozen=True, slots=True)
class EkfacEffects:
    rows: NDArray[np.int64]
    """Row numbers, [num_chosen]."""
    effect: NDArray[np.float32]
    """Effect, [num_chosen, num_queries], as in `diagnose.attribution.shards.ScoredRows`; 0 where it is not finite."""
    num_tokens: int
    """Tokens through a forward and backward pass."""


def ekfac_effects(
    influence: Influence,
    checkpoints: Sequence[Checkpoint],
    queries: Queries,
    train: TokenSource,
    chosen: NDArray[np.int64],
    seed: int,
    load: Load = load_model,
) -> EkfacEffects:
    """Compute the effect of the rows `chosen` of `train` on each query, over all checkpoints.

    Args:
        influence: Settings, of which temperature, damping, sample size and weights of checkpoints are used.
        chosen: Row numbers, ascending.

    Raises:
        ValueError: as in `diagnose.attribution.stream.attribute`.
    """
    shares = influence.shares([checkpoint.learning_rate for checkpoint in checkpoints])
    effect, num_tokens = np.zeros((len(chosen), len(queries)), np.float32), 0
    for checkpoint, share in zip(checkpoints, shares, strict=True):
        found = model_effects(influence, load(checkpoint.model), queries, train, chosen, seed)
        effect += np.float32(share) * found.effect
        num_tokens += found.num_tokens
    return EkfacEffects(chosen, effect, num_tokens)


def model_effects(
    influence: Influence,
    model: CausalModel,
    queries: Queries,
    train: TokenSource,
    chosen: NDArray[np.int64],
    seed: int,
) -> EkfacEffects:
    """Compute the effects for one model, whose weights are frozen afterwards."""
    sample = draw_sample(train, influence.fisher_examples, seed)
    rows = train.select(chosen)
    effect = np.zeros((len(chosen), len(queries)), np.float32)
    bases = _eigenbases(model, sample, influence)
    with catch_gradients(model, bases, influence.temperature) as gradients:
        of_queries = query_gradients(gradients, queries, influence.batch_tokens).effect / len(train)
        solved = of_queries * _damped_inverse(gradients, sample, influence)
        for places, batch in gradient_batches(gradients, rows, influence.batch_tokens):
            effect[places] = (batch.grads @ solved.T).cpu().numpy()
    # The sample goes through twice: once for the bases, once for the moments in them.
    return EkfacEffects(chosen, effect, 2 * sample.rows.num_tokens + queries.rows.num_tokens + rows.num_tokens)


def _eigenbases(model: CausalModel, sample: FisherSample, influence: Influence) -> list[LayerProjection]:
    """Projections to the eigenvectors of each layer's Kronecker factors, in the place of random columns."""
    found = linear_layers(model, influence.last_blocks)
    layers = [layer for layer in found if max(layer.num_in, layer.num_out) <= MOST_SIDE]
    if not layers:
        raise ValueError(
            f"every linear layer of {type(model).__name__} has more than {MOST_SIDE} inputs or outputs, too many for "
            "the eigenvectors of EK-FAC; set diagnose.influence.rerank=0"
        )
    freeze(model)
    run = ModelPass(model, influence.temperature)
    like = {"dtype": run.dtype, "device": run.device}
    factors = {
        layer.name: (torch.zeros(layer.num_in, layer.num_in, **like), torch.zeros(layer.num_out, layer.num_out, **like))
        for layer in layers
    }

    def sum_up(layer: LinearLayer, layer_input: Tensor, grad: Tensor) -> None:
        inputs, grads = layer_input.reshape(-1, layer.num_in), grad.reshape(-1, layer.num_out)
        # Padding and tokens behind the last one with loss have no gradient and do not count.
        counts = (grads != 0).any(1) & grads.isfinite().all(1) & inputs.isfinite().all(1)
        for moment, tokens in zip(factors[layer.name], (inputs[counts], grads[counts]), strict=True):
            moment.add_(tokens.T.to(run.dtype) @ tokens.to(run.dtype))

    def catch_input(layer: LinearLayer, _module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        want_gradient(output, partial(sum_up, layer, args[0].detach()))

    hooks = [(layer.module, partial(catch_input, layer)) for layer in layers]
    rows = sample.rows
    with hooked(model, hooks, run.keep_positions_with_loss):
        most = fitting_tokens(model, influence.batch_tokens)
        for places in length_batches(rows.lengths, np.flatnonzero(num_loss_tokens(rows)), most, len(rows)):
            run.forward(collate(rows, places, pad_id=0))
            run.run_sampled(sample.seeds[places].tolist())
    bases = [tuple(torch.linalg.eigh(factor).eigenvectors for factor in factors[layer.name]) for layer in layers]
    return in_columns(layers, [(inputs.to(run.model_dtype), outputs) for inputs, outputs in bases])


def _damped_inverse(gradients: ProjectedGradients, sample: FisherSample, influence: Influence) -> Tensor:
    """Inverse of each coordinate's damped second moment, [dim]."""
    moment = torch.zeros(gradients.dim, dtype=gradients.dtype, device=gradients.device)
    for _, batch in gradient_batches(gradients, sample.rows, influence.batch_tokens, seeds=sample.seeds):
        assert batch.sampled is not None, "asked for with seeds"
        moment += batch.sampled.square().sum(0) / len(sample.rows)
    means = [float(moment[projection.columns].mean()) for projection in gradients.projections]
    inverse = torch.zeros_like(moment)
    for projection, mean in zip(gradients.projections, means, strict=True):
        if mean > LEAST_EIGENVALUE * max(means):
            inverse[projection.columns] = 1 / (moment[projection.columns] + influence.damping * mean)
    return inverse
