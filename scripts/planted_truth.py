"""What is true of a finding on the proving ground: causes that were planted, and how much a repair could gain."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from controller.prove.result import Named, ProveResult
from controller.prove.scores import ALL
from diagnose.finding.finding import Cause

LEAST_GAP = 0.1
"""Score that clean data or training would add at least, for there to be something to find; of plain text, nats of a
whole item."""

DOUBLE = ("two_in_one",)
"""Scenarios that plant two defects in one skill."""

CLOSED = 0.5
"""Share of the gap that a repair closes at least where its cause is true, as in `verified.json`."""


def clean_scores(results: Sequence[ProveResult]) -> dict[str, dict[str, float]]:
    """Mean score of each skill in the clean runs of each world."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for skill, score in result.probe_scores.items() if result.scenario == "clean" else ():
            found[result.world][skill].append(score)
    return {world: {skill: float(np.mean(scores)) for skill, scores in of.items()} for world, of in found.items()}


def gap_of(result: ProveResult, clean: Mapping[str, float], skill: str | None = None) -> float | None:
    """What clean runs of the world score beyond this one, on a skill, or else on those that suffer from what was
    planted; None where that is not known."""
    own = (skill,) if skill is not None else result.true_slices or tuple(clean)
    if not own or not set(own) <= clean.keys() & result.probe_scores.keys():
        return None
    return float(np.mean([clean[skill] - result.probe_scores[skill] for skill in own]))


def true_of(result: ProveResult, named: Named) -> tuple[str, ...]:
    """True causes of a finding, `unknown` where nothing can be done; empty where it is not one of those to learn from:
    leaks, and slices that nothing was planted in."""
    if named.cause == Cause.CONTAMINATION or result.scenario in ("leaked_eval", "clean"):
        return ()
    if not is_planted(result, named):
        return ()
    if not result.true_causes:
        return (Cause.UNKNOWN.value,)
    if result.scenario == "two_defects":
        cause = planted_cause(result, named)
        return (cause,) if cause is not None else ()
    return result.true_causes


def is_closed_by_longer(
    result: ProveResult,
    named: Named,
    clean: Mapping[str, float],
    longer: Mapping[tuple[str, int], Mapping[str, float]],
) -> bool:
    """Whether a small model that was trained twice as long closes at least half of its gap, on the finding's skill or
    over all: then too little training is a cause too, by what a cause is."""
    scores = longer.get((result.world, result.seed))
    if result.scenario != "small_model" or scores is None:
        return False
    own, closed = result.probe_scores, dict[str, float]()
    for skill in clean.keys() & own.keys() & scores.keys():
        if clean[skill] - own[skill] >= LEAST_GAP:
            closed[skill] = (scores[skill] - own[skill]) / (clean[skill] - own[skill])
    named_one = skill_named(result, named)
    of_finding = [closed[named_one]] if named_one in closed else list(closed.values())
    return bool(of_finding) and float(np.mean(of_finding)) >= CLOSED


def is_planted(result: ProveResult, named: Named) -> bool:
    """Whether the failing items may be those of a skill that something was planted in: in real data others fail too."""
    skill = skill_named(result, named)
    return not result.true_slices or skill is None or skill in result.true_slices


def skill_named(result: ProveResult, named: Named) -> str | None:
    """Skill that a finding's slice names, by its field or by the task; None where it names none."""
    task = named.slice.get("task", f"{result.world}_{ALL}")
    by_task = task.removeprefix(f"{result.world}_")
    return named.slice.get("skill", by_task if by_task != ALL else None)


def planted_cause(result: ProveResult, named: Named) -> str | None:
    """The first true cause; of two defects that of the skill which the slice names. None where nothing is planted."""
    if named.cause == Cause.CONTAMINATION or not result.true_causes:
        return None
    if result.scenario != "two_defects":
        return result.true_causes[0] if result.true_causes[0] != Cause.CONTAMINATION else None
    (target, second), words = result.true_slices, f"{dict(named.slice)} {dict(named.data_slice)}"
    if target in words:
        return Cause.MISSING_DATA.value
    return Cause.WRONG_LABELS.value if second in words else None
