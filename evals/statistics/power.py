"""Power of the gate: how often it accepts a true gain, and the least gain it detects, before anything is trained.

The gate is a conjunction: every control beaten at the level of the look (all of them compared with the same challenger,
so not independently), and every guard shown unharmed. Its probability is simulated from the sufficient statistics of
`evals.statistics.compare`: run means, the variances of runs on their own degrees of freedom, items' variance;
`difference_variance` and `item_variance_at_loss` are the gate's own. The draws are the same for every gain (a scrambled
Sobol sequence, error about .003), so that power rises with the gain. Endpoint and guards are taken as independent,
which errs on the side of too little power where a good run is good at everything.

A repair turns wrong answers right: item i's with a probability q_i that is the same for all seeds, of mean
gain / (1 - base) and spread as Beta with a + b = `REPAIR_CONCENTRATION`. So a gain is one of items, too.

Where the run variance is an estimate the true one is drawn anew in each experiment from what the estimate leaves
possible (variance * df / chi-square), and the announced power is the average over it: a lucky small
estimate does not promise too much. A millisecond a call, `detectable_gain` fifteen.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from evals.statistics.compare import MIN_SEEDS
from evals.statistics.difference import difference_variance, item_variance_at_loss, satterthwaite

TYPICAL_RUN_SD = 0.015
"""Standard deviation between training seeds, item noise excluded; what small fine-tuned models show on 900 items."""
TYPICAL_NOISE_SHARE = 0.83
"""Share of an answer's variance that another training draws anew; .83 is a spread of item difficulty of one logit.
Trained models agree more, so this errs on the side of too little power."""
REPAIR_CONCENTRATION = 2.0
GUARD_CONFIDENCE = 0.95
NUM_DRAWS = 2048
MOST_SEEDS = 20
MOST_TIMES_ITEMS = 64


@dataclass(frozen=True, slots=True)
class MeasuredOn:
    """Items that arms are compared on: the endpoint's, or a guard's."""

    base_score: float
    """Mean score of the controls, in [0, 1]."""
    num_items: int
    run_sd: float = TYPICAL_RUN_SD
    """Standard deviation between seeds on infinitely many items."""
    run_df: int | None = None
    """Degrees of freedom that `run_sd` was estimated on; None takes it as the truth."""
    noise_share: float = TYPICAL_NOISE_SHARE
    """Residual (seed by item) variance over base * (1 - base), in [0, 1]."""
    draw_variance: float = 0.0
    """Variance between draws of rows of arms by chance, beside that between seeds."""
    draw_df: int = 0
    """Degrees of freedom that earlier judgements add to the run variance of arms by chance."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The comparison that the gate will judge.

    Raises:
        ValueError: too few seeds to accept ever, no item, or no control.
    """

    endpoint: MeasuredOn
    num_seeds: int
    """Training seeds of each arm, at least `MIN_SEEDS`."""
    alpha: float
    """One-sided level of the look."""
    num_controls: int = 2
    guards: tuple[MeasuredOn, ...] = ()
    margin: float = 0.03
    earlier_df: int = 0
    """Degrees of freedom that earlier rounds add to the endpoint's run variance."""
    num_by_chance: int = 0
    """Controls among these whose trainings each draw other rows, fewer than all: the gate takes their run variance from
    themselves alone."""

    def __post_init__(self) -> None:
        num_items = min(items.num_items for items in (self.endpoint, *self.guards))
        if self.num_seeds < MIN_SEEDS or num_items < 1 or self.num_controls < 1 + self.num_by_chance:
            raise ValueError(
                f"power needs at least {MIN_SEEDS} seeds, 1 item and 1 control that draws no rows by chance, got "
                f"{self.num_seeds}, {num_items} and {self.num_controls - self.num_by_chance}; raise verify.seeds or "
                "measure more items"
            )


def power_at(judgement: Judgement, gain: float) -> float:
    """Probability that a true gain over every control is accepted, when no guard is changed.

    Args:
        judgement: Arms and items that are compared.
        gain: True gain, in [0, 1 - base score].
    """
    return _endpoint_power(judgement, gain) * guard_power(judgement)


