"""Power of a judgement with looks, and how many seeds it will take, before anything is trained.

Whole judgements are drawn: the mean of every run of every arm, from which each look's differences, variances and levels
follow as in `evals.statistics.looks`, and so does where a judgement ends. What is assumed of runs, items and repairs is
what `evals.statistics.power` assumes. Ten milliseconds a gain.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evals.statistics.compare import GUARD_LEVEL
from evals.statistics.difference import difference_variance, item_variance_at_loss, satterthwaite
from evals.statistics.looks import LEAST_PREDICTIVE_POWER, Looks
from evals.statistics.power import (
    MOST_SEEDS,
    NUM_DRAWS,
    Judgement,
    MeasuredOn,
    Repair,
    answer_noise,
    first_enough,
    item_sample,
    normal_draws,
    run_variances,
)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a judgement with looks would do at one true gain."""

    gain: float
    """Gain over every control."""
    at_first: float
    """Probability that the first look accepts."""
    at_last: float
    """Probability that any look accepts, the last included."""
    num_seeds: float
    """Expected number of training seeds of each arm when the judgement ends."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """Differences of two arms over all draws at one look, each [NUM_DRAWS]."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    df: NDArray[np.float64]
    lasting: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Guarded:
    """What looks show of an unchanged guard, each [num_looks, NUM_DRAWS]."""

    shown: NDArray[np.bool_]
    harmed: NDArray[np.bool_]
    futile: NDArray[np.bool_]
    """The last look would hardly show it unharmed."""


def prospect(judgement: Judgement, max_seeds: int, gain: float) -> Prospect:
    """What a judgement from `judgement.num_seeds` to `max_seeds` seeds would do.

    Args:
        judgement: Arms and items that are compared, and the level of all looks together.
        max_seeds: Seeds of the last look, at least those of the first.
        gain: True gain over every control, in [0, 1 - base score]; no guard is changed.
    """
    looks = Looks.between(judgement.num_seeds, max_seeds, judgement.alpha)
    beaten, futile = _endpoint(judgement, looks, gain)
    shown, harmed = np.ones_like(beaten), np.zeros_like(beaten)
    for guard in judgement.guards:
        of_guard = _guard(guard, looks, judgement.margin)
        shown, harmed, futile = shown & of_guard.shown, harmed | of_guard.harmed, futile | of_guard.futile
    is_accepted = beaten & shown  # each [num_looks, NUM_DRAWS]
    ends = is_accepted | harmed | futile
    ends[-1] = True
    last = ends.argmax(axis=0)
    accepted = np.take_along_axis(is_accepted & ~harmed, last[None], axis=0)[0]
    return Prospect(
        gain=gain,
        at_first=float((accepted & (last == 0)).mean()),
        at_last=float(accepted.mean()),
        num_seeds=float(np.asarray(looks.seeds)[last].mean()),
    )


