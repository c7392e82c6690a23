"""Readings of rival fixes for `scripts/bench_fix_order.py`: each pair in full trainings and in small ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from controller.results.arm_names import BEFORE, CONTINUE
from controller.verdict.arm_scores import Arm, scored_by_all
from controller.verdict.guards import RestGuard, chosen_in
from diagnose.finding.finding import Finding
from diagnose.finding.trials import Trials, drawn_in_nats, drawn_means, item_weights
from evals.items import EvalReport
from evals.statistics.compare import compare, shared_runs
from evals.statistics.intervals import Estimate

LENGTHS = (0.1, 0.3)
"""Tokens of small trainings as a share of a full one's that are tabled: of a pilot's first look and its longer one."""
LIKELIHOOD, OF_SLICE, NATS, SCORE = "likelihood", "likelihood of the slice", "log-likelihood", "score"
"""Readings. `likelihood` is that of pilots: a share of the gap, less what items of other labels lose against the old
data; the second one leaves that out."""

Draws = Mapping[str, NDArray[np.float64]]
"""By fix, [num_draws] each; draws of the same number belong together."""


@dataclass(frozen=True, slots=True)
class Small:
    """What small trainings say of a pair."""

    length: float
    reading: str
    difference: Estimate
    """First less second."""
    is_first_better: float
    """Probability that the first is the better one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two fixes of one finding."""

    first: str
    second: str
    full: Estimate
    """Score of the first less that of the second in full trainings."""
    rest: Estimate | None
    """The same on all other items of the tasks; None where there are none."""
    small: tuple[Small, ...]

    @property
    def is_decided(self) -> bool:
        """Whether the full trainings tell the two apart."""
        return self.full.low > 0 or self.full.high < 0

    def said(self, length: float, reading: str) -> Small | None:
        """What small trainings of this length say; None where they could not be read."""
        return next((one for one in self.small if one.length == length and one.reading == reading), None)

    def agrees(self, small: Small) -> bool:
        """Whether small trainings have the order of the full ones; of two that are equal they have none."""
        return small.difference.mean * self.full.mean > 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run; it has no pairs where no finding has two fixes."""

    world: str
    scenario: str
    seed: int
    overrides: tuple[str, ...]
    cause: str
    """Cause that the evidence names for the finding; empty where no finding has two fixes."""
    slice: str
    data_slice: str
    num_failed: int
    num_items: int
    preferred: tuple[str, ...]
    """Fixes in the order in which `interventions=auto` takes them, from the evidence alone."""
    scores: dict[str, tuple[float, ...]]
    """Score of each full training on the finding's `select` items, by fix; `before` is the champion's."""
    rest: dict[str, tuple[float, ...]]
    """The same on all other items of the tasks."""
    pairs: tuple[Pair, ...]
    code_version: str

    def has(self, lengths: Sequence[float]) -> bool:
        """Whether small trainings of all these lengths were read, as far as there are fixes."""
        return all(set(lengths) <= {small.length for small in pair.small} for pair in self.pairs)

    @property
    def key(self) -> tuple[str, str, int, tuple[str, ...]]:
        return self.world, self.scenario, self.seed, self.overrides


def pairs_of(
    full: Sequence[Arm],
    before: EvalReport,
    read: Mapping[float, Trials | None],
    finding: Finding,
    fields: Sequence[str],
    tasks: tuple[str, ...],
    seed: int,
) -> tuple[dict[str, tuple[float, ...]], dict[str, tuple[float, ...]], tuple[Pair, ...]]:
    """Scores of the full trainings by seed on the finding's items and on the rest, and all pairs of fixes.

    Args:
        full: Arms of the full trainings.
        before: Report of the champion on `select`.
        read: What was read of the small ones, by their length.
        finding: The finding that the fixes are for.
        fields: Document fields that its slice may name.
        tasks: Tasks that are to be fixed.
        seed: Seeds the draws.
    """
    own, others = chosen_in((finding.slice,), fields), RestGuard(tasks, (finding.slice,), tuple(fields)).chosen
    on_slice, on_rest = scored_by_all(full, own), scored_by_all(full, others)
    drawn = {
        (length, name): draws
        for length, trials in read.items()
        if trials is not None
        for name, draws in readings(trials, np.random.default_rng(seed)).items()
    }
    found = []
    for first, second in combinations([arm.name for arm in full], 2):
        changes = [compare(of[first], of[second], shared_runs(list(of.values()))) for of in (on_slice, on_rest) if of]
        full_trial, *rest_of = (_estimate(change.mean, change.low, change.high) for change in changes)
        small = tuple(
            _small(length, reading, draws[first] - draws[second])
            for (length, reading), draws in drawn.items()
            if {first, second} <= draws.keys()
        )
        found.append(Pair(first, second, full_trial, rest_of[0] if rest_of else None, small))
    scores, *rest = (
        {BEFORE: (_rounded(np.mean([one.score for one in choose(before.results)])),)}
        | {name: tuple(map(_rounded, one.seed_means)) for name, one in of.items()}
        for choose, of in ((own, on_slice), (others, on_rest))
        if of
    )
    return scores, rest[0] if rest else {}, tuple(found)


def readings(trials: Trials, rng: np.random.Generator) -> dict[str, Draws]:
    """Draws of what each fix does, by reading."""
    items = item_weights(trials.is_failed, trials.failure_rate, rng)
    drawn = drawn_means(trials.likelihood, items, rng)
    of_slice = {name: means / trials.gap for name, means in drawn.items()}
    found: dict[str, Draws] = {LIKELIHOOD: of_slice, OF_SLICE: of_slice}
    if trials.rest is not None:
        others = drawn_means(trials.rest, item_weights(np.zeros(len(trials.rest.before), bool), 0.0, rng), rng)
        lost = {name: np.minimum(means - others[CONTINUE], 0.0) for name, means in others.items()}
        weight = trials.rest_weight / trials.gap
        found[LIKELIHOOD] = {name: means + weight * lost[name] for name, means in of_slice.items() if name in lost}
    if in_nats := drawn_in_nats(trials, rng):
        found[NATS] = in_nats
    if len(trials.is_failed_of_scores):
        found[SCORE] = drawn_means(
            trials.score, item_weights(trials.is_failed_of_scores, trials.failure_rate, rng), rng
        )
    return found


def _small(length: float, reading: str, drawn: NDArray[np.float64]) -> Small:
    low, middle, high = np.quantile(drawn, (0.025, 0.5, 0.975)).tolist()
    better = float((drawn > 0).mean() + (drawn == 0).mean() / 2)
    return Small(length, reading, _estimate(middle, low, high), _rounded(better))


def _estimate(mean: float, low: float, high: float) -> Estimate:
    return Estimate(_rounded(mean), _rounded(low), _rounded(high))


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)
