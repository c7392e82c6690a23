"""Worlds in which loops are played without training: banks of really trained runs, and a model fitted to one.

A bank is `<world>.npz` with `scores` [num_runs, num_items] (0/1), `task` [num_items], `is_target` and `is_guard`
[num_items]. Its runs were trained alike with different seeds, so arms drawn from them do not differ: any gain is false.
Where a file holds runs of several arms, `is_base` [num_runs] says which were trained alike (`gate_arms.py` reads all).

A loop draws its items with replacement. Then they are an exact sample from the bank's items as a population, and a
copy is another item that answers alike: run means, items' differences and residual keep the variances of the crossed
model (Hoeffding's decomposition needs only that runs and items are independent draws). Half samples without
replacement were rejected: their mean varies half as much as the gate has to assume, which flatters it. Arms are drawn
without replacement, disjoint: their differences then have exactly the variance that the bank's runs show.

In the fitted model items and runs are drawn anew, from item difficulties, a run effect common to all items and a run
effect of each slice (all in logits). Its arms can be made to vary unequally over runs, at the same mean scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from evals.statistics.compare import ArmScores
from evals.statistics.power import REPAIR_CONCENTRATION

ARMS = (CHALLENGER, CONTINUE, RANDOM)
TARGET = "target"


@dataclass(frozen=True, slots=True)
class Bank:
    name: str
    slices: Mapping[str, NDArray[np.uint8]]
    """[num_runs, items of the slice], 0 or 1; `TARGET` first, then each guard by its task."""

    @property
    def num_runs(self) -> int:
        return len(self.slices[TARGET])

    @property
    def guards(self) -> tuple[str, ...]:
        return tuple(name for name in self.slices if name != TARGET)

    def resampled(self, rng: np.random.Generator) -> "Bank":
        """The bank as another set of trainings might have left it: runs drawn with replacement."""
        rows = rng.integers(self.num_runs, size=self.num_runs)
        return Bank(self.name, {name: scores[rows] for name, scores in self.slices.items()})

    def first(self, num_runs: int) -> "Bank":
        """The bank with its first runs alone."""
        return Bank(self.name, {name: scores[:num_runs] for name, scores in self.slices.items()})

    def base_score(self, name: str) -> float:
        return float(self.slices[name].mean())

    def items(self, rng: np.random.Generator) -> "BankItems":
        """Items of one loop."""
        return BankItems(
            {
                name: scores[:, rng.integers(scores.shape[1], size=scores.shape[1])]
                for name, scores in self.slices.items()
            }
        )


@dataclass(frozen=True, slots=True)
class BankItems:
    slices: Mapping[str, NDArray[np.uint8]]

    def arms(self, rng: np.random.Generator, num_seeds: int) -> "Arms":
        """One round: disjoint runs for each arm."""
        num_runs = len(self.slices[TARGET])
        if num_runs < num_seeds * len(ARMS):
            raise ValueError(f"{len(ARMS)} arms of {num_seeds} seeds need as many runs, the bank has {num_runs}")
        rows = rng.permutation(num_runs)[: num_seeds * len(ARMS)].reshape(len(ARMS), num_seeds)
        return {
            name: {arm: scores[own].astype(np.float64) for arm, own in zip(ARMS, rows, strict=True)}
            for name, scores in self.slices.items()
        }


@dataclass(frozen=True, slots=True)
class FittedModel:
    """Difficulties of items, and deviations of run effects, in logits."""

    name: str
    easiness: Mapping[str, NDArray[np.float64]]
    """Of each item, by slice."""
    common_sd: float
    own_sd: Mapping[str, float]
    times: Mapping[str, float] = field(default_factory=dict)
    """Factor of an arm's deviations over runs; 1 for those that it does not name."""
    shifts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """By slice and arm, what the arm's logits are moved by so that its mean score is that of the others."""

    @classmethod
    def of(cls, bank: Bank) -> "FittedModel":
        easiness, effects, noise = {}, [], []
        for name, scores in bank.slices.items():
            share = (scores.sum(axis=0) + 0.05) / (bank.num_runs + 0.1)
            easiness[name] = special.logit(share)
            slope = float((share * (1 - share)).mean())
            effects.append([_shift(easiness[name], float(mean)) for mean in scores.mean(axis=1)])
            noise.append(1 / (slope * scores.shape[1]))  # of a run's shift, from its answers to these items alone
        covariance = np.cov(np.array(effects))  # [num_slices, num_slices]
        covariance = np.atleast_2d(covariance)
        off = covariance[~np.eye(len(covariance), dtype=bool)]
        common = max(float(off.mean()), 0.0) if off.size else 0.0
        own = np.maximum(np.diag(covariance) - np.array(noise) - common, 0.0)
        sds = {name: float(np.sqrt(value)) for name, value in zip(bank.slices, own, strict=True)}
        return cls(bank.name, easiness, float(np.sqrt(common)), sds)

    @property
    def guards(self) -> tuple[str, ...]:
        return tuple(name for name in self.easiness if name != TARGET)

    def base_score(self, name: str) -> float:
        return _mean_score(self.easiness[name], self.sd(name))

    def sd(self, name: str) -> float:
        """Deviation of an arm's runs on a slice, in logits, where the arm has no factor."""
        return float(np.hypot(self.common_sd, self.own_sd[name]))

    def varying(self, times: Mapping[str, float]) -> "FittedModel":
        """The model with these factors of its arms' deviations over runs, all mean scores as they are."""
        shifts = {
            (name, arm): shift_at(easiness, self.base_score(name), factor * self.sd(name))
            for name, easiness in self.easiness.items()
            for arm, factor in times.items()
        }
        return replace(self, times=times, shifts=shifts)

    def items(self, rng: np.random.Generator) -> "FittedItems":
        return FittedItems(
            {name: rng.choice(easiness, size=len(easiness)) for name, easiness in self.easiness.items()},
            self,
        )


