"""The gate's rule on scores by arm: every control beaten, every guard shown unharmed, no group shown to lose.

`rule` applies it once. `rule_at` applies it at one look of a judgement that trains more seeds only where they can still
decide (`verify.max_seeds`): a look that holds all of it accepts; one that shows harm, or that nothing will come of more
seeds, rejects; any other asks for the seeds of the next. Pure functions; the statistics are those of
`evals.statistics.compare` and `evals.statistics.looks`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.results.arm_names import AT_COMPUTE, CHALLENGER, CONTINUE, RANDOM
from controller.results.verdict_json import Ending, GroupRecord, GuardRecord
from evals.statistics.compare import (
    ArmScores,
    Comparison,
    GateResult,
    NonInferiority,
    accepts,
    non_inferior,
    shared_runs,
)
from evals.statistics.looks import (
    LEAST_PREDICTIVE_POWER,
    LookResult,
    Looks,
    gate_at,
    guard_at,
    guard_predictive_power,
    is_beaten,
    is_shown_harmed,
)
from evals.statistics.run_variance import RunVariance


@dataclass(frozen=True, slots=True)
class Ruling:
    gate: GateResult
    guards: tuple[GuardRecord, ...]
    groups: tuple[GroupRecord, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Names of the guards that are not shown unharmed."""
        return tuple(guard.task for guard in self.guards if not guard.ok)

    @property
    def harmed(self) -> tuple[GroupRecord, ...]:
        return tuple(group for group in self.groups if group.is_harmed)

    @property
    def is_harmless(self) -> bool:
        return not self.broken and not self.harmed

    @property
    def is_accepted(self) -> bool:
        return self.gate.is_accepted and self.is_harmless


@dataclass(frozen=True, slots=True)
class At:
    """One look of a judgement."""

    looks: Looks
    look: int
    """Number of the look, from 0."""
    beaten: tuple[Comparison, ...] = ()
    """Comparisons with controls that earlier looks showed beaten and that were trained no more."""

    @property
    def is_last(self) -> bool:
        return self.looks.is_last(self.look)

    @property
    def end_level(self) -> float:
        """Level of a claim beside the endpoint's, tested from the look on that ends the judgement of the fix."""
        return self.looks.end_levels[self.look]


@dataclass(frozen=True, slots=True)
class LookRuling:
    """What one look decides."""

    shown: LookResult
    ruling: Ruling
    ending: Ending
    beaten: tuple[Comparison, ...]
    """Comparisons with controls that this look or an earlier one showed beaten for good: they need no more seeds."""


def rule(
    endpoint: Mapping[str, ArmScores],
    guards: Mapping[str, Mapping[str, ArmScores]],
    groups: Sequence[GroupRecord],
    alpha: float,
    margin: float,
    earlier: Sequence[RunVariance],
    challenger: str = CHALLENGER,
    before: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
    of_chance: RunVariance | None = None,
) -> Ruling:
    """Apply the rule itself, to scores by arm; every control is in `endpoint` beside the challenger. `before` has, for
    each guard, the score of its items by each model that it is compared with; `of_chance` is as for `accepts`."""
    controls = [scores for name, scores in endpoint.items() if name != challenger]
    gate = accepts(endpoint[challenger], controls, alpha, earlier, of_chance)
    records = tuple(
        _guard(name, scores, challenger, margin, (before or {}).get(name, ())) for name, scores in guards.items()
    )
    return Ruling(gate, records, tuple(groups))


