"""Measure how reliable attribution is on a model: its predictions against retrainings.

linear datamodeling score   rank correlation, over random halves of the rows, of the predicted and the real change of a
                            query's loss (Park et al. 2023, arXiv 2303.14186, definition 3)
noise ceiling               the most that any prediction could reach, since retraining with another seed changes losses
                            too: the square root of the reliability of the mean over seeds (Spearman and Brown)
dropped rows                the rows that help most by attribution, left out, against as many at random
calibration                 real changes after leaving slices out, regressed on the slice's share of all effects by
                            attribution (`slice_odds`): an effect in nats per unit of example weight is a
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

from evals.statistics.intervals import Estimate, Interval

NUM_BOOTSTRAP = 1000
MIN_PARTS = 4
"""Fewest trainings that give a rank correlation with a useful interval."""
MIN_CALIBRATION = 5
"""Fewest slices left out that give a residual with a useful interval."""
_MOST_LOG = 700.0


@dataclass(frozen=True, slots=True)
class Fidelity:
    lds: Estimate
    """Linear datamodeling score, mean over queries, in [-1, 1], with a bootstrap interval over the parts."""
    ceiling: float | None
    """Largest score that any prediction could reach; None with one seed, which does not show it."""


@dataclass(frozen=True, slots=True)
class Line:
    """Fit of `y = intercept + slope log predicted + residual` by least squares."""

    slope: float
    intercept: float
    residual_sd: float
    num_changes: int
    mean_log: float
    """Mean logarithm of the predictions."""
    spread: float
    """Sum of squared deviations of the predictions' logarithms."""

    def at(self, predicted: float) -> Estimate:
        """Prediction interval (Student's t) at a positive prediction."""
        x = math.log(predicted)
        leverage = 1 / self.num_changes + ((x - self.mean_log) ** 2 / self.spread if self.spread > 0 else 0.0)
        width = float(t.ppf(0.975, self.num_changes - 2)) * self.residual_sd
        center, half = self.intercept + self.slope * x, width * math.sqrt(1 + leverage)
        return Estimate(center, center - half, center + half)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of the loss, `log real = intercept + slope log predicted + residual`, on removals that did harm."""

    line: Line

    def change(self, predicted: float) -> Estimate:
        """Expected change of the loss, with a prediction interval, nats.

        A prediction that is not positive has no logarithm: 0, from minus to plus infinity.
        """
        if not predicted > 0:
            return Estimate(0.0, -math.inf, math.inf)
        log = self.line.at(predicted)
        return Estimate(_exp(log.mean), _exp(log.low), _exp(log.high))


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """Calibration of the score, `real = intercept + slope log predicted + residual`; the slope is mostly negative."""

    line: Line

    def change(self, predicted: float, possible: Interval) -> Estimate:
        """Expected change of a slice's score, with a prediction interval.

        Args:
            predicted: As calibrated on; where it is not positive, the result is 0 and all that is possible.
            possible: Changes that the score's range allows; minus to plus infinity where it has none.
        """
        if not predicted > 0:
            return Estimate(0.0, *possible)
        at = self.line.at(predicted)
        return Estimate(*(min(max(value, possible.low), possible.high) for value in (at.mean, at.low, at.high)))


def datamodeling_score(
    effect: NDArray[np.floating], kept: NDArray[np.bool_], losses: NDArray[np.float64], seed: int = 0
) -> Fidelity:
    """Correlate the ranks of predicted and real losses over parts of the rows.

    Args:
        effect: Effect of each row, [num_rows, num_queries], positive where more of the row lowers the loss.
        kept: Whether each row was trained on, [num_parts, num_rows]; at least `MIN_PARTS` parts.
        losses: Losses of the queries after training on each part, [num_parts, num_seeds, num_queries], nats, finite.
        seed: Seeds the bootstrap.
    """
    num_parts, _, num_queries = losses.shape
    assert len(kept) == num_parts >= MIN_PARTS, "enough parts for a rank correlation, each with its losses"
    assert np.isfinite(losses).all(), "parts with other losses are left out"
    assert effect.shape == (kept.shape[1], num_queries), "a score for each row and query"
    predicted = kept.astype(np.float64) @ effect
    real = -losses.mean(axis=1)
    rng = np.random.default_rng(seed)
    draws = rng.integers(num_parts, size=(NUM_BOOTSTRAP, num_parts))
    low, high = np.quantile([_mean_spearman(predicted[draw], real[draw]) for draw in draws], [0.025, 0.975])
    return Fidelity(Estimate(_mean_spearman(predicted, real), float(low), float(high)), _ceiling(losses))


def slice_odds(effect: NDArray[np.floating], inside: NDArray[np.bool_]) -> float:
    """Odds of a slice: absolute effect of its rows over that of all other rows, both arguments [num_rows].

    What leaving a slice out does depends on the rows that can replace it as much as on its own effect. On a model that
    was retrained without each of 16 slices, a line in the logarithm of these odds leaves a deviation of 1.0 in the
    logarithm of the harm, in that of the summed effect 1.7.
    """
    sizes = np.abs(np.asarray(effect, np.float64))
    others = float(sizes[~inside].sum())
    return float(sizes[inside].sum()) / others if others > 0 else math.inf


def calibrate(predicted: Iterable[float], real: Iterable[float]) -> Calibration | None:
    """Fit the real change of the loss, nats, to a prediction of each slice left out, usually its odds (`slice_odds`).

    Slices whose prediction or real change is not positive are ignored; None where fewer than 5 are left.
    """
    pairs = [(p, math.log(r)) for p, r in zip(predicted, real, strict=True) if p > 0 and 0 < r < math.inf]
    line = _fit(pairs)
    return None if line is None else Calibration(line)


def calibrate_score(predicted: Iterable[float], real: Iterable[float]) -> ScoreCalibration | None:
    """Fit the real change of the score to a prediction of each slice left out, usually its odds (`slice_odds`).

    Slices whose prediction is not positive are ignored; None where fewer than 5 are left.
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
    """Exponential, infinite where it exceeds a float."""
    return math.exp(value) if value < _MOST_LOG else math.inf


def _mean_spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean rank correlation over columns; a column without any spread counts as 0."""
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