@dataclass(frozen=True, slots=True)
class FittedItems:
    easiness: Mapping[str, NDArray[np.float64]]
    model: FittedModel

    def arms(self, rng: np.random.Generator, num_seeds: int) -> "Arms":
        times = {arm: self.model.times.get(arm, 1.0) for arm in ARMS}
        common = {arm: self.model.common_sd * rng.normal(size=(num_seeds, 1)) for arm in ARMS}

        def effects(name: str, arm: str) -> NDArray[np.float64]:
            own = self.model.own_sd[name] * rng.normal(size=(num_seeds, 1))
            return np.asarray(times[arm] * (common[arm] + own) + self.model.shifts.get((name, arm), 0.0))

        return {
            name: {arm: answers(rng, easiness + effects(name, arm)) for arm in ARMS}
            for name, easiness in self.easiness.items()
        }


Arms = dict[str, dict[str, NDArray[np.float64]]]
"""Slice, arm -> [num_seeds, num_items]."""


class Items(Protocol):
    """Items of one loop."""

    def arms(self, rng: np.random.Generator, num_seeds: int) -> Arms:
        """Draw the arms of one round."""


class World(Protocol):
    """Where loops are played."""

    @property
    def guards(self) -> tuple[str, ...]:
        """Names of the slices that are guards."""

    def base_score(self, name: str) -> float:
        """Mean score of a slice where nothing is gained."""

    def items(self, rng: np.random.Generator) -> Items:
        """Draw the items of one loop."""


def load_banks(folder: Path) -> list[Bank]:
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise ValueError(f"--bank {folder} holds no <world>.npz; name a folder of banks of trained runs")
    return [load_bank(file) for file in files]


def load_bank(file: Path) -> Bank:
    with np.load(file) as arrays:
        scores, task = arrays["scores"], arrays["task"]
        scores = scores[arrays["is_base"]] if "is_base" in arrays else scores
        is_target, is_guard = arrays["is_target"].astype(bool), arrays["is_guard"].astype(bool)
    if not is_target.any() or not np.isin(scores, (0, 1)).all():
        raise ValueError(f"{file} must hold scores of 0 and 1 and at least one item with is_target")
    slices = {TARGET: scores[:, is_target]}
    for guard in sorted(set(task[is_guard].tolist())):
        slices[str(guard)] = scores[:, is_guard & (task == guard)]
    return Bank(file.stem, {name: part.astype(np.uint8) for name, part in slices.items()})


def add_gain(rng: np.random.Generator, scores: NDArray[np.float64], gain: float, base: float) -> NDArray[np.float64]:
    """Wrong answers turned right so that the mean rises by `gain` from `base` in expectation.

    Items differ in how surely they are mended, alike in all seeds: that is what makes a gain one of items, too.
    """
    if gain <= 0 or base >= 1:
        return scores
    turned = rng.random(scores.shape) < _chances(rng, min(gain / (1 - base), 1.0), scores.shape[1])
    return np.where(turned, 1.0, scores)


def add_loss(rng: np.random.Generator, scores: NDArray[np.float64], loss: float, base: float) -> NDArray[np.float64]:
    """Right answers turned wrong, likewise."""
    return 1 - add_gain(rng, 1 - scores, loss, 1 - base)


def arm_scores(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, ArmScores]:
    items = item_names(next(iter(scores.values())).shape[1])
    return {arm: ArmScores(arm, items, values, arm == RANDOM) for arm, values in scores.items()}


def _chances(rng: np.random.Generator, mean: float, num_items: int) -> NDArray[np.float64]:
    if mean >= 1:
        return np.ones(num_items)
    return rng.beta(REPAIR_CONCENTRATION * mean, REPAIR_CONCENTRATION * (1 - mean), size=num_items)


def answers(rng: np.random.Generator, logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw an answer of 0 or 1 for each logit."""
    return (rng.random(logits.shape) < special.expit(logits)).astype(np.float64)


def _mean_score(easiness: NDArray[np.float64], sd: float) -> float:
    """Mean score of runs that deviate by `sd` logits."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    return float(special.expit(easiness[:, None] + sd * nodes).mean(axis=0) @ (weights / weights.sum()))


def shift_at(easiness: NDArray[np.float64], mean: float, sd: float) -> float:
    """Shift at which runs that deviate by `sd` logits have this mean score."""
    return float(optimize.brentq(lambda shift: _mean_score(easiness + shift, sd) - mean, -10, 10, xtol=1e-6))


def _shift(easiness: NDArray[np.float64], mean: float) -> float:
    """Run effect at which these items have this mean score."""
    target = min(max(mean, 1e-4), 1 - 1e-4)
    return float(optimize.brentq(lambda shift: float(special.expit(easiness + shift).mean()) - target, -30, 30))


@lru_cache(maxsize=64)
def item_names(num_items: int) -> tuple[str, ...]:
    """Names of so many items."""
    return tuple(map(str, range(num_items)))