def rule_at(
    endpoint: Mapping[str, ArmScores],
    guards: Mapping[str, Mapping[str, ArmScores]],
    groups: Sequence[GroupRecord],
    at: At,
    margin: float,
    challenger: str = CHALLENGER,
    before: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
) -> LookRuling:
    """Apply the rule at one look, to scores by arm; every control is in `endpoint` beside the challenger. Those that
    are trained no more may have fewer seeds than the look, or be left out.

    Args:
        endpoint: Scores of the endpoint by arm, of the seeds that the look has.
        guards: Scores of each guard likewise.
        groups: Groups as they are at this look.
        at: The look.
        margin: Largest loss on a guard that counts as none.
        challenger: Name of the arm that is judged.
        before: For each guard, the score of its items by each model that it is compared with.
    """
    settled = {challenger, *(one.control for one in at.beaten)}
    controls = [scores for name, scores in endpoint.items() if name not in settled]
    shown = gate_at(endpoint[challenger], controls, at.looks, at.look, at.beaten)
    tested = {
        name: guard_at(scores[challenger], scores[old_data(scores)], margin, at.looks, at.look)
        for name, scores in guards.items()
    }
    records = tuple(
        _guard_record(name, guards[name][challenger], result, margin, (before or {}).get(name, ()))
        for name, result in tested.items()
    )
    ruling = Ruling(shown.gate, records, tuple(groups))
    is_harmed = bool(ruling.harmed) or any(is_shown_harmed(result.change, margin) for result in tested.values())
    hopeless = [
        result
        for result in tested.values()
        if not result.is_shown
        and guard_predictive_power(result.change, margin, shown.num_seeds, at.looks) < LEAST_PREDICTIVE_POWER
    ]
    ending = _ending(ruling, at.is_last, is_harmed, shown.is_futile or bool(hopeless))
    return LookRuling(shown, ruling, ending, _beaten_for_good(shown, endpoint))


def first_seeds(scores: Mapping[str, ArmScores], num_seeds: int) -> dict[str, ArmScores]:
    """Scores by arm of the first training seeds, those that a look has."""
    return {name: replace(arm, scores=arm.scores[:num_seeds]) for name, arm in scores.items()}


def old_data(arms: Collection[str]) -> str:
    """Name of the arm that trained on the old data, with which guards are compared."""
    return next(name for name in (CONTINUE, CONTINUE + AT_COMPUTE) if name in arms)


def _ending(ruling: Ruling, is_last: bool, is_harmed: bool, is_futile: bool) -> Ending:
    if is_harmed:
        return Ending.HARMED
    if ruling.is_accepted:
        return Ending.ACCEPTED
    if is_last:
        return Ending.LAST
    return Ending.FUTILE if is_futile else Ending.GOES_ON


def _beaten_for_good(shown: LookResult, arms: Collection[str]) -> tuple[Comparison, ...]:
    """Choose the controls that need no more seeds. More than this one question is asked of the old data, which guards
    are held against, and of random rows, which may be enough: they are trained on."""
    needed = {old_data(arms), *(name for name in arms if name.removesuffix(AT_COMPUTE) == RANDOM)}
    return tuple(one for one in shown.gate.comparisons if one.control not in needed and is_beaten(one, shown.level))


def _guard(
    name: str, scores: Mapping[str, ArmScores], challenger: str, margin: float, before: Sequence[Mapping[str, float]]
) -> GuardRecord:
    run = shared_runs([*scores.values()])
    own = scores[challenger]
    return _guard_record(name, own, non_inferior(own, scores[old_data(scores)], margin, run=run), margin, before)


def _guard_record(
    name: str, own: ArmScores, result: NonInferiority, margin: float, before: Sequence[Mapping[str, float]]
) -> GuardRecord:
    """Record a guard that was tested; `before` has the scores of its items by each model that it is compared with."""
    change = result.change
    since = min((_since(own, model) for model in before if model.keys() & set(own.items)), default=None)
    is_ok = result.is_shown and (since is None or since >= -margin)
    return GuardRecord(name, change.mean, (change.low, change.high), is_ok, result.lower, margin, since)


def _since(arm: ArmScores, model: Mapping[str, float]) -> float:
    """Mean change of the items that the model scored too; at least one."""
    known = [place for place, item in enumerate(arm.items) if item in model]
    return float(np.mean(arm.scores[:, known].mean(axis=0) - [model[arm.items[place]] for place in known]))
