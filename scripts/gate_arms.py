"""Worlds whose arms were really trained otherwise: each arm of a loop is drawn from the runs of another arm of a bank.

A bank of arms is a bank (`gate_worlds.py`) whose file names the arm and the seed of every run. Arms differ in height,
so without an effect the higher ones are brought down: right answers are turned wrong, until all have the mean score of
the lowest. What they differ in then is how far their runs go apart.

`Runs` draws runs with replacement, so the runs of the bank are all that there are, and mean scores are known. With ten
of them three seeds of an arm are the same run in one of a hundred loops, and then seem not to vary: that is a property
of the bank and passes small levels. `Fitted` draws runs anew, from a model of each arm with the deviation of its runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from gate_worlds import ARMS, TARGET, Arms, Bank, FittedModel, add_loss, answers, load_bank, shift_at
from numpy.typing import NDArray

Roles = Mapping[str, str]
"""Arm of a loop -> arm of the bank."""


@dataclass(frozen=True, slots=True)
class ArmsBank:
    name: str
    arms: Mapping[str, Bank]
    """Runs of each arm, by seed."""
    averaged: Mapping[str, Bank]
    """The same where the weights of the last checkpoints are averaged."""
    margin: Mapping[str, NDArray[np.float64]]
    """By slice, of each item the champion's log-likelihood of the gold less that of the best other choice."""

    def resampled(self, rng: np.random.Generator) -> "ArmsBank":
        """The bank as another set of trainings might have left it."""
        drawn = {name: bank.resampled(rng) for name, bank in self.arms.items()}
        return ArmsBank(self.name, drawn, self.averaged, self.margin)

    def deviation(self, arm: str) -> float:
        """Deviation of the arm's runs on the target, of these very items."""
        return float(self.arms[arm].slices[TARGET].mean(axis=1).std(ddof=1))


def load_arms(folder: Path) -> list[ArmsBank]:
    """Load the banks of arms in a folder.

    Raises:
        ValueError: there is none.
    """
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise ValueError(f"--bank {folder} holds no <world>.npz; make one with scripts/make_real_bank.py")
    return [_load(file) for file in files]


def _load(file: Path) -> ArmsBank:
    whole = load_bank(file)
    with np.load(file) as arrays:
        arm, is_target, task = arrays["arm"], arrays["is_target"].astype(bool), arrays["task"]
        columns = {TARGET: is_target} | {name: task == name for name in whole.guards}
        margin = (arrays["champion_gold"] - arrays["champion_other"]).astype(np.float64)
        names = dict.fromkeys(arm.tolist())

        def banks(scores: NDArray[np.uint8]) -> dict[str, Bank]:
            return {
                name: Bank(name, {part: scores[arm == name][:, chosen] for part, chosen in columns.items()})
                for name in names
            }

        return ArmsBank(
            whole.name,
            banks(arrays["scores"]),
            banks(arrays["averaged"]),
            {part: margin[chosen] for part, chosen in columns.items()},
        )


@dataclass(frozen=True)
class Runs:
    """Arms drawn from runs, brought down to the height of the lowest, or left where they are."""

    bank: ArmsBank
    roles: Roles
    is_level: bool = True
    has_pairs: bool = False
    """Whether the arms' runs of one draw have the same seed."""
    drawn_from: Mapping[str, Bank] | None = None
    """Runs that are drawn from; those of the bank by default."""

    @property
    def name(self) -> str:
        return self.bank.name

    @cached_property
    def runs(self) -> dict[str, Bank]:
        """Runs of each arm of the loop; of pairs those of seeds that all arms have."""
        found = {role: (self.drawn_from or self.bank.arms)[arm] for role, arm in self.roles.items()}
        if not self.has_pairs:
            return found
        num_shared = min(bank.num_runs for bank in found.values())
        return {role: bank.first(num_shared) for role, bank in found.items()}

    @property
    def guards(self) -> tuple[str, ...]:
        return next(iter(self.runs.values())).guards

    @cached_property
    def heights(self) -> dict[str, dict[str, float]]:
        """Mean score by slice and arm of the loop."""
        return {
            name: {role: bank.base_score(name) for role, bank in self.runs.items()} for name in (TARGET, *self.guards)
        }

    def base_score(self, name: str) -> float:
        return min(self.heights[name].values()) if self.is_level else self.heights[name][ARMS[0]]

    def items(self, rng: np.random.Generator) -> "RunsItems":
        sizes = {name: self.runs[ARMS[0]].slices[name].shape[1] for name in self.heights}
        return RunsItems(self, {name: rng.integers(size, size=size) for name, size in sizes.items()})


