"""A regression that tells causes, as it stands in `fitted/evidence.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from diagnose.finding.finding import Cause

EVIDENCE_FILE = Path(__file__).with_name("evidence.json")
"""The regression on the evidence of a finding."""


@dataclass(frozen=True, slots=True)
class CauseRegression:
    """Multinomial logistic regression, softmax of `coefficients @ readings + intercepts`."""

    names: tuple[str, ...]
    """Names of its readings."""
    causes: tuple[Cause, ...]
    coefficients: NDArray[np.float64]
    """Coefficients of readings that are not standardised, [num_causes, num_readings]."""
    intercepts: NDArray[np.float64]
    typical: NDArray[np.float64]
    """Value that replaces a reading that no test gave, [num_readings]."""
    most: float
    """Largest probability that is believed of a cause which no check shows: the share that is right, in worlds that
    were not fitted on, of the causes named with .9 or more."""
    seen: NDArray[np.float64]
    """Readings that it was fitted on, without those that are nearly the same, [num_seen, num_readings]."""
    reach: float
    """Largest Euclidean distance of any of these from the nearest one of another world."""
    sure: Mapping[Cause, float]
    """Share that is right, in worlds that were not fitted on, of the findings of each cause that were named with .9 or
    more; without causes that were seldom named so."""

    def probabilities(self, readings: Mapping[str, float]) -> NDArray[np.float64]:
        """Compute the probability of each cause, [num_causes], sum 1."""
        return np.asarray(softmax(self.coefficients @ self._values(readings) + self.intercepts))

    def is_far(self, readings: Mapping[str, float]) -> bool:
        """Whether readings are unlike everything that the model was fitted on."""
        gaps = np.linalg.norm(self.seen - self._values(readings), axis=1)
        return bool(len(gaps)) and float(gaps.min()) > self.reach

    def _values(self, readings: Mapping[str, float]) -> NDArray[np.float64]:
        return np.array([readings.get(name, usual) for name, usual in zip(self.names, self.typical, strict=True)])


def read_model(stored: Mapping[str, Any], names: tuple[str, ...]) -> CauseRegression:
    """Read a regression on the readings of these names."""
    return CauseRegression(
        names=names,
        causes=tuple(Cause(name) for name in stored["causes"]),
        coefficients=np.array([[row[name] for name in names] for row in stored["coefficients"]]),
        intercepts=np.array(stored["intercepts"]),
        typical=np.array([stored["typical"][name] for name in names]),
        most=stored.get("most", 1.0),
        seen=np.array(stored.get("seen", []), np.float64).reshape(-1, len(names)),
        reach=stored.get("reach", np.inf),
        sure={Cause(name): share for name, share in stored.get("sure", {}).items()},
    )
