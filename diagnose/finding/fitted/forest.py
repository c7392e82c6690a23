"""A forest that tells causes, grown from the findings that stand in a model's file.

Random forests (Breiman 2001, Machine Learning 45) suit what is known of a finding: dozens of values of unlike scale, of
which a few decide in each case, and in combinations that no sum of them expresses. The file has the findings, not the
trees: they are few, they can be read, and nothing but numbers is loaded. Growing takes half a second for 300 findings.

Where a corpus has no pool, or no copies, some repairs cannot be tried, and not every test applies to every task. So
each finding is grown from a second time, as if half of its repairs had not been tried and half of what its tests
measured were not known: a forest that has seen it all is at a loss where some is missing.

Votes are pooled with what follows from a rule: for small trainings the definitions of causes, else what a check shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from diagnose.finding.finding import Cause

EVIDENCE_FILE = Path(__file__).with_name("evidence.json")
"""Findings and their evidence."""
TRIALS_FILE = Path(__file__).with_name("trials.json")
"""Findings whose repairs were tried in small trainings."""
TREES = 300
LEAST_LEAF = 2
"""Fewest findings in a leaf."""
SPLIT_ON = 0.3
"""Share of the values that a split may choose from."""
_FLOOR = 0.01
"""Added to the share of trees that vote for a cause: 300 trees that agree are no proof."""
_LEAST_PRIOR = 0.02
"""Added to each probability that is pooled with the votes: what follows from a rule is no proof either."""
_UNPROVEN = 0.89
"""Largest probability of a cause that was seldom named with .9 or more in worlds that were not fitted on: how often it
is right then is not known."""
_HIDDEN = 0.5
"""Share of the repairs and values that a second copy of a finding goes without."""

Blank = Mapping[str, float]
"""Values of a finding for which a repair was not tried, or something is not known."""


@dataclass(frozen=True, slots=True)
class CauseForest:
    """A grown forest, and how far it is to be believed."""

    names: tuple[str, ...]
    """Names of its values."""
    causes: tuple[Cause, ...]
    typical: NDArray[np.float64]
    """Value that replaces one that is not known, [num_values]."""
    grown: RandomForestClassifier
    sharpness: float
    """Power that the shares of votes are raised to, as trees of few findings agree less often than they are right."""
    trust: float
    """Power that the probabilities by the rule are raised to, which votes are pooled with."""
    most: float
    """Largest probability that is believed of a cause that was seldom named with .9 or more: the share of all causes
    named so that is right, in worlds that were not fitted on, if that is less than `_UNPROVEN`."""
    seen: NDArray[np.float64]
    """Values of the findings that it was grown from, [num_findings, num_values]."""
    near: NDArray[np.bool_]
    """Values by which distances are measured, those of one scale, [num_values]."""
    reach: float
    """Largest Euclidean distance of one of these findings from the nearest one of another world."""
    sure: Mapping[Cause, float]
    """Share that is right, in worlds that were not fitted on, of the findings of each cause that were named with .9 or
    more, and the largest probability that is believed of it; without causes that were seldom named so."""
    at_once: float = 1.0
    """Share of the votes from which a cause is true at once with the most probable one."""

    def votes(self, values: Mapping[str, float]) -> dict[Cause, float]:
        """Share of the trees that vote for each cause."""
        shares = self.grown.predict_proba(self._row(values)[None])[0].tolist()
        return dict(zip(self.causes, shares, strict=True))

    def probabilities(self, values: Mapping[str, float], by_rule: Mapping[Cause, float]) -> dict[Cause, float]:
        """Compute the probability of each cause from the votes and what follows from the rule, sum 1."""
        return pooled(self.votes(values), by_rule, self.sharpness, self.trust)

    def capped(self, causes: Mapping[Cause, float]) -> dict[Cause, float]:
        """Give what the most probable cause has beyond what is believed of it to `unknown`: the share that is right of
        those named with .9 or more; less than that where it was seldom named so."""
        first = max(causes, key=lambda cause: causes[cause])
        most = self.sure.get(first, min(self.most, _UNPROVEN))
        if causes[first] <= most or first is Cause.UNKNOWN:
            return dict(causes)
        aside = causes.get(Cause.UNKNOWN, 0.0) + causes[first] - most
        return {**causes, first: most, Cause.UNKNOWN: aside}

    def is_far(self, values: Mapping[str, float]) -> bool:
        """Whether values are unlike those of everything that it was grown from."""
        gaps = np.linalg.norm((self.seen - self._row(values))[:, self.near], axis=1)
        return float(gaps.min()) > self.reach

    def _row(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        return np.array([values.get(name, usual) for name, usual in zip(self.names, self.typical, strict=True)])


def grow(
    rows: NDArray[np.float64],
    causes: NDArray[np.int64],
    weights: NDArray[np.float64],
    names: Sequence[str],
    blanks: Sequence[Blank],
) -> RandomForestClassifier:
    """Grow a forest, the same each time.

    Args:
        rows: Values of findings, [num_findings, num_values].
        causes: Number of the cause of each, [num_findings]; each number below the largest has one.
        weights: Weight of each finding, [num_findings].
        names: Names of the values.
        blanks: For each thing that may be missing, the values of a finding without it (`blanks_of`).
    """
    rng, without = np.random.default_rng(0), rows.copy()
    for blank in blanks:
        hidden = rng.random(len(rows)) < _HIDDEN
        for place, name in enumerate(names):
            if name in blank:
                without[hidden, place] = blank[name]
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAST_LEAF, max_features=SPLIT_ON, random_state=0)
    return forest.fit(np.concatenate([rows, without]), np.tile(causes, 2), sample_weight=np.tile(weights, 2))


def blanks_of(
    names: Sequence[str], typical: NDArray[np.float64], near: Sequence[str], repairs: Sequence[Blank]
) -> list[Blank]:
    """What may be missing of a finding: each repair, and each value but those by which distances are measured.

    Args:
        names: Names of the values.
        typical: Value that replaces one that is not known, [num_values].
        near: Values by which distances are measured.
        repairs: For each repair that may be missing, the values of a finding without it.
    """
    values = zip(names, typical.tolist(), strict=True)
    return [*repairs, *({name: usual} for name, usual in values if name not in near)]


def pooled(
    votes: Mapping[Cause, float], by_rule: Mapping[Cause, float], sharpness: float, trust: float
) -> dict[Cause, float]:
    """Pool shares of votes and the probabilities by the rule, sum 1.

    Both are raised to a power of their own and multiplied (a logarithmic pool; Genest and Zidek 1986, Statistical
    Science 1, 114): a cause that either holds for impossible is not named lightly.
    """
    powers = {
        cause: (votes.get(cause, 0.0) + _FLOOR) ** sharpness * (by_rule.get(cause, 0.0) + _LEAST_PRIOR) ** trust
        for cause in Cause
        if cause in votes or cause in by_rule
    }
    whole = sum(powers.values())
    return {cause: power / whole for cause, power in powers.items()}


def read_forest(
    stored: Mapping[str, Any], names: Sequence[str], near: Sequence[str], repairs: Sequence[Blank] = ()
) -> CauseForest:
    """Grow the forest of a model's file.

    Args:
        stored: What stands in the file.
        names: Values to tell by; the file has them all.
        near: Those by which distances are measured.
        repairs: For each repair that may be missing, the values of a finding without it.
    """
    places = [stored["names"].index(name) for name in names]
    seen, typical = np.array(stored["rows"], np.float64)[:, places], np.array(stored["typical"], np.float64)[places]
    weights, blanks = np.array(stored["weights"], np.float64), blanks_of(names, typical, near, repairs)
    return CauseForest(
        names=tuple(names),
        causes=tuple(Cause(name) for name in stored["causes"]),
        typical=typical,
        grown=grow(seen, np.array(stored["labels"]), weights, names, blanks),
        sharpness=stored["sharpness"],
        trust=stored["trust"],
        most=stored["most"],
        seen=seen,
        near=np.isin(names, near),
        reach=stored["reach"],
        sure={Cause(name): share for name, share in stored.get("sure", {}).items()},
        at_once=stored.get("at_once", 1.0),
    )