def _endpoint(judgement: Judgement, looks: Looks, gain: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether all controls are beaten, and whether it is futile to go on, each [num_looks, NUM_DRAWS]."""
    items, most, controls = judgement.endpoint, looks.seeds[-1], judgement.num_controls
    columns = 5 + (1 + controls) * most
    repair, noise = Repair.of(items, gain), answer_noise(items)
    normal, run = normal_draws(columns), run_variances(items, columns)
    runs = normal[:, 5:].reshape(NUM_DRAWS, 1 + controls, most)
    control = run + noise / items.num_items
    deviations = [np.sqrt(run * (1 - repair.share) ** 2 + repair.noise / items.num_items)]
    same = controls - judgement.num_by_chance
    deviations += [np.sqrt(control + (items.draw_variance if number >= same else 0.0)) for number in range(controls)]
    scores = runs * np.stack(deviations, axis=1)[:, :, None]  # [NUM_DRAWS, num_arms, num_seeds]
    scores[:, 0] += (gain + np.sqrt(repair.between / items.num_items) * normal[:, 4])[:, None]
    beaten = np.ones((len(looks.seeds), NUM_DRAWS), bool)
    futile = np.zeros_like(beaten)
    for look, (seeds, level) in enumerate(zip(looks.seeds, looks.levels, strict=True)):
        residual = (repair.noise + noise) / seeds
        of_items = item_sample(repair.between + residual, items.num_items, columns)
        for number in range(controls):
            found = _compared(scores[:, [0, 1 + number], :seeds], of_items, residual, items.num_items)
            p = special.stdtr(found.df, -found.mean / np.sqrt(found.variance))
            beaten[look] &= (p < level) & (found.mean > 0)
            futile[look] |= _predicted(found, found.mean, seeds, looks, looks.levels[-1]) < LEAST_PREDICTIVE_POWER
    return beaten, futile & ~beaten


@lru_cache(maxsize=64)
def _guard(items: MeasuredOn, looks: Looks, margin: float) -> _Guarded:
    most = looks.seeds[-1]
    columns = 4 + 2 * most
    noise = answer_noise(items)
    one_run = np.sqrt(run_variances(items, columns) + noise / items.num_items)
    scores = normal_draws(columns)[:, 4:].reshape(NUM_DRAWS, 2, most) * one_run[:, None, None]
    shown = np.ones((len(looks.seeds), NUM_DRAWS), bool)
    harmed, futile = np.zeros_like(shown), np.zeros_like(shown)
    for look, (seeds, level) in enumerate(zip(looks.seeds, looks.guard_levels, strict=True)):
        residual = 2 * noise / seeds
        of_items = item_sample(residual, items.num_items, columns)
        change = _compared(scores[:, :, :seeds], of_items, residual, items.num_items)
        at_loss = np.maximum(of_items, item_variance_at_loss(change.mean, of_items + change.mean**2, margin))
        held = _compared(scores[:, :, :seeds], at_loss, residual, items.num_items)
        shown[look] = special.stdtr(held.df, -(held.mean + margin) / np.sqrt(held.variance)) < level
        upper = change.mean + np.sqrt(change.variance) * special.stdtrit(change.df, 1 - GUARD_LEVEL)
        harmed[look] = upper < -margin
        foreseen = _predicted(change, change.mean + margin, seeds, looks, looks.guard_levels[-1])
        futile[look] = (foreseen < LEAST_PREDICTIVE_POWER) & ~shown[look]
    return _Guarded(shown, harmed, futile)


def _compared(scores: NDArray[np.float64], of_items: NDArray[np.float64], residual: float, num_items: int) -> _Compared:
    """Compare two arms by their runs' means, [NUM_DRAWS, 2, num_seeds], each with its own run variance."""
    seeds = scores.shape[2]
    means, own = scores.mean(axis=2), scores.var(axis=2, ddof=1) / seeds
    from_runs = own.sum(axis=1)
    run_df = satterthwaite(from_runs, (own[:, 0], own[:, 1]), (seeds - 1, seeds - 1))
    variance, df = difference_variance(
        from_runs,
        of_items / num_items,
        np.full(NUM_DRAWS, residual / num_items),
        (run_df, max(num_items - 1, 1), 2 * (seeds - 1) * max(num_items - 1, 1)),
    )
    lasting = np.minimum(np.maximum(of_items - residual, 0.0) / num_items, variance)
    return _Compared(means[:, 0] - means[:, 1], variance, df, lasting)


def _predicted(
    found: _Compared, mean: NDArray[np.float64], seeds: int, looks: Looks, level: float
) -> NDArray[np.float64]:
    """As `evals.statistics.looks.predictive_power`, of all draws, [NUM_DRAWS]."""
    last_variance = (found.variance - found.lasting) * seeds / looks.seeds[-1] + found.lasting
    spread = np.sqrt(np.maximum(found.variance - last_variance, 0.0))
    above = mean + np.sqrt(last_variance) * special.ndtri(level)
    return np.asarray(np.where(spread > 0, special.ndtr(above / np.where(spread > 0, spread, 1.0)), above > 0))


def gain_seen(judgement: Judgement, max_seeds: int, power: float = 0.8) -> float | None:
    """Smallest true gain that some look accepts in a share `power` of judgements; None where no possible gain is."""
    if not 0 < power < 1:
        raise ValueError(f"power must be between 0 and 1, got {power}; .8 is usual")
    low, high = 0.0, 1 - judgement.endpoint.base_score
    if prospect(judgement, max_seeds, high).at_last < power:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        if prospect(judgement, max_seeds, middle).at_last < power:
            low = middle
        else:
            high = middle
    return high


def enough_max_seeds(judgement: Judgement, max_seeds: int, gain: float, power: float = 0.8) -> int | None:
    """Fewest seeds of the last look, from `max_seeds` to `MOST_SEEDS`, with which a gain is accepted in a share `power`
    of judgements; None where none do."""
    return first_enough(
        range(max_seeds, MOST_SEEDS + 1), lambda num_seeds: prospect(judgement, num_seeds, gain).at_last >= power
    )
