"""Variance between trainings of one recipe: of run means, pooled over arms, and the part that items account for.

Pure functions of numpy arrays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RunVariance:
    """Variance of run means within an arm, pooled; item noise of the endpoint included."""

    variance: float
    df: int


@dataclass(frozen=True, slots=True)
class RunNoise:
    """Noise of training that arms showed, for planning the next comparison on the same items."""

    run: RunVariance
    item_noise: float
    """Part of `run` that is the items' residual, which other items would draw anew."""
    noise_share: float
    """Residual variance over score * (1 - score), in [0, 1]."""

    @property
    def run_sd(self) -> float:
        """Standard deviation between training seeds on infinitely many items."""
        return math.sqrt(max(self.run.variance - self.item_noise, 0.0))


def run_variance(seed_means: Sequence[Sequence[float] | NDArray[np.float64]]) -> RunVariance:
    """Pool the variance over arms, each given by the mean scores of its seeds; arms of one seed add nothing."""
    arms = [np.asarray(means, dtype=np.float64) for means in seed_means]
    df = sum(len(means) - 1 for means in arms)
    if df < 1:
        raise ValueError(f"the run variance needs an arm with two seeds, got {[len(m) for m in arms]}; add seeds")
    return RunVariance(sum(float(((means - means.mean()) ** 2).sum()) for means in arms) / df, df)


def pool_runs(variances: Sequence[RunVariance]) -> RunVariance:
    """Pool run variances, weighted by degrees of freedom."""
    df = sum(v.df for v in variances)
    return RunVariance(sum(v.variance * v.df for v in variances) / df, df)


def run_noise(arms: Sequence[NDArray[np.float64]]) -> RunNoise:
    """Estimate the noise from arms on the same items, each [num_seeds, num_items], at least one with two seeds."""
    residual, _ = residual_variance(arms)
    means = [float(np.clip(scores.mean(), 0, 1)) for scores in arms]
    whole = sum(mean * (1 - mean) for mean in means) / len(means)
    run = run_variance([scores.mean(axis=1) for scores in arms])
    return RunNoise(run, residual / arms[0].shape[1], min(residual / whole, 1.0) if whole > 0 else 0.0)


def pool_noise(parts: Sequence[RunNoise]) -> RunNoise:
    """Pool the noise that several judgements found, weighted by degrees of freedom."""
    run = pool_runs([part.run for part in parts])
    weights = [part.run.df / run.df for part in parts]
    return RunNoise(
        run,
        sum(weight * part.item_noise for weight, part in zip(weights, parts, strict=True)),
        sum(weight * part.noise_share for weight, part in zip(weights, parts, strict=True)),
    )


def residual_variance(arms: Sequence[NDArray[np.float64]]) -> tuple[float, int]:
    """Residual (seed by item) variance within arms and its degrees of freedom; 0 for one seed or one item."""
    squares, df = 0.0, 0
    for scores in arms:
        seeds, items = scores.shape
        if seeds == 1:
            continue
        rest = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
        squares += float((rest**2).sum())
        df += (seeds - 1) * (items - 1)
    return (squares / df if df else 0.0), df
