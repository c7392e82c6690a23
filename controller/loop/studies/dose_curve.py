"""Measure the dose curve: whether half of the added data would have done, or twice as much does more (`verify.doses`).

Each dose is the fix once more, with another number of added rows and the same share of the draws, trained by the
challenger's recipe on as many tokens with the same seeds, and measured on `select`. It describes and decides nothing:
it is no control, is unknown to gate, variances and ledger, and is trained with the rest of the budget, when all rounds
are played and the sealed items read. A fix that is run again with the best dose is judged there, as another look. Rows
of a smaller dose are among those of the fix; those of the fix are among a larger one's, except for rows of programs,
which write others. Costs a retrieval and `verify.seeds` trainings for each dose.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.engine.artifacts import Data
from controller.engine.errors import BudgetSpent
from controller.engine.runner import Stage
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.loop.studies.study import JudgedFix
from controller.loop.trial.mixes import Account, MixTrial, fix_recipe, try_mixes
from controller.results.loop_json import Round
from controller.results.verdict_json import DosePoint
from controller.stages.propose import MIX_FOLDER, make_dose
from controller.verdict.arm_scores import Arm, recipe_interval, scored_by_all
from controller.verdict.promise import Promise

log = logging.getLogger(__name__)

BOOK = "dose"


@dataclass(frozen=True, slots=True)
class Dose:
    """A mix of a dose that is worth training on."""

    dose: float
    num_added: int
    mix: Data


@dataclass(frozen=True, slots=True)
class DosedArm:
    dose: float
    num_added: int
    arm: Arm


def make_doses(run: Run, proposal: ProposedRound) -> tuple[Dose, ...]:
    """Make the doses of a plan that adds rows, ascending; those that are no further point of the curve are logged and
    left out. A dose is a stage by itself, so that asking for more of them keeps those that exist."""
    doses = sorted(run.settings.verify.doses)
    if not doses:
        return ()
    fix = proposal.proposed.num_added
    if not fix:
        log.info("dose curve: the plan adds no rows, so there is none")
        return ()
    made = []
    for dose in doses:
        done = run.runner.do(
            Stage(f"dose-{dose:g}", make_dose, (proposal.made_from, dose), proposal.made_from.model.fills_cores), BOOK
        )
        value = done.value
        if value.reason:
            log.info("dose %g: left out, %s", dose, value.reason)
            continue
        folder = done.folder / MIX_FOLDER
        made.append(Dose(dose, value.num_added, Data(folder, done.artifact.digest, value.num_rows, str(folder))))
    return tuple(further(made, fix))


class DoseCurve:
    """The study that `verify.doses` asks for."""

    def describe(self, run: Run, fix: JudgedFix, played: Round) -> Round:
        return replace(played, verdict=replace(played.verdict, doses=dose_curve(run, fix)))


def dose_curve(run: Run, fix: JudgedFix) -> tuple[DosePoint, ...]:
    """Measure the points of the curve, the fix among them, ascending; none is logged with its reason."""
    proposal = fix.proposal
    try:
        doses = make_doses(run, proposal)
        if not doses:
            return ()
        plan = fix_recipe(run, proposal)
        trials = [MixTrial(f"dose-{dose.dose:g}", (dose.mix,), plan) for dose in doses]
        results = try_mixes(run, proposal, trials, fix.number, Account("verify.doses", BOOK, BOOK))
    except BudgetSpent as end:
        log.warning("dose curve: not measured, %s", end)
        return ()
    arms = [DosedArm(dose.dose, dose.num_added, one.arm) for dose, one in zip(doses, results, strict=True)]
    arms.append(DosedArm(1.0, proposal.proposed.num_added, fix.arms[0]))
    points = dose_points(fix.agreed, sorted(arms, key=lambda dosed: dosed.dose))
    scores = ", ".join(f"{point.num_added} rows {point.score:.3f}" for point in points)
    log.info("dose curve: %s", scores or "none, no item was scored by every run")
    return points


def dose_points(agreed: Promise, arms: Sequence[DosedArm]) -> tuple[DosePoint, ...]:
    """Score the items that every run of every dose scored; empty where endpoint or a guard has no such item."""
    named = [replace(dosed.arm, name=str(dosed.dose)) for dosed in arms]
    endpoint = scored_by_all(named, agreed.chosen)
    guards = {guard.name: scored_by_all(named, guard.chosen) for guard in agreed.guards}
    if not endpoint or not all(guards.values()):
        return ()
    return tuple(
        DosePoint(
            dose=dosed.dose,
            num_added=dosed.num_added,
            score=float(endpoint[name].scores.mean()),
            ci=recipe_interval(endpoint[name]),
            tokens=dosed.arm.tokens,
            guards={task: float(scores[name].scores.mean()) for task, scores in guards.items()},
        )
        for name, dosed in zip([arm.name for arm in named], arms, strict=True)
    )


def further(made: Sequence[Dose], fix: int) -> list[Dose]:
    """Choose of ascending doses those that add more rows than any smaller one, and below 1 fewer than the fix."""
    found: list[Dose] = []
    for dose in made:
        most = max([fix if dose.dose > 1 else 0, *(other.num_added for other in found)])
        if most < dose.num_added and (dose.dose > 1 or dose.num_added < fix):
            found.append(dose)
        else:
            log.info("dose %g: left out, there is a point with its %d rows already", dose.dose, dose.num_added)
    return found
