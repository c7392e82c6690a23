"""Forests that tell causes, fitted on findings of the proving ground."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from cause_examples import Example, each_world, run_weights
from cause_worth import SURE, Said, first
from numpy.typing import NDArray

from diagnose.finding.after_trials import ALIKE, AT_ONCE, BLANKS, FEATURES, features_of
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.forest import Blank, CauseForest, blanks_of, grow, pooled, read_forest
from diagnose.finding.readings import EVIDENCE_FEATURES, READINGS, evidence_features

SHARPNESS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
TRUST = (0.0, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0)
"""Powers of the shares of votes and of the probabilities by a rule that are tried; those that tell worlds they have not
seen best are taken."""
LEAST_SURE, LEAST_WORLDS = 15, 3
"""Fewest findings of a cause named with `SURE` or more, and of how many worlds, that tell how often it is right."""
_DIGITS = 4
_LEAST = 1e-9

Voted = tuple[Example, Mapping[Cause, float], Mapping[Cause, float]]
"""A finding, its share of votes for each cause, and its probabilities by a rule."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a forest knows of a finding."""

    of: Callable[[Example], Mapping[str, float]]
    """Values of a finding that are known."""
    names: tuple[str, ...]
    """Values that it tells by."""
    near: tuple[str, ...]
    """Those by which distances are measured."""
    repairs: tuple[Blank, ...] = ()
    """For each repair that may be missing, the values of a finding without it."""
    evens: float = 0.5
    """How far causes count alike in the fit, as in `run_weights`."""
    rule_shows: bool = False
    """Whether what the rule names is seen by itself, so that no cap is on it."""
    tells_doubles: bool = False
    """Whether a finding of two causes at once is half an example of each; else nothing is grown from it."""

    def told_by(self, names: Sequence[str]) -> "Known":
        """The same, where only these values are told by."""
        return replace(self, names=tuple(names))


EVIDENCE = Known(
    lambda example: evidence_features(example.values), EVIDENCE_FEATURES, READINGS, evens=1.0, rule_shows=True
)
"""Evidence alone; the rule is what a check shows. Where no value speaks, how often a cause was planted would: that says
nothing of how often users have it, so causes count alike."""
TRIALS = Known(
    lambda example: features_of(example.values, example.tried, example.modes),
    FEATURES,
    ALIKE,
    BLANKS,
    tells_doubles=True,
)
"""Evidence, how items fail, and what repairs did in small trainings; the rule is the definitions of causes. What they
did always speaks; worlds left out are told a little better where causes do not count wholly alike."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Findings of each world, told by a forest of all others."""

    told: Sequence[Said]
    sharpness: float
    """Power of the votes that tells them best."""
    trust: float
    """Power of the rule's probabilities."""
    at_once: float
    """Share of the votes for a second cause that tells findings of two causes best from those of one."""


def tell_left_out(by_rule: Sequence[Said], known: Known) -> LeftOut:
    """Tell the findings of each world by a forest of all others, pooled with the rule; without caps and limits."""
    voted = votes_left_out(by_rule, known)
    sharpness, trust = best_powers(voted)
    told = [(example, pooled(votes, rule, sharpness, trust)) for example, votes, rule in voted]
    return LeftOut(told, sharpness, trust, least_at_once(voted, told) if known.tells_doubles else 1.0)


def votes_left_out(by_rule: Sequence[Said], known: Known) -> list[Voted]:
    """Shares of the votes for each cause, of the findings of each world by a forest of all others."""
    rule = {id(example): shares for example, shares in by_rule}
    found: list[Voted] = []
    for forest, own in each_world([example for example, _ in by_rule], lambda others: _Forest(others, known)):
        votes = forest.votes(own) if own else []
        found += [(example, shares, rule[id(example)]) for example, shares in zip(own, votes, strict=True)]
    return found


def forest_of(by_rule: Sequence[Said], known: Known) -> dict[str, object]:
    """A forest as it stands in the model's file; its powers, the most that it believes and how sure its causes are
    are from worlds that were left out of it in their turn.

    Args:
        by_rule: Findings of at least two worlds, with their probabilities by the rule.
        known: What to tell by.
    """
    forest = _Forest([example for example, _ in by_rule], known)
    left_out = tell_left_out(by_rule, known)
    rule = {id(example): shares for example, shares in by_rule}
    right = [
        first(shares) in example.true
        for example, shares in left_out.told
        if shares[first(shares)] >= SURE and not (known.rule_shows and first(shares) in rule[id(example)])
    ]
    return {
        "names": list(known.names),
        "causes": [cause.value for cause in forest.causes],
        "typical": forest.typical.tolist(),
        "rows": forest.rows.tolist(),
        "labels": forest.labels.tolist(),
        "weights": np.round(forest.weights, _DIGITS).tolist(),
        "sharpness": left_out.sharpness,
        "trust": left_out.trust,
        "at_once": left_out.at_once,
        "most": round(float(np.mean(right)), 2) if right else 1.0,
        "sure": {cause.value: share for cause, share in sure(left_out.told).items()},
        "reach": round(_reach(forest.worlds, forest.rows[:, np.isin(known.names, known.near)]), 3),
        "worlds": sorted(set(forest.worlds)),
    }