def detectable_gain(judgement: Judgement, power: float = 0.8) -> float | None:
    """Smallest true gain that is accepted in a share `power` of the experiments; None where no possible gain is."""
    if not 0 < power < 1:
        raise ValueError(f"power must be between 0 and 1, got {power}; .8 is usual")
    guards = guard_power(judgement)
    low, high = 0.0, 1 - judgement.endpoint.base_score
    if _endpoint_power(judgement, high) * guards < power:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        if _endpoint_power(judgement, middle) * guards < power:
            low = middle
        else:
            high = middle
    return high


def enough_seeds(judgement: Judgement, gain: float, power: float = 0.8) -> int | None:
    """Fewest seeds, from `num_seeds` to `MOST_SEEDS`, that detect the gain in a share `power`; None where none do."""
    return first_enough(
        range(judgement.num_seeds, MOST_SEEDS + 1),
        lambda num_seeds: power_at(replace(judgement, num_seeds=num_seeds), gain) >= power,
    )


def enough_items(
    judgement: Judgement,
    gain: float,
    power: float = 0.8,
    power_of: Callable[[Judgement, float], float] | None = None,
) -> int | None:
    """Fewest items of the endpoint that detect the gain in a share `power`; guards grow in proportion.

    `power_of` is the power of a judgement at a gain, by default `power_at`.

    None where `MOST_TIMES_ITEMS` times as many do not: then seeds are missing.
    """
    start, found = judgement.endpoint.num_items, power_of or power_at

    def is_enough(num_items: int) -> bool:
        sets = [
            replace(items, num_items=-(-items.num_items * num_items // start))
            for items in (judgement.endpoint, *judgement.guards)
        ]
        return found(replace(judgement, endpoint=sets[0], guards=tuple(sets[1:])), gain) >= power

    steps = sorted({round(start * MOST_TIMES_ITEMS ** (k / 100)) for k in range(101)})
    return first_enough(steps, is_enough)


def guard_power(judgement: Judgement) -> float:
    """Probability that every guard is shown unharmed when none is changed."""
    same = judgement.num_controls - judgement.num_by_chance
    shown = [_guard_power(guard, judgement.num_seeds, same, judgement.margin) for guard in judgement.guards]
    return float(np.prod(shown))


def first_enough(candidates: "range | list[int]", is_enough: Callable[[int], bool]) -> int | None:
    """First candidate that is enough, by bisection: all after it are taken to be enough, too."""
    if not candidates or not is_enough(candidates[-1]):
        return None
    return candidates[bisect_left(candidates, True, key=is_enough)]


def _endpoint_power(judgement: Judgement, gain: float) -> float:
    items, seeds, controls = judgement.endpoint, judgement.num_seeds, judgement.num_controls
    columns = 6 + controls + judgement.num_by_chance
    repair, noise = Repair.of(items, gain), answer_noise(items)
    run = run_variances(items, columns)
    challenger = run * (1 - repair.share) ** 2 + repair.noise / items.num_items  # variances of one run's mean
    control = run + noise / items.num_items
    same = controls - judgement.num_by_chance
    own_df, others_df = seeds - 1, same * (seeds - 1) + judgement.earlier_df
    pooled = challenger * chi_square(own_df, columns, 1) + control * chi_square(others_df, columns, 2)
    shared = pooled / (own_df + others_df) / seeds  # estimated variance of an arm's mean
    of_items = item_sample(repair.between + (repair.noise + noise) / seeds, items.num_items, columns)
    normal = normal_draws(columns)[:, 4:]
    ours = gain + np.sqrt(repair.between / items.num_items) * normal[:, 0] + np.sqrt(challenger / seeds) * normal[:, 1]
    is_accepted = np.ones(NUM_DRAWS, bool)
    for number in range(controls):
        from_runs, run_df, true = 2 * shared, np.full(NUM_DRAWS, float(own_df + others_df)), control
        if number >= same:
            true = control + items.draw_variance
            drawn_df = own_df + items.draw_df
            own = true * chi_square(drawn_df, columns, 6 + number + judgement.num_by_chance) / drawn_df / seeds
            from_runs = shared + own
            run_df = satterthwaite(from_runs, (shared, own), (own_df + others_df, drawn_df))
        variance, df = difference_variance(
            from_runs,
            of_items / items.num_items,
            np.full(NUM_DRAWS, (repair.noise + noise) / seeds / items.num_items),
            (run_df, max(items.num_items - 1, 1), 2 * (seeds - 1) * max(items.num_items - 1, 1)),
        )
        gains = ours - np.sqrt(true / seeds) * normal[:, 2 + number]
        is_accepted &= (special.stdtr(df, -gains / np.sqrt(variance)) < judgement.alpha) & (gains > 0)
    return float(is_accepted.mean())


@lru_cache(maxsize=256)
def _guard_power(items: MeasuredOn, seeds: int, num_same: int, margin: float) -> float:
    columns = 5
    noise = answer_noise(items)
    one_run = run_variances(items, columns) + noise / items.num_items
    change = np.sqrt(one_run * 2 / seeds) * normal_draws(columns)[:, 4]
    df = (1 + num_same) * (seeds - 1)  # pooled over all arms but those by chance, as for the endpoint
    of_items = item_sample(2 * noise / seeds, items.num_items, columns)
    of_items = np.maximum(of_items, item_variance_at_loss(change, of_items + change**2, margin))
    variance, all_df = difference_variance(
        one_run * chi_square(df, columns, 2) / df * 2 / seeds,
        of_items / items.num_items,
        np.full(NUM_DRAWS, 2 * noise / seeds / items.num_items),
        (df, max(items.num_items - 1, 1), 2 * (seeds - 1) * max(items.num_items - 1, 1)),
    )
    p = special.stdtr(all_df, -(change + margin) / np.sqrt(variance))
    return float((p < 1 - GUARD_CONFIDENCE).mean())


@dataclass(frozen=True, slots=True)
class Repair:
    """Effect of turning wrong answers right on the challenger's items."""

    share: float
    """Share of wrong answers that become right."""
    noise: float
    """Residual variance of one answer of the challenger."""
    between: float
    """Variance over items of the change of their expected score."""

    @classmethod
    def of(cls, items: MeasuredOn, gain: float) -> "Repair":
        wrong = 1 - items.base_score
        share = min(gain / wrong, 1.0) if wrong > 0 else 0.0
        square = share**2 + share * (1 - share) / (REPAIR_CONCENTRATION + 1)  # E q^2
        wrong_square = wrong - answer_noise(items)  # E (1 - p_i)^2, for E p_i (1 - p_i) is the noise
        noise = wrong * (1 - share) - wrong_square * (1 - 2 * share + square)
        return cls(share, max(noise, 0.0), max(wrong_square * square - (wrong * share) ** 2, 0.0))


def answer_noise(items: MeasuredOn) -> float:
    return items.noise_share * items.base_score * (1 - items.base_score)


# Draws are [NUM_DRAWS, num_columns], a row per experiment: column 0 is the true run variance, 1 and 2 are estimates
# of it, 3 the items' sample variance, the rest the deviations of items and arms.


def run_variances(items: MeasuredOn, num_columns: int) -> NDArray[np.float64]:
    """Draws of the variance between runs on infinitely many items, given its estimate, [NUM_DRAWS]."""
    if items.run_df is None:
        return np.full(NUM_DRAWS, items.run_sd**2)
    item_noise = answer_noise(items) / items.num_items
    total = (items.run_sd**2 + item_noise) * items.run_df / chi_square(items.run_df, num_columns, 0)
    return np.maximum(total - item_noise, 0.0)


def item_sample(variance: float, num_items: int, num_columns: int) -> NDArray[np.float64]:
    """Draws of the sample variance of items' differences, with the gate's floor, [NUM_DRAWS]."""
    df = max(num_items - 1, 1)
    return np.maximum(variance * chi_square(df, num_columns, 3) / df, 1 / num_items)


@lru_cache(maxsize=256)
def chi_square(df: int, num_columns: int, column: int) -> NDArray[np.float64]:
    return np.asarray(2 * special.gammaincinv(df / 2, _uniform(num_columns)[:, column]))


@lru_cache(maxsize=8)
def normal_draws(num_columns: int) -> NDArray[np.float64]:
    return np.asarray(special.ndtri(_uniform(num_columns)))


@lru_cache(maxsize=8)
def _uniform(num_columns: int) -> NDArray[np.float64]:
    """Quasi-random numbers in (0, 1), [NUM_DRAWS, num_columns], the same in every call."""
    points = qmc.Sobol(num_columns, rng=np.random.default_rng(0)).random(NUM_DRAWS)
    return np.asarray(np.clip(points, 1e-9, 1 - 1e-9))
