"""Forests that tell causes after small trainings, fitted on findings of the proving ground."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from cause_examples import Example
from cause_regression import Said, each_world, first, run_weights
from cause_worth import SURE
from numpy.typing import NDArray

from diagnose.finding.after_trials import ALIKE, BLANKS, FEATURES, features_of
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.forest import CauseForest, grow, pooled, read_forest

SHARPNESS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
TRUST = (0.0, 0.15, 0.25, 0.35, 0.5, 0.75)
"""Powers of the shares of votes and of the probabilities by the definitions that are tried; those that tell worlds they
have not seen best are taken."""
_DIGITS = 4
_LEAST = 1e-9

Voted = tuple[Example, Mapping[Cause, float], Mapping[Cause, float]]
"""A finding, its share of votes for each cause, and its probabilities by the definitions."""


def told_left_out(by_rule: Sequence[Said], names: Sequence[str] = FEATURES) -> tuple[list[Said], float, float]:
    """Probabilities of the causes of each world's findings by a forest of all others pooled with those by the
    definitions, and the powers of both, sharpness and trust."""
    voted = votes_left_out(by_rule, names)
    sharpness, trust = best_powers(voted)
    return [(example, pooled(votes, rule, sharpness, trust)) for example, votes, rule in voted], sharpness, trust


def votes_left_out(by_rule: Sequence[Said], names: Sequence[str] = FEATURES) -> list[Voted]:
    """Shares of the votes for each cause, of the findings of each world by a forest of all others."""
    rule = {id(example): shares for example, shares in by_rule}
    found: list[Voted] = []
    for forest, own in each_world([example for example, _ in by_rule], lambda others: _Forest(others, names)):
        votes = forest.votes(own) if own else []
        found += [(example, shares, rule[id(example)]) for example, shares in zip(own, votes, strict=True)]
    return found


def forest_of(by_rule: Sequence[Said], names: Sequence[str] = FEATURES) -> dict[str, object]:
    """A forest as it stands in the model's file; its powers and the most that it believes are from worlds that were
    left out of it in their turn.

    Args:
        by_rule: Findings that were tried, of at least two worlds, with their probabilities by the definitions.
        names: Values to tell by.
    """
    forest = _Forest([example for example, _ in by_rule], names)
    told, sharpness, trust = told_left_out(by_rule, names)
    right = [first(shares) in example.true for example, shares in told if max(shares.values()) >= SURE]
    return {
        "names": list(names),
        "causes": [cause.value for cause in forest.causes],
        "typical": forest.typical.tolist(),
        "rows": forest.rows.tolist(),
        "labels": forest.labels.tolist(),
        "weights": np.round(forest.weights, _DIGITS).tolist(),
        "sharpness": sharpness,
        "trust": trust,
        "most": round(float(np.mean(right)), 2) if right else 1.0,
        "reach": round(_reach(forest.worlds, forest.rows[:, np.isin(names, ALIKE)]), 3),
        "worlds": sorted(set(forest.worlds)),
    }


def forest_from(stored: Mapping[str, object]) -> CauseForest:
    """The forest that the product would grow."""
    names = stored["names"]
    assert isinstance(names, list), "it was written by `forest_of`"
    return read_forest(stored, names, ALIKE, BLANKS)


def best_powers(voted: Sequence[Voted]) -> tuple[float, float]:
    """Sharpness and trust with the least loss of what findings of other worlds were told."""

    def loss(powers: tuple[float, float]) -> float:
        told = [(example, pooled(votes, rule, *powers)) for example, votes, rule in voted]
        of_true = [sum(shares.get(Cause(one), 0.0) for one in example.true) for example, shares in told]
        return -float(np.mean(np.log(np.array(of_true) + _LEAST)))

    return min(product(SHARPNESS, TRUST), key=loss)


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
        self._grown = grow(self.rows, self.labels, self.weights, self.names, BLANKS)

    def votes(self, examples: Sequence[Example]) -> list[dict[Cause, float]]:
        """Share of the votes for each cause, of each finding."""
        shares = self._grown.predict_proba(self._rows(examples)).tolist()
        return [dict(zip(self.causes, row, strict=True)) for row in shares]

    def _rows(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        known = [features_of(example.values, example.tried) for example in examples]
        usual = dict(zip(self.names, self.typical.tolist(), strict=True))
        return np.round([[of.get(name, usual[name]) for name in self.names] for of in known], _DIGITS)


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
