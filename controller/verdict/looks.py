"""Judge one look of a judgement that trains more seeds only where they can still decide (`verify.max_seeds`).

The rule is that of `controller.verdict.judge`: every control beaten, every guard shown unharmed, no group shown to
lose. A look that holds all of it accepts; one that shows harm, or that nothing will come of more seeds, rejects; any
other asks for the seeds of the next. Pure functions; the statistics are `evals.statistics.looks`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.results.arm_names import CHALLENGER
from controller.results.loop_json import GroupRecord
from controller.verdict.judge import Ruling, guard_record, old_data
from evals.statistics.compare import ArmScores
from evals.statistics.looks import LookResult, Looks, gate_at, guard_at, is_shown_harmed


class Ending(StrEnum):
    """Why a judgement ends at a look, or that it does not."""

    ACCEPTED = "accepted"
    HARMED = "harmed"
    """A guard or a group is shown to lose more than it may."""
    FUTILE = "futile"
    """More seeds would hardly show the gain."""
    LAST = "last"
    """All seeds are trained."""
    GOES_ON = "goes_on"


@dataclass(frozen=True, slots=True)
class LookRuling:
    shown: LookResult
    ruling: Ruling
    ending: Ending


def rule_at(
    endpoint: Mapping[str, ArmScores],
    guards: Mapping[str, Mapping[str, ArmScores]],
    groups: Sequence[GroupRecord],
    looks: Looks,
    look: int,
    margin: float,
    challenger: str = CHALLENGER,
    before: Mapping[str, Sequence[Mapping[str, float]]] | None = None,
) -> LookRuling:
    """Apply the rule at one look, to scores by arm; every control is in `endpoint` beside the challenger.

    Args:
        endpoint: Scores of the endpoint by arm, of the seeds that the look has.
        guards: Scores of each guard likewise.
        groups: Groups as they are at this look.
        looks: Looks of the judgement.
        look: Number of this one, from 0.
        margin: Largest loss on a guard that counts as none.
        challenger: Name of the arm that is judged.
        before: For each guard, the score of its items by each model that it is compared with.
    """
    controls = [scores for name, scores in endpoint.items() if name != challenger]
    shown = gate_at(endpoint[challenger], controls, looks, look)
    tested = {
        name: guard_at(scores[challenger], scores[old_data(scores)], margin, looks, look)
        for name, scores in guards.items()
    }
    records = tuple(
        guard_record(name, guards[name][challenger], result, margin, (before or {}).get(name, ()))
        for name, result in tested.items()
    )
    ruling = Ruling(shown.gate, records, tuple(groups))
    is_harmed = bool(ruling.harmed) or any(is_shown_harmed(result.change, margin) for result in tested.values())
    return LookRuling(shown, ruling, _ending(shown, ruling, looks.is_last(look), is_harmed))


def first_seeds(scores: Mapping[str, ArmScores], num_seeds: int) -> dict[str, ArmScores]:
    """Scores by arm of the first training seeds, those that a look has."""
    return {name: replace(arm, scores=arm.scores[:num_seeds]) for name, arm in scores.items()}


def _ending(shown: LookResult, ruling: Ruling, is_last: bool, is_harmed: bool) -> Ending:
    if is_harmed:
        return Ending.HARMED
    if ruling.is_accepted:
        return Ending.ACCEPTED
    if is_last:
        return Ending.LAST
    return Ending.FUTILE if shown.is_futile else Ending.GOES_ON
