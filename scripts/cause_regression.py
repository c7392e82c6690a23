"""Multinomial logistic regression of causes on readings of the evidence, and what it says of worlds left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from cause_examples import Example
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from diagnose.finding.causes import READINGS, readings_of
from diagnose.finding.finding import Cause

SMOOTHING = 0.02
"""Of a label's weight that goes to the other causes: no run is proof beyond doubt."""

Said = tuple[Example, Mapping[Cause, float]]
"""A finding, and the probability of each cause."""

T = TypeVar("T")


class Regression:
    """Causes count alike, and so do the runs of a cause, however many findings each has."""

    def __init__(self, examples: Sequence[Example], strength: float, names: Sequence[str] = READINGS) -> None:
        """Fit.

        Args:
            examples: Findings with their causes.
            strength: Inverse of the regularisation.
            names: Readings that are used; shares of failure modes are named `mode ...`.
        """
        known = [_readings(example) for example in examples]
        self.names = tuple(names)
        self.typical = np.array([np.median([of[name] for of in known if name in of] or [0.0]) for name in names])
        self.causes = tuple(cause for cause in Cause if any(example.cause == cause for example in examples))
        y = np.array([self.causes.index(Cause(example.cause)) for example in examples])
        # Each finding counts for its own cause and, a little, for every other one: that bounds the odds.
        num = len(self.causes)
        rows, labels = np.repeat(np.arange(len(y)), num), np.tile(np.arange(num), len(y))
        share = np.where(labels == y[rows], 1 - SMOOTHING, SMOOTHING / (num - 1))
        model = LogisticRegression(C=strength, max_iter=5000)
        model.fit(self.places(examples)[rows], labels, sample_weight=run_weights(examples, y)[rows] * share)
        # Of two causes scikit-learn gives the second's coefficients alone, as if the first's were none.
        before = [np.zeros_like(part) for part in (model.coef_, model.intercept_)] if num == 2 else []
        self.coefficients = np.concatenate([*before[:1], model.coef_])
        self.intercepts = np.concatenate([*before[1:], model.intercept_])
        self._model = model

    def places(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """Readings of each finding, [num_examples, num_names]; one that no test gave has its median."""
        known = [_readings(example) for example in examples]
        usual = dict(zip(self.names, self.typical.tolist(), strict=True))
        return np.array([[of.get(name, usual[name]) for name in self.names] for of in known])

    def probabilities(self, examples: Sequence[Example]) -> list[dict[Cause, float]]:
        """Probability of each cause of each finding."""
        shares = self._model.predict_proba(self.places(examples)).tolist()
        return [dict(zip(self.causes, row, strict=True)) for row in shares]


def each_world(examples: Sequence[Example], fit: Callable[[Sequence[Example]], T]) -> Iterator[tuple[T, list[Example]]]:
    """Each world's findings beside what was fitted on all other worlds; counterparts are fitted on, and not told."""
    for world in dict.fromkeys(example.world for example in examples):
        others = [example for example in examples if example.world != world]
        yield fit(others), [example for example in examples if example.world == world and not example.is_made]


def left_out(examples: Sequence[Example], strength: float, names: Sequence[str] = READINGS) -> list[Said]:
    """Tell the findings of each world by a regression on all others; those of causes that no other world has are left
    out."""
    found: list[Said] = []
    for regression, own in each_world(examples, lambda others: Regression(others, strength, names)):
        told = zip(own, regression.probabilities(own) if own else [], strict=True)
        found += [(example, shares) for example, shares in told if example.cause in shares]
    return found


def first(shares: Mapping[Cause, float]) -> Cause:
    return max(shares, key=lambda cause: shares[cause])


def _readings(example: Example) -> dict[str, float]:
    further = {f"mode {mode}": share for mode, share in example.modes.items()}
    if "beyond" in example.values:
        further["beyond"] = example.values["beyond"]
    return readings_of(example.values) | further


def run_weights(examples: Sequence[Example], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights by which causes count alike, and the runs of each cause, [num_examples], mean 1 over the runs.

    Args:
        examples: Findings.
        y: Number of the cause of each, [num_examples].
    """
    runs = [f"{example.run} {label}" for example, label in zip(examples, y.tolist(), strict=True)]
    of_run = {run: runs.count(run) for run in set(runs)}
    weights = np.array([1 / of_run[run] for run in runs])
    totals = np.bincount(y, weights)
    return np.asarray(weights / totals[y] * len(of_run) / len(totals))
