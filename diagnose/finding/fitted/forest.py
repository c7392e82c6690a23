"""A forest that tells causes, grown from the findings that stand in a model's file.

Random forests (Breiman 2001, Machine Learning 45) suit what is known of a finding: some fifty values of unlike scale,
of which a few decide in each case, and in combinations that no sum of them expresses. The file has the findings, not
the trees: they are few, they can be read, and nothing but numbers is loaded. Growing takes about a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from diagnose.finding.finding import Cause

TRIALS_FILE = Path(__file__).with_name("trials.json")
"""Findings whose repairs were tried in small trainings."""
TREES = 300
LEAST_LEAF = 2
"""Fewest findings in a leaf."""
SPLIT_ON = 0.3
"""Share of the values that a split may choose from."""
_FLOOR = 0.01
"""Added to the share of trees that vote for a cause: 300 trees that agree are no proof."""


@dataclass(frozen=True, slots=True)
class CauseForest:
    names: tuple[str, ...]
    """Names of its values."""
    causes: tuple[Cause, ...]
    typical: NDArray[np.float64]
    """Value that replaces one that is not known, [num_values]."""
    grown: RandomForestClassifier
    sharpness: float
    """Power that the shares of votes are raised to, as trees of few findings agree less often than they are right."""
    most: float
    """Largest probability that is believed: the share that is right, in worlds that were not fitted on, of the causes
    named with .9 or more."""
    seen: NDArray[np.float64]
    """Values of the findings that it was grown from, [num_findings, num_values]."""
    near: NDArray[np.bool_]
    """Values by which distances are measured, those of one scale, [num_values]."""
    reach: float
    """Largest Euclidean distance of one of these findings from the nearest one of another world."""

    def probabilities(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        """Compute the probability of each cause, [num_causes], sum 1."""
        return sharpened(self.grown.predict_proba(self._row(values)[None])[0], self.sharpness)

    def is_far(self, values: Mapping[str, float]) -> bool:
        """Whether values are unlike those of everything that it was grown from."""
        gaps = np.linalg.norm((self.seen - self._row(values))[:, self.near], axis=1)
        return float(gaps.min()) > self.reach

    def _row(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        return np.array([values.get(name, usual) for name, usual in zip(self.names, self.typical, strict=True)])


def grow(rows: NDArray[np.float64], causes: NDArray[np.int64], weights: NDArray[np.float64]) -> RandomForestClassifier:
    """Grow a forest, the same each time.

    Args:
        rows: Values of findings, [num_findings, num_values].
        causes: Number of the cause of each, [num_findings]; each number below the largest has one.
        weights: Weight of each finding, [num_findings].
    """
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAST_LEAF, max_features=SPLIT_ON, random_state=0)
    return forest.fit(rows, causes, sample_weight=weights)


def sharpened(votes: NDArray[np.float64], sharpness: float) -> NDArray[np.float64]:
    """Probabilities from shares of votes, [..., num_causes]."""
    powers = (votes + _FLOOR) ** sharpness
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def read_forest(stored: Mapping[str, Any], names: Sequence[str], near: Sequence[str]) -> CauseForest:
    """Grow the forest of a model's file.

    Args:
        stored: What stands in the file.
        names: Values to tell by; the file has them all.
        near: Those by which distances are measured.
    """
    places = [stored["names"].index(name) for name in names]
    seen = np.array(stored["rows"], np.float64)[:, places]
    return CauseForest(
        names=tuple(names),
        causes=tuple(Cause(name) for name in stored["causes"]),
        typical=np.array(stored["typical"], np.float64)[places],
        grown=grow(seen, np.array(stored["labels"]), np.array(stored["weights"], np.float64)),
        sharpness=stored["sharpness"],
        most=stored["most"],
        seen=seen,
        near=np.isin(names, near),
        reach=stored["reach"],
    )