def forest_from(stored: Mapping[str, object], known: Known) -> CauseForest:
    """The forest that the product would grow."""
    return read_forest(stored, known.names, known.near, known.repairs)


def forests_of_others(by_rule: Sequence[Said], known: Known) -> dict[str, CauseForest]:
    """For each world the forest that the product would have of all others."""
    rule = {id(example): shares for example, shares in by_rule}

    def fit(others: Sequence[Example]) -> CauseForest:
        return forest_from(forest_of([(example, rule[id(example)]) for example in others], known), known)

    worlds = each_world([example for example, _ in by_rule], fit)
    return {example.world: forest for forest, own in worlds for example in own[:1]}


def best_powers(voted: Sequence[Voted]) -> tuple[float, float]:
    """Sharpness and trust with the least loss of what findings of other worlds were told."""

    def loss(powers: tuple[float, float]) -> float:
        told = [(example, pooled(votes, rule, *powers)) for example, votes, rule in voted]
        of_true = [sum(shares.get(Cause(one), 0.0) for one in example.true) for example, shares in told]
        return -float(np.mean(np.log(np.array(of_true) + _LEAST)))

    return min(product(SHARPNESS, TRUST), key=loss)


def least_at_once(voted: Sequence[Voted], told: Sequence[Said]) -> float:
    """Share of the votes for a second cause from which both are named, with the largest sum of the shares of findings
    of two causes and of one that are told as such (Youden 1950, Cancer 3, 32); 1 where there are not both."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for (example, votes, _), (_, shares) in zip(voted, told, strict=True):
        others = [votes.get(cause, 0.0) for cause in AT_ONCE if cause is not first(shares)]
        if example.is_double or len(example.true) == 1:
            seconds[example.is_double].append(max(others) if first(shares) in AT_ONCE else 0.0)
    two, one = np.sort(seconds[True]), np.sort(seconds[False])
    if not len(two) or not len(one):
        return 1.0
    told_as_such = 1 - np.arange(len(two)) / len(two) + np.searchsorted(one, two) / len(one)
    return round(float(two[int(np.argmax(told_as_such))]), _DIGITS)


def sure(found: Sequence[Said]) -> dict[Cause, float]:
    """Share that is right of each cause named with .9 or more, where there are enough to tell."""
    right: dict[Cause, list[tuple[str, bool]]] = defaultdict(list)
    for example, shares in found:
        if shares[first(shares)] >= SURE:
            right[first(shares)].append((example.world, first(shares) in example.true))
    return {
        cause: round(float(np.mean([is_right for _, is_right in own])), 3)
        for cause, own in sorted(right.items())
        if len(own) >= LEAST_SURE and len({world for world, _ in own}) >= LEAST_WORLDS
    }


class _Forest:
    """The runs of a cause count alike, however many findings each has. A finding that any one of two causes explains
    says nothing about what tells them apart, and is not grown from."""

    def __init__(self, examples: Sequence[Example], known: Known) -> None:
        examples = [one for example in examples for one in _halves(example, known)]
        self._known = known
        values = [known.of(example) for example in examples]
        usual = [np.median([of[name] for of in values if name in of] or [0.0]) for name in known.names]
        self.typical = np.round(usual, _DIGITS)
        self.causes = tuple(cause for cause in Cause if any(example.cause == cause for example in examples))
        self.rows = self._rows(examples)
        self.worlds = [example.world for example in examples]
        self.labels = np.array([self.causes.index(Cause(example.cause)) for example in examples])
        self.weights = run_weights(examples, self.labels, known.evens)
        blanks = blanks_of(known.names, self.typical, known.near, known.repairs)
        self._grown = grow(self.rows, self.labels, self.weights, known.names, blanks)

    def votes(self, examples: Sequence[Example]) -> list[dict[Cause, float]]:
        """Share of the votes for each cause, of each finding."""
        shares = self._grown.predict_proba(self._rows(examples)).tolist()
        return [dict(zip(self.causes, row, strict=True)) for row in shares]

    def _rows(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        values = [self._known.of(example) for example in examples]
        usual = dict(zip(self._known.names, self.typical.tolist(), strict=True))
        return np.round([[of.get(name, usual[name]) for name in self._known.names] for of in values], _DIGITS)


def _halves(example: Example, known: Known) -> list[Example]:
    """The examples that a finding is: of two causes at once one of each."""
    if len(example.true) == 1:
        return [example]
    is_both = example.is_double and known.tells_doubles
    return [replace(example, cause=cause, also=()) for cause in sorted(example.true)] if is_both else []


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
