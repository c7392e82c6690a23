"""Pilots: small trainings that determine a fix's share of the draws before it is proposed, where nothing else does.

Where answers are labels, the measured items show how often each should come (`interventions.plan.fair`). Elsewhere a
share that fixes a slice and harms its task looks like one that only fixes it, until something is trained. So the fix is
trained once, on a part of an arm's tokens, with all, half and a quarter of the draws that it would take from the
corpus's other rows, and each model is measured on the `probe` items, which the diagnosis has read already: those of the
verdict stay unseen. The choice is the largest part with which no guard of the verdict scores lower than with another
one by more than the margin and a standard error. The verdict still judges what is proposed, and for a control at equal
compute the trainings of the pilots count as the fix's.

Costs `pilots.length` of a training and a measurement for each part, about a tenth of a judgement.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.engine.artifacts import Data
from controller.engine.runner import Stage
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import MeasuredModel
from controller.loop.pilots.bench import BOOK
from controller.loop.proposing import ProposedRound, propose_round, what_is_guarded
from controller.loop.run import Run
from controller.loop.trial.mixes import Account, MixTrial, challenger_mix, fix_recipe, measured_mixes, training_seed
from controller.results.loop_json import PilotRecord
from controller.stages.model import Model
from controller.stages.propose import MIX_FOLDER, make_dose
from controller.train.recipe import Tokens
from controller.verdict.arm_scores import Arm, Choose, scored_by_all
from controller.verdict.guards import Guard, chosen_in
from controller.verdict.promise import endpoint_slices, guards_of
from evals.items import ItemResult
from evals.splits import Split
from interventions.plan.attempts import LEAST_TAKEN

log = logging.getLogger(__name__)

_PLACE = 99
"""Place of the pilots' training seed among those of a round; verdicts have the first ones."""


@dataclass(frozen=True, slots=True)
class Pilot:
    scale: float
    """Part of the draws that the fix would take."""
    arm: Arm


def settle_share(
    run: Run,
    champion: Model,
    probe: MeasuredModel,
    diagnosed: DiagnosedRound,
    proposal: ProposedRound,
    number: int,
) -> ProposedRound:
    """Reduce the proposal's draws where small trainings show harm; it stays the same where its share is known, or a
    verdict has led to it.

    Args:
        champion: Model that the round opened with.
        probe: Report of the champion on `probe`.
        diagnosed: Diagnosis that the proposal was made from.
        proposal: Plan and mixes that would be trained.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    plan, attempts = proposal.plan, proposal.made_from.attempts
    if plan.is_share_told or not attempts.is_first:
        return proposal
    scales = [scale for scale in sorted(set(run.settings.pilots.scales)) if scale * plan.taken >= LEAST_TAKEN]
    slices, fields = endpoint_slices(plan), tuple(run.suite.slices)
    margin = run.settings.verify.margin
    guards, _ = guards_of(what_is_guarded(run), slices, fields, probe.report.results, margin)
    if len(scales) < 2 or not guards:  # nothing to choose, or nothing that can lose
        return proposal
    pilots = _trained(run, proposal, scales, number)
    chosen = chosen_scale(pilots, guards, margin)
    records = pilot_records(pilots, chosen_in(slices, fields), guards, chosen)
    for record in records:
        scores = f"slice {record.endpoint:.3f}, rest {record.rest:.3f}{', chosen' if record.is_chosen else ''}"
        log.info("pilot with %g of the draws: %s", record.scale, scores)
    flops = sum(pilot.arm.flops for pilot in pilots) + (proposal.proposed.spent.flops if chosen < 1 else 0.0)
    if chosen < 1:
        proposal = propose_round(run, champion, diagnosed, attempts.scaled(chosen), number)
    return replace(proposal, finding_flops=proposal.finding_flops + flops, pilots=records)


def chosen_scale(pilots: Sequence[Pilot], guards: Sequence[Guard], margin: float) -> float:
    """Choose the largest part of the draws with which no guard loses against another; the smallest where none is.

    Args:
        pilots: Pilots, each with a name of its own for its arm.
        guards: Guards, which must not get worse.
        margin: Margin of the guards.
    """
    is_open = {pilot.scale: True for pilot in pilots}
    for guard in guards:
        scores = scored_by_all([pilot.arm for pilot in pilots], guard.chosen)
        for pilot in pilots if scores else ():
            own = scores[pilot.arm.name].scores[0]
            for other in scores.values():
                loss = other.scores[0] - own  # [num_items]
                is_open[pilot.scale] &= loss.mean() <= margin + loss.std() / np.sqrt(len(loss))
    return max((scale for scale, is_kept in is_open.items() if is_kept), default=min(is_open))


def pilot_records(
    pilots: Sequence[Pilot], endpoint: Choose, guards: Sequence[Guard], chosen: float
) -> tuple[PilotRecord, ...]:
    """Record what each pilot scored, ascending by scale."""
    return tuple(
        PilotRecord(
            scale=pilot.scale,
            endpoint=_mean(endpoint(pilot.arm.reports[0].results)),
            rest=_mean([one for guard in guards for one in guard.chosen(pilot.arm.reports[0].results)]),
            is_chosen=pilot.scale == chosen,
        )
        for pilot in pilots
    )


def _trained(run: Run, proposal: ProposedRound, scales: Sequence[float], number: int) -> tuple[Pilot, ...]:
    """Train once on a few tokens with each part of the draws."""
    whole = fix_recipe(run, proposal)
    assert isinstance(whole.length, Tokens), "arms are given their tokens"
    small = replace(whole, length=Tokens(max(1, round(run.settings.pilots.length * whole.length.count))))
    trials = [MixTrial(f"pilot-{scale:g}", (_mix(run, proposal, scale),), small) for scale in scales]
    seeds = {0: training_seed(run, number, _PLACE)}
    results = measured_mixes(run, proposal, trials, seeds, Split.PROBE, Account("pilots", BOOK, BOOK))
    return tuple(Pilot(scale, one.arm) for scale, one in zip(scales, results, strict=True))


def _mix(run: Run, proposal: ProposedRound, scale: float) -> Data:
    if scale == 1:
        return challenger_mix(proposal)
    made_from = replace(proposal.made_from, attempts=proposal.made_from.attempts.scaled(scale))
    done = run.runner.do(Stage(f"pilot-mix-{scale:g}", make_dose, (made_from, 1.0), made_from.model.fills_cores), BOOK)
    assert not done.value.reason, "fewer draws leave the actions as they are"
    folder = done.folder / MIX_FOLDER
    return Data(folder, done.artifact.digest, done.value.num_rows, str(folder))


def _mean(results: Sequence[ItemResult]) -> float:
    return float(np.mean([result.score for result in results])) if results else 0.0
