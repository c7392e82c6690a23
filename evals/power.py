"""Power: which gain the gate of `evals.compare` would see, before anything is trained.

By formula, so that a plan costs nothing: expected variances of the gate's model for 0/1 answers, then the
noncentral t distribution. With `MIN_SEEDS` to 8 seeds and 900 items it agrees with simulation to about one
point in a hundred. About a millisecond a call, `detectable_gain` twenty.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from evals.compare import MIN_SEEDS, satterthwaite

TYPICAL_RUN_SD = 0.015
"""Deviation between training seeds, item noise excluded; what small fine-tuned models show on 900 items."""
DIFFICULTY_SD = 1.0
"""Spread of item difficulty in logits that the power formula assumes. Wider spreads leave less noise, so
a small value is the cautious one."""


_NODES, _WEIGHTS = (np.asarray(part) for part in np.polynomial.hermite_e.hermegauss(41))
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def detectable_gain(
    num_items: int,
    num_seeds: int,
    alpha: float,
    base_score: float,
    *,
    run_sd: float = TYPICAL_RUN_SD,
    power: float = 0.8,
    num_arms: int = 2,
) -> float:
    """True gain that `compare` accepts in a share `power` of the experiments; arguments as for `power_at`.

    May exceed `1 - base_score`: then no possible gain would be seen.
    """
    if not 0 < power < 1:
        raise ValueError(f"power must be between 0 and 1, got {power}; .8 is usual")

    def missing(gain: float) -> float:
        return power_at(gain, num_items, num_seeds, alpha, base_score, run_sd=run_sd, num_arms=num_arms) - power

    most = 1.0
    while missing(most) < 0:
        most *= 2
    return float(optimize.brentq(missing, 0.0, most, xtol=1e-5)) if missing(0.0) < 0 else 0.0


def power_at(
    gain: float,
    num_items: int,
    num_seeds: int,
    alpha: float,
    base_score: float,
    *,
    run_sd: float = TYPICAL_RUN_SD,
    num_arms: int = 2,
) -> float:
    """Probability that `compare` accepts a true gain, by the noncentral t distribution.

    Model: answers are right or wrong; items' difficulties are normal with deviation `DIFFICULTY_SD` logits
    and the repair shifts all of them alike; each run's seed adds a normal deviation `run_sd` to every item's
    probability.

    Args:
        gain: True difference of mean scores.
        num_items: Items of the endpoint.
        num_seeds: Of each arm, at least `MIN_SEEDS`.
        alpha: One-sided level.
        base_score: Mean score of the control, in [0, 1].
        run_sd: Deviation between seeds on infinitely many items.
        num_arms: Arms over which the run variance is pooled.
    """
    if num_seeds < MIN_SEEDS or num_items < 1 or num_arms < 2:
        raise ValueError(
            f"power needs at least {MIN_SEEDS} seeds, 1 item and 2 arms, got {num_seeds}, {num_items} and "
            f"{num_arms}; raise verify.seeds or measure more items"
        )
    control, challenger = _item_probabilities(base_score), _item_probabilities(base_score + gain)
    seed_factor = 2 / num_seeds
    noise = seed_factor * float(_WEIGHTS @ (control * (1 - control) + challenger * (1 - challenger))) / 2
    between = float(_WEIGHTS @ (challenger - control) ** 2 - (_WEIGHTS @ (challenger - control)) ** 2)
    from_runs = seed_factor * run_sd**2 + noise / num_items
    from_items = max(between + noise, 1 / num_items) / num_items
    shared = noise / num_items
    variance = max(from_runs, from_items, from_runs + from_items - shared)
    more = max(num_items - 1, 1)
    df = satterthwaite(
        variance,
        (
            (from_runs, num_arms * (num_seeds - 1)),
            (from_items, more),
            (shared, 2 * (num_seeds - 1) * more),
        ),
    )
    noncentrality = gain / math.sqrt(variance)
    if noncentrality > 30:
        return 1.0  # The distribution's series is not finite out there.
    return float(stats.nct.sf(stats.t.isf(alpha, df), df, noncentrality))


def _item_probabilities(score: float) -> NDArray[np.float64]:
    """Probability of a right answer at each node of item difficulty, with this mean."""
    target = min(max(score, 1e-6), 1 - 1e-6)

    def excess(shift: float) -> float:
        return float(_WEIGHTS @ special.expit(shift + DIFFICULTY_SD * _NODES)) - target

    shift = optimize.brentq(excess, -40.0, 40.0)
    return np.asarray(special.expit(shift + DIFFICULTY_SD * _NODES), dtype=np.float64)