@dataclass(frozen=True, slots=True)
class RunsItems:
    world: Runs
    columns: Mapping[str, NDArray[np.int64]]

    def arms(self, rng: np.random.Generator, num_seeds: int) -> Arms:
        world, drawn = self.world, dict[str, NDArray[np.int64]]()
        shared = rng.integers(min(bank.num_runs for bank in world.runs.values()), size=num_seeds)
        for role, bank in world.runs.items():
            drawn[role] = shared if world.has_pairs else rng.integers(bank.num_runs, size=num_seeds)

        def scores(name: str, role: str) -> NDArray[np.float64]:
            found = world.runs[role].slices[name][drawn[role]][:, self.columns[name]].astype(np.float64)
            if not world.is_level:
                return found
            height = world.heights[name][role]
            return add_loss(rng, found, height - world.base_score(name), height)

        return {name: {role: scores(name, role) for role in world.roles} for name in self.columns}


@dataclass(frozen=True)
class Fitted:
    """A model of each arm, items easy or hard as the arm's runs show, arms brought down to the height of the lowest or
    left where they are."""

    bank: ArmsBank
    roles: Roles
    is_level: bool = True

    @property
    def name(self) -> str:
        return self.bank.name

    @cached_property
    def models(self) -> dict[str, FittedModel]:
        return {role: FittedModel.of(self.bank.arms[arm]) for role, arm in self.roles.items()}

    @property
    def guards(self) -> tuple[str, ...]:
        return self.models[ARMS[0]].guards

    @cached_property
    def heights(self) -> dict[str, dict[str, float]]:
        """Mean score by slice and arm of the loop, before arms are brought down."""
        names = (TARGET, *self.guards)
        return {name: {role: model.base_score(name) for role, model in self.models.items()} for name in names}

    @cached_property
    def shifts(self) -> dict[tuple[str, str], float]:
        """By slice and arm, what brings its logits to the common height."""
        return {
            (name, role): shift_at(model.easiness[name], self.base_score(name), model.sd(name))
            for name in self.heights
            for role, model in self.models.items()
            if self.is_level
        }

    def base_score(self, name: str) -> float:
        return min(self.heights[name].values()) if self.is_level else self.heights[name][ARMS[0]]

    def items(self, rng: np.random.Generator) -> "FittedArmsItems":
        sizes = {name: len(easiness) for name, easiness in self.models[ARMS[0]].easiness.items()}
        return FittedArmsItems(self, {name: rng.integers(size, size=size) for name, size in sizes.items()})


@dataclass(frozen=True, slots=True)
class FittedArmsItems:
    world: Fitted
    columns: Mapping[str, NDArray[np.int64]]

    def arms(self, rng: np.random.Generator, num_seeds: int) -> Arms:
        world = self.world
        common = {role: model.common_sd * rng.normal(size=(num_seeds, 1)) for role, model in world.models.items()}

        def scores(name: str, role: str) -> NDArray[np.float64]:
            model = world.models[role]
            run = common[role] + model.own_sd[name] * rng.normal(size=(num_seeds, 1))
            return answers(rng, model.easiness[name][self.columns[name]] + run + world.shifts.get((name, role), 0.0))

        return {name: {role: scores(name, role) for role in world.roles} for name in self.columns}
