"""How far attribution can be believed on this very model: its predictions against retrainings.

linear datamodeling score   rank correlation, over random halves of the rows, of the predicted and the real change of a
                            query's loss (Park et al. 2023, arXiv 2303.14186, definition 3)
noise ceiling               the most that any prediction could reach, since retraining with another seed changes losses
                            too: the square root of the reliability of the mean over seeds (Spearman and Brown)
dropped rows                the rows that attribution says help most, left out, against as many at random
calibration                 real changes after leaving slices out, regressed on how much of all that attribution sees
                            comes from the slice (`slice_odds`): what it gives in nats per unit of example weight is a
                            slope at the trained weights, and leaving out all rows of a skill is no small step, so its
                            own scale is seldom right. The loss answers by a power of the odds, the score by their
                            logarithm, since scores end at 0 and 1
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from evals.statistics.intervals import Interval

NUM_BOOTSTRAP = 1000
MIN_PARTS = 4
"""Fewer trainings give no rank correlation worth an interval."""
MIN_CALIBRATION = 5
"""Changes of slices left out; fewer give no residual worth an interval."""
_MOST_LOG = 700.0


@dataclass(frozen=True, slots=True)
class Retrained:
    """Losses of the queries after training on parts of the rows."""

    kept: NDArray[np.bool_]
    """[num_parts, num_rows]"""
    losses: NDArray[np.float64]
    """[num_parts, num_seeds, num_queries], nats."""

    def __post_init__(self) -> None:
        if len(self.kept) != len(self.losses) or self.losses.ndim != 3:
            raise ValueError(
                f"retrainings need losses [parts, seeds, queries] for each of {len(self.kept)} parts, got an array of "
                f"shape {self.losses.shape}"
            )


@dataclass(frozen=True, slots=True)
class Fidelity:
    lds: float
    """Mean over queries."""
    ci: Interval
    """Bootstrap over the parts."""
    ceiling: float | None
    """None with one seed: then nobody knows."""
    num_parts: int
    num_seeds: int


@dataclass(frozen=True, slots=True)
class Line:
    """`y = intercept + slope log predicted + residual`, by least squares over changes that were predicted and made."""

    slope: float
    intercept: float
    residual_sd: float
    num_changes: int
    mean_log: float
    """Of the predicted changes."""
    spread: float
    """Sum of squared deviations of their logarithms."""

    def at(self, predicted: float, level: float) -> tuple[float, float]:
        """Center and half width of the prediction interval (Student's t) at a positive predicted change."""
        x = math.log(predicted)
        leverage = 1 / self.num_changes + ((x - self.mean_log) ** 2 / self.spread if self.spread > 0 else 0.0)
        width = float(t.ppf(0.5 + level / 2, self.num_changes - 2)) * self.residual_sd
        return self.intercept + self.slope * x, width * math.sqrt(1 + leverage)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of the loss: `log real = intercept + slope log predicted + residual`, over slices that did harm when left out."""

    line: Line

    def change(self, predicted: float, level: float = 0.95) -> tuple[float, Interval]:
        """Real change of the loss to be expected for a predicted one, with a prediction interval, nats.

        A prediction that is not positive has no logarithm; nothing is said of it, from minus to plus infinity.
        """
        if not predicted > 0:
            return 0.0, Interval(-math.inf, math.inf)
        center, half = self.line.at(predicted, level)
        return _exp(center), Interval(_exp(center - half), _exp(center + half))


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """Of the score: `real = intercept + slope log predicted + residual`. Harm, so the slope is mostly negative."""

    line: Line

    def change(self, predicted: float, possible: Interval, level: float = 0.95) -> tuple[float, Interval]:
        """Real change of a slice's score to be expected for a predicted change of its loss, with a prediction interval.

        Args:
            predicted: Nats; where it is not positive nothing is said beyond what is possible.
            possible: Changes that the score's range leaves; minus to plus infinity where it has none.
            level: Of the interval.
        """
        if not predicted > 0:
            return 0.0, possible
        center, half = self.line.at(predicted, level)
        mean, low, high = (
            min(max(value, possible.low), possible.high) for value in (center, center - half, center + half)
        )
        return mean, Interval(low, high)


def datamodeling_score(effect: NDArray[np.floating], retrained: Retrained, seed: int = 0) -> Fidelity:
    """Rank correlation of predicted and real losses over parts of the rows.

    Args:
        effect: [num_rows, num_queries], positive where more of the row lowers the loss.
        retrained: At least 4 parts.

    Raises:
        ValueError: fewer parts, or losses that are not finite.
    """
    num_parts, num_seeds, num_queries = retrained.losses.shape
    if num_parts < MIN_PARTS:
        raise ValueError(f"a rank correlation needs at least {MIN_PARTS} retrained parts, got {num_parts}; train more")
    if not np.isfinite(retrained.losses).all():
        bad = np.flatnonzero(~np.isfinite(retrained.losses).all(axis=(1, 2))).tolist()
        raise ValueError(f"losses of retrained parts {bad[:5]} are not finite; leave them out")
    assert effect.shape == (retrained.kept.shape[1], num_queries), "a score for each row and query"
    predicted = retrained.kept.astype(np.float64) @ effect
    real = -retrained.losses.mean(axis=1)
    rng = np.random.default_rng(seed)
    draws = rng.integers(num_parts, size=(NUM_BOOTSTRAP, num_parts))
    low, high = np.quantile([_mean_spearman(predicted[draw], real[draw]) for draw in draws], [0.025, 0.975])
    return Fidelity(
        lds=_mean_spearman(predicted, real),
        ci=Interval(float(low), float(high)),
        ceiling=_ceiling(retrained.losses),
        num_parts=num_parts,
        num_seeds=num_seeds,
    )


def slice_odds(effect: NDArray[np.floating], inside: NDArray[np.bool_]) -> float:
    """Absolute effect of the rows of a slice over that of all other rows, both [num_rows].

    What leaving a slice out does hangs on who can stand in for it as much as on what it does itself. On a model that
    was retrained without each of 16 slices, a line in the logarithm of these odds leaves a deviation of 1.0 in the
    logarithm of the harm, in that of the summed effect 1.7.
    """
    sizes = np.abs(np.asarray(effect, np.float64))
    others = float(sizes[~inside].sum())
    return float(sizes[inside].sum()) / others if others > 0 else math.inf


def calibrate(predicted: Iterable[float], real: Iterable[float]) -> Calibration | None:
    """From slices that were left out: the predicted changes of their queries' loss and the real ones, nats.

    Slices whose predicted or real change is not positive are left out; None where fewer than 5 are left.
    """
    pairs = [(p, math.log(r)) for p, r in zip(predicted, real, strict=True) if p > 0 and 0 < r < math.inf]
    line = _fit(pairs)
    return None if line is None else Calibration(line)


def calibrate_score(predicted: Iterable[float], real: Iterable[float]) -> ScoreCalibration | None:
    """From slices that were left out: the predicted changes of their queries' loss and the real ones of the score.

    Slices whose predicted change is not positive are left out; None where fewer than 5 are left.
    """
    pairs = [(p, r) for p, r in zip(predicted, real, strict=True) if p > 0 and math.isfinite(r)]
    line = _fit(pairs)
    return None if line is None else ScoreCalibration(line)


def _fit(pairs: Sequence[tuple[float, float]]) -> Line | None:
    if len(pairs) < MIN_CALIBRATION:
        return None
    x, y = np.log([p for p, _ in pairs]), np.array([r for _, r in pairs], np.float64)
    spread = float(np.square(x - x.mean()).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
    intercept = float(y.mean() - slope * x.mean())
    residual = y - intercept - slope * x
    return Line(
        slope=slope,
        intercept=intercept,
        residual_sd=math.sqrt(float(np.square(residual).sum()) / (len(x) - 2)),
        num_changes=len(x),
        mean_log=float(x.mean()),
        spread=spread,
    )


def _exp(value: float) -> float:
    """Infinite where a float is too small for it."""
    return math.exp(value) if value < _MOST_LOG else math.inf


def _mean_spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean over columns; a column without any spread counts as 0."""
    left, right = _ranks(left), _ranks(right)
    norms = np.linalg.norm(left, axis=0) * np.linalg.norm(right, axis=0)
    return float(np.divide((left * right).sum(axis=0), norms, out=np.zeros_like(norms), where=norms > 0).mean())


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred mid-ranks of each column."""
    ranks = rankdata(values, axis=0)
    return np.asarray(ranks - ranks.mean(axis=0), np.float64)


def _ceiling(losses: NDArray[np.float64]) -> float | None:
    """Square root of the reliability of the mean over seeds, from the mean correlation between seeds."""
    num_seeds = losses.shape[1]
    if num_seeds < 2:
        return None
    pairs = [
        _mean_spearman(losses[:, first], losses[:, second])
        for first in range(num_seeds)
        for second in range(first + 1, num_seeds)
    ]
    between = max(float(np.mean(pairs)), 0.0)
    return math.sqrt(num_seeds * between / (1 + (num_seeds - 1) * between))
