"""Answers of trained runs drawn from a known model."""

import numpy as np
from scipy import optimize, special

from evals.statistics.compare import ArmScores
from evals.statistics.power import REPAIR_CONCENTRATION, MeasuredOn

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def easiness(score: float) -> float:
    """Mean in logits of items that spread by one logit and have this mean score."""
    return float(optimize.brentq(lambda b: float(WEIGHTS @ special.expit(b + NODES)) - score, -40, 40))


def noise_share(score: float) -> float:
    p = special.expit(easiness(score) + NODES)
    return float(WEIGHTS @ (p * (1 - p))) / (score * (1 - score))


def simulated_arms(
    rng: np.random.Generator, items: MeasuredOn, num_seeds: int, num_arms: int, gain: float, num_by_chance: int = 0
) -> list[ArmScores]:
    """Answers of runs; the first arm's wrong ones are mended item by item, the last arms draw other rows each time."""
    names = tuple(str(k) for k in range(items.num_items))
    p = special.expit(easiness(items.base_score) + rng.normal(size=items.num_items))
    share, arms = gain / (1 - items.base_score), []
    for arm in range(num_arms):
        is_by_chance = arm >= num_arms - num_by_chance
        run_sd = np.sqrt(items.run_sd**2 + is_by_chance * items.draw_variance)
        runs = p + run_sd * rng.normal(size=(num_seeds, 1))
        right = rng.random((num_seeds, items.num_items)) < runs
        if arm == 0 and gain:
            chance = rng.beta(REPAIR_CONCENTRATION * share, REPAIR_CONCENTRATION * (1 - share), items.num_items)
            right |= rng.random(right.shape) < chance
        arms.append(ArmScores(str(arm), names, right.astype(np.float64), is_by_chance))
    return arms
