"""Readings of small trainings, arranged for each finding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.engine.runner import Done
from controller.stages.retraining.pilot import LIKELIHOODS_FILE, SCORES_FILE, Asked, AskedItems
from diagnose.finding.finding import Finding
from diagnose.finding.outcome import Trials, Tried
from diagnose.slices.predicate import item_members
from evals.items import ItemKey, ItemResult

_MOST_FAILED, _MOST_PASSED = 64, 32
"""Most items of a finding that are read, by how the champion answers them."""
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


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of all asked items, of the champion and of each small training."""

    asked: AskedItems
    passing: frozenset[ItemKey]
    """Passing items to whose likelihood that of failed ones is compared."""
    before: Done[Asked]
    of_arms: dict[str, list[Done[Asked]]]
    """Small trainings of each arm, in the order of their seeds."""

    @property
    def flops(self) -> float:
        """FLOPs of all trainings and readings."""
        runs = [self.before, *(one for runs in self.of_arms.values() for one in runs)]
        return sum(one.spent.flops for one in runs)


def asked_finding(finding: Finding, results: Sequence[ItemResult]) -> AskedFinding:
    """Choose the items of a finding on which repairs are read.

    Args:
        finding: The finding.
        results: What the champion did with the probe items.
    """
    held_out = set(finding.held_out[:_MOST_FAILED])
    members = np.flatnonzero(item_members(finding.slice, [result.item for result in results])).tolist()
    own = [results[k] for k in members]
    failed = [result.item.key for result in own if result.is_failed and result.item.key in held_out]
    passed = [result.item.key for result in own if not result.is_failed]
    drawn = np.random.default_rng(0).permutation(len(passed))[:_MOST_PASSED].tolist()
    keys = (*failed, *(passed[k] for k in drawn))
    return AskedFinding(finding, keys, np.arange(len(keys)) < len(failed))


def passing_items(results: Sequence[ItemResult]) -> tuple[ItemKey, ...]:
    """Draw passing items of any slice, to whose likelihood that of failed ones is compared."""
    passed = [result.item.key for result in results if not result.is_failed]
    return tuple(passed[k] for k in np.random.default_rng(0).permutation(len(passed))[:_REFERENCE].tolist())


def trials_of(asked: AskedFinding, readings: Readings) -> Trials | None:
    """Arrange what was read of a finding's items; None where that shows no gap that could be closed.

    Args:
        asked: The finding with its items.
        readings: Readings of the items of all findings.
    """
    place = {key: k for k, key in enumerate(readings.asked.keys)}
    own = np.array([place[key] for key in asked.keys], np.int64)
    likelihood, score = _tried(readings, LIKELIHOODS_FILE, own), _tried(readings, SCORES_FILE, own)
    is_read = np.isfinite(likelihood.before) & np.isfinite(score.before)
    for runs in (*likelihood.arms.values(), *score.arms.values()):
        is_read &= np.isfinite(runs).all(axis=0)
    passing = np.load(readings.before.folder / LIKELIHOODS_FILE)[
        [key in readings.passing for key in readings.asked.keys]
    ]
    failed, passing = likelihood.before[is_read & asked.is_failed], passing[np.isfinite(passing)]
    if not len(failed) or not len(passing) or passing.mean() <= failed.mean():
        return None
    return Trials(
        likelihood=_only(likelihood, is_read),
        score=_only(score, is_read),
        is_failed=asked.is_failed[is_read],
        failure_rate=asked.finding.failure_rate,
        gap=float(passing.mean() - failed.mean()),
    )


def _tried(readings: Readings, file: str, own: NDArray[np.int64]) -> Tried:
    arms = {name: [np.load(done.folder / file)[own] for done in runs] for name, runs in readings.of_arms.items()}
    return Tried(np.load(readings.before.folder / file)[own], {name: np.stack(runs) for name, runs in arms.items()})


def _only(tried: Tried, kept: NDArray[np.bool_]) -> Tried:
    return Tried(tried.before[kept], {name: runs[:, kept] for name, runs in tried.arms.items()})
