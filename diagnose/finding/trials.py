"""Readings of small trainings on the items of one finding, and draws of the means that they allow.

Means of arms are drawn from what the trainings allow: items by bootstrap, failed and passing ones apart, and noise of
training as the arms and seeds show it, pooled over arms. Pure functions of numpy arrays, milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_LEAST_LIKELIHOOD = 1e-12
"""Likelihood below which a logarithm is not taken: under that of chance in any vocabulary."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one kind of reading showed of the items of a finding."""

    before: NDArray[np.float64]
    """The model as it is, [num_items]."""
    arms: Mapping[str, NDArray[np.float64]]
    """Each arm after its small trainings, [num_seeds, num_items]: row k is of the kth seed, and some arms have fewer
    seeds than others."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Small trainings, read on the items of one finding."""

    likelihood: Tried
    """Likelihood of the gold answer, on the scale of `gap`."""
    is_failed: NDArray[np.bool_]
    """Whether the model as it is fails the item, [num_items]."""
    score: Tried
    """Scores of those items that were answered; there may be none."""
    is_failed_of_scores: NDArray[np.bool_]
    """Whether the model as it is fails each of these."""
    failure_rate: float
    """Share of the slice's probe items that fail: failed and passing items are weighed by it."""
    gap: float
    """Mean likelihood of passing items, under the arm where it is highest, less that of failed ones under the model as
    it is; positive."""
    rest: Tried | None = None
    """The same as `likelihood` of the other items with whose answers the slice's compete; None where none do."""
    rest_weight: float = 0.0
    """Number of those items for each one of the slice."""


Weights = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Weights of items, [num_items], and of bootstrap samples of them, [num_draws, num_items]; each sums to 1."""


def drawn_means(tried: Tried, items: Weights, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Draw means of the model as it is (named "") and of each arm over items, [num_draws] each."""
    fixed, weights = items
    names = list(tried.arms)
    cells = [(k, seed) for k, name in enumerate(names) for seed in range(len(tried.arms[name]))]
    design = _design(cells, len(names))
    readings = np.concatenate([tried.arms[name] for name in names])  # [num_cells, num_items]
    fitted = np.linalg.lstsq(design, readings, rcond=None)[0]
    runs = readings @ fixed
    rest = runs - design @ (fitted @ fixed)
    df = len(cells) - design.shape[1]
    own = float(rest @ rest) / df if df > 0 else 0.0
    of_seeds = fitted[len(names) :] @ fixed  # the last seed's is minus their sum
    of_seeds = np.append(of_seeds, -of_seeds.sum())
    common = max(0.0, float(of_seeds @ of_seeds) / max(len(of_seeds) - 1, 1) - own / len(names))
    factor = np.linalg.cholesky(np.linalg.pinv(design.T @ design)[: len(names), : len(names)])
    scale = np.sqrt(max(df, 1) / rng.chisquare(max(df, 1), size=DRAWS))  # as in Student's t
    noise = np.sqrt(own) * factor @ rng.standard_normal((len(names), DRAWS))
    shared = np.sqrt(common / len(of_seeds)) * rng.standard_normal(DRAWS)
    drawn = {"": weights @ tried.before}
    for k, name in enumerate(names):
        drawn[name] = weights @ fitted[k] + (noise[k] + shared) * scale
    return drawn


def item_weights(is_failed: NDArray[np.bool_], failure_rate: float, rng: np.random.Generator) -> Weights:
    """Weigh failed and passing items as much as they are of the slice; samples are drawn from each apart."""
    fixed, drawn = np.zeros(len(is_failed)), np.zeros((DRAWS, len(is_failed)))
    for part, share in ((is_failed, failure_rate), (~is_failed, 1 - failure_rate)):
        places = np.flatnonzero(part)
        if len(places):
            fixed[places] = share / len(places)
            even = np.full(len(places), 1 / len(places))
            drawn[:, places] = rng.multinomial(len(places), even, size=DRAWS) * (share / len(places))
    return fixed / fixed.sum(), drawn / fixed.sum()


def _design(cells: Sequence[tuple[int, int]], num_arms: int) -> NDArray[np.float64]:
    """Design of runs as the sum of their mix's mean and their seed's effect, effects of seeds summing to 0.

    Args:
        cells: Mix and seed of each run.
        num_arms: Number of mixes.
    """
    num_seeds = 1 + max(seed for _, seed in cells)
    design = np.zeros((len(cells), num_arms + num_seeds - 1))
    for row, (arm, seed) in enumerate(cells):
        design[row, arm] = 1
        if seed < num_seeds - 1:
            design[row, num_arms + seed] = 1
        else:
            design[row, num_arms:] = -1
    return design


def drawn_in_nats(trials: Trials, rng: np.random.Generator) -> Mapping[str, NDArray[np.float64]]:
    """Draw mean log-likelihoods of the model as it is and of each arm, as shares of their gap; empty where likelihoods
    are logarithms already, or the gap is none."""
    before, inside = trials.likelihood.before, trials.is_failed
    if (before < 0).any():
        return {}
    in_nats = Tried(_nats(before), {name: _nats(runs) for name, runs in trials.likelihood.arms.items()})
    best = np.log(max(trials.gap + before[inside].mean(), _LEAST_LIKELIHOOD))
    gap = float(best - in_nats.before[inside].mean())
    if gap <= 0:
        return {}
    drawn = drawn_means(in_nats, item_weights(inside, trials.failure_rate, rng), rng)
    return {name: means / gap for name, means in drawn.items()}


def _nats(likelihoods: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(likelihoods, _LEAST_LIKELIHOOD)))
