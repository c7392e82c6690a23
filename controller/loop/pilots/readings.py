"""Readings of small trainings, arranged for each finding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.engine.budget import Spent
from controller.engine.runner import Done
from controller.stages.retraining.pilot import LIKELIHOODS_FILE, SCORES_FILE, AskedItems
from diagnose.finding.answer_labels import as_label
from diagnose.finding.finding import Finding
from diagnose.finding.trials import Trials, Tried
from diagnose.slices.predicate import item_members
from evals.items import ItemKey, ItemResult

_MOST_FAILED, _MOST_PASSED = 64, 32
"""Most items of a finding that are read, by how the champion answers them."""
_MOST_RIVALS = 128
"""Most other items that are read, with whose labels a finding's compete."""
_REFERENCE = 64
"""Most passing items, of any slice, to whose likelihood that of failed ones is compared."""


@dataclass(frozen=True, slots=True)
class AskedFinding:
    """A finding, and the probe items on which repairs are read for it."""

    finding: Finding
    keys: tuple[ItemKey, ...]
    """Items by which no row was chosen: failed ones that were held out, and passing ones."""
    is_failed: NDArray[np.bool_]
    """Whether the champion fails each, [num_items]."""
    rivals: tuple[ItemKey, ...] = ()
    """Other items with whose labels these compete; none where answers are no labels."""
    rival_weight: float = 0.0
    """Number of all such items for each one of the slice."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of all asked items, of the champion and of each small training."""

    asked: AskedItems
    passing: frozenset[ItemKey]
    """Passing items to whose likelihood that of failed ones is compared."""
    before: Done[Spent]
    of_arms: dict[str, list[Done[Spent]]]
    """Small trainings of each arm, in the order of their seeds."""

    @property
    def num_trained(self) -> dict[str, int]:
        """Number of trainings by name of the arm."""
        return {name: len(runs) for name, runs in self.of_arms.items()}

    @property
    def flops(self) -> float:
        """FLOPs of all trainings and readings."""
        runs = [self.before, *(one for runs in self.of_arms.values() for one in runs)]
        return sum(one.spent.flops for one in runs)


def asked_finding(finding: Finding, results: Sequence[ItemResult]) -> AskedFinding:
    """Choose the items of a finding on which repairs are read, by what the champion did with the probe items."""
    held_out = set(finding.held_out[:_MOST_FAILED])
    members = np.flatnonzero(item_members(finding.slice, [result.item for result in results])).tolist()
    own = [results[k] for k in members]
    failed = [result.item.key for result in own if result.is_failed and result.item.key in held_out]
    passed = [result.item.key for result in own if not result.is_failed]
    keys = (*failed, *_some(passed, _MOST_PASSED))
    inside = set(members)
    others = [
        result.item.key
        for k, result in enumerate(results)
        if k not in inside and as_label(result.item.target) in finding.golds
    ]
    return AskedFinding(
        finding=finding,
        keys=keys,
        is_failed=np.arange(len(keys)) < len(failed),
        rivals=tuple(_some(others, _MOST_RIVALS)),
        rival_weight=len(others) / max(len(own), 1),
    )


def passing_items(results: Sequence[ItemResult]) -> tuple[ItemKey, ...]:
    """Draw passing items of any slice, to whose likelihood that of failed ones is compared."""
    return tuple(_some([result.item.key for result in results if not result.is_failed], _REFERENCE))


def _some(keys: Sequence[ItemKey], most: int) -> list[ItemKey]:
    """Draw at most so many of them."""
    return [keys[k] for k in np.random.default_rng(0).permutation(len(keys))[:most].tolist()]


def trials_of(asked: AskedFinding, readings: Readings) -> Trials | None:
    """Arrange what was read of a finding's items; None where that shows no gap that could be closed."""
    place = {key: k for k, key in enumerate(readings.asked.keys)}
    own = np.array([place[key] for key in asked.keys], np.int64)
    likelihood, score = _tried(readings, LIKELIHOODS_FILE, own), _tried(readings, SCORES_FILE, own)
    is_read, is_scored = _is_read(likelihood), _is_read(score)
    passing = _passing(readings)
    failed = likelihood.before[is_read & asked.is_failed]
    if not len(failed) or passing <= failed.mean():
        return None
    rivals = _tried(readings, LIKELIHOODS_FILE, np.array([place[key] for key in asked.rivals], np.int64))
    is_known = _is_read(rivals)
    return Trials(
        rest=_only(rivals, is_known) if is_known.any() else None,
        rest_weight=asked.rival_weight,
        likelihood=_only(likelihood, is_read),
        is_failed=asked.is_failed[is_read],
        score=_only(score, is_scored),
        is_failed_of_scores=asked.is_failed[is_scored],
        failure_rate=asked.finding.failure_rate,
        gap=float(passing - failed.mean()),
    )


def _passing(readings: Readings) -> float:
    """Mean likelihood of passing items under the model as it is or the arm where it is highest: a model that has hardly
    been trained gives items right of which it is no surer than of others."""
    chosen = np.array([key in readings.passing for key in readings.asked.keys])
    if not chosen.any():
        return -np.inf
    tried = _tried(readings, LIKELIHOODS_FILE, np.flatnonzero(chosen))
    means = [np.nanmean(tried.before), *(np.nanmean(runs) for runs in tried.arms.values())]
    return float(max((mean for mean in means if np.isfinite(mean)), default=-np.inf))


def _tried(readings: Readings, file: str, own: NDArray[np.int64]) -> Tried:
    """Readings of some items; an arm of which a training has left no finite number is not among them."""
    arms = {}
    for name, runs in readings.of_arms.items():
        values = np.stack([np.load(done.folder / file) for done in runs])
        if np.isfinite(values).any(axis=1).all():
            arms[name] = values[:, own]
    return Tried(np.load(readings.before.folder / file)[own], arms)


def _is_read(tried: Tried) -> NDArray[np.bool_]:
    """Whether an item has a finite number under the model as it is and every arm, [num_items]."""
    is_read = np.isfinite(tried.before)
    for runs in tried.arms.values():
        is_read &= np.isfinite(runs).all(axis=0)
    return np.asarray(is_read)


def _only(tried: Tried, kept: NDArray[np.bool_]) -> Tried:
    return Tried(tried.before[kept], {name: runs[:, kept] for name, runs in tried.arms.items()})
