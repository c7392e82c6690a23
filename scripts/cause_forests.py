"""Forests that tell causes after small trainings, fitted on findings of the proving ground."""

from collections.abc import Mapping, Sequence

import numpy as np
from cause_examples import Example
from cause_regression import Said, each_world, first, run_weights
from cause_worth import SURE
from numpy.typing import NDArray

from diagnose.finding.after_trials import ALIKE, FEATURES, features_of
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.forest import CauseForest, grow, read_forest, sharpened

SHARPNESS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""Powers of the shares of votes that are tried; the one that tells worlds it has not seen best is taken."""
_DIGITS = 4
_LEAST = 1e-9


def told_left_out(examples: Sequence[Example], names: Sequence[str] = FEATURES) -> tuple[list[Said], float]:
    """Probabilities of the causes of each world's findings by a forest of all others, and the sharpness of all."""
    votes = votes_left_out(examples, names)
    sharpness = best_sharpness(votes)
    return [(example, _sharp(shares, sharpness)) for example, shares in votes], sharpness


def votes_left_out(examples: Sequence[Example], names: Sequence[str] = FEATURES) -> list[Said]:
    """Shares of the votes for each cause, of the findings of each world by a forest of all others."""
    found: list[Said] = []
    for forest, own in each_world(examples, lambda others: _Forest(others, names)):
        votes = forest.votes(own) if own else []
        found += [(example, shares) for example, shares in zip(own, votes, strict=True)]
    return found


def forest_of(examples: Sequence[Example], names: Sequence[str] = FEATURES) -> dict[str, object]:
    """A forest as it stands in the model's file; its sharpness and the most that it believes are from worlds that were
    left out of it in their turn.

    Args:
        examples: Findings that were tried, of at least two worlds.
        names: Values to tell by.
    """
    forest = _Forest(examples, names)
    told, sharpness = told_left_out(examples, names)
    right = [first(shares) in example.true for example, shares in told if max(shares.values()) >= SURE]
    return {
        "names": list(names),
        "causes": [cause.value for cause in forest.causes],
        "typical": forest.typical.tolist(),
        "rows": forest.rows.tolist(),
        "labels": forest.labels.tolist(),
        "weights": np.round(forest.weights, _DIGITS).tolist(),
        "sharpness": sharpness,
        "most": round(float(np.mean(right)), 2) if right else 1.0,
        "reach": round(_reach(forest.worlds, forest.rows[:, np.isin(names, ALIKE)]), 3),
        "worlds": sorted(set(forest.worlds)),
    }


def forest_from(stored: Mapping[str, object]) -> CauseForest:
    """The forest that the product would grow."""
    names = stored["names"]
    assert isinstance(names, list), "it was written by `forest_of`"
    return read_forest(stored, names, ALIKE)


def best_sharpness(votes: Sequence[Said]) -> float:
    """Power with the least loss of what findings of other worlds were told."""

    def loss(power: float) -> float:
        sharp = [(example, _sharp(shares, power)) for example, shares in votes]
        of_true = [sum(shares.get(Cause(one), 0.0) for one in example.true) for example, shares in sharp]
        return -float(np.mean(np.log(np.array(of_true) + _LEAST)))

    return min(SHARPNESS, key=loss)


class _Forest:
    """Causes count alike, and so do the runs of a cause, however many findings each has. A finding of which two causes
    are true says nothing about what tells them apart, and is not grown from."""

    def __init__(self, examples: Sequence[Example], names: Sequence[str]) -> None:
        examples = [example for example in examples if len(example.true) == 1]
        known = [features_of(example.values, example.tried) for example in examples]
        self.names = tuple(names)
        usual = [np.median([of[name] for of in known if name in of] or [0.0]) for name in names]
        self.typical = np.round(usual, _DIGITS)
        self.causes = tuple(cause for cause in Cause if any(example.cause == cause for example in examples))
        self.rows = self._rows(examples)
        self.worlds = [example.world for example in examples]
        self.labels = np.array([self.causes.index(Cause(example.cause)) for example in examples])
        self.weights = run_weights(examples, self.labels)
        self._grown = grow(self.rows, self.labels, self.weights)

    def votes(self, examples: Sequence[Example]) -> list[dict[Cause, float]]:
        """Share of the votes for each cause, of each finding."""
        shares = self._grown.predict_proba(self._rows(examples)).tolist()
        return [dict(zip(self.causes, row, strict=True)) for row in shares]

    def _rows(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        known = [features_of(example.values, example.tried) for example in examples]
        usual = dict(zip(self.names, self.typical.tolist(), strict=True))
        return np.round([[of.get(name, usual[name]) for name in self.names] for of in known], _DIGITS)


def _sharp(shares: Mapping[Cause, float], power: float) -> dict[Cause, float]:
    values = sharpened(np.array(list(shares.values())), power)
    return dict(zip(shares, values.tolist(), strict=True))


def _reach(of: Sequence[str], rows: NDArray[np.float64]) -> float:
    """Largest distance of a finding from the nearest one of another world, by the world of each."""
    worlds = np.array(of)
    nearest = [
        np.linalg.norm(rows[worlds != world] - row, axis=1).min()
        for row, world in zip(rows, worlds.tolist(), strict=True)
        if (worlds != world).any()
    ]
    rounding = float(np.sqrt(rows.shape[1]) / 10**_DIGITS)
    return float(max(nearest, default=np.inf)) + rounding
