"""Sum gradients of queries, signed and weighted, over the rows of their items."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diagnose.attribution.gradients.batches import gradient_batches
from diagnose.attribution.gradients.caught import ProjectedGradients
from diagnose.model.queries import Queries


@dataclass(frozen=True, slots=True)
class QueryGradients:
    effect: Tensor
    """Gradient of each query, [num_queries, dim]."""
    retrieval: Tensor
    """Weighted mean of the gold answers' gradients, each of length 1, [num_queries, dim]."""
    hidden: Tensor
    """Weighted mean of the gold answers' hidden states, each of length 1, [num_queries, width]."""
    left_out: frozenset[int]
    """Items that are not finite."""


def query_gradients(gradients: ProjectedGradients, queries: Queries, batch_tokens: int) -> QueryGradients:
    """Compute the gradients of all queries; items that are not finite are named, others of their query replace them."""
    left_out: frozenset[int] = frozenset()
    while True:
        found = _without(gradients, queries, batch_tokens, left_out)
        if found.left_out == left_out:
            return found
        left_out = found.left_out


def unit(vectors: Tensor) -> Tensor:
    """Divide each row by its length; zero rows stay zero."""
    norms = vectors.norm(dim=1, keepdim=True)
    return torch.where(norms > 0, vectors / norms, 0)


def _without(
    gradients: ProjectedGradients, queries: Queries, batch_tokens: int, left_out: frozenset[int]
) -> QueryGradients:
    """Leave out the items `left_out`; names those and the ones found not to be finite."""
    like = {"dtype": gradients.dtype, "device": gradients.device}
    weights = queries.without(left_out).weights[:, queries.item]
    signed = torch.tensor(np.where(queries.is_gold, weights, -weights), **like)
    gold = torch.tensor(np.where(queries.is_gold, weights, 0.0), **like)
    effect = torch.zeros(len(queries), gradients.dim, **like)
    retrieval = torch.zeros_like(effect)
    hidden = torch.zeros(len(queries), gradients.hidden_size, **like)
    bad = set(left_out)
    without = np.flatnonzero(np.isin(queries.item, list(left_out)))
    for chosen, batch in gradient_batches(gradients, queries.rows, batch_tokens, without):
        columns = torch.from_numpy(chosen).to(gradients.device)
        effect += signed[:, columns] @ batch.grads
        retrieval += gold[:, columns] @ unit(batch.grads)
        hidden += gold[:, columns] @ unit(batch.hidden)
        bad.update(queries.item[chosen[~batch.is_finite.cpu().numpy()]].tolist())
    return QueryGradients(effect, retrieval, hidden, frozenset(bad))
