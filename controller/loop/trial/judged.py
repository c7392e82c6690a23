"""Try a plan: train and measure its arms and judge them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.loop.models import MeasuredModel
from controller.loop.proposing import RUN_NOISE_FILE, ProposedRound, judgement_key, reduced_round
from controller.loop.run import Run
from controller.loop.trial.looks import Tried, judge_over_looks, judge_random
from controller.loop.trial.mixes import (
    Account,
    MixTrial,
    TriedMix,
    challenger_mix,
    control_trials,
    fix_recipe,
    mix_in,
    try_mixes,
)
from controller.results.arm_names import CHALLENGER, CONTINUE, WHOLE
from controller.results.verdict_json import VerdictRecord
from controller.stages.model import Model
from controller.verdict.arm_scores import Arm
from controller.verdict.judge import noise_by_endpoint, with_arms
from controller.verdict.memory.run_noise import note_run_noise
from controller.verdict.promise import Promise, endpoint_name
from controller.verdict.steps import Candidate, choose
from diagnose.slices.predicate import Slice
from evals.splits import Split
from evals.statistics.run_variance import RunVariance

log = logging.getLogger(__name__)

Earlier = Mapping[tuple[Slice, ...], list[RunVariance]]
"""Run variances of earlier rounds, by endpoint."""


@dataclass(frozen=True, slots=True)
class JudgedRound:
    verdict: VerdictRecord
    proposal: ProposedRound
    """Proposal that was judged: the plan, or what was left of it."""
    agreed: Promise
    """Promise of that proposal."""
    arms: tuple[Arm, ...]
    """Arms, named as in the verdict, the challenger first."""
    challenger: Model
    """Challenger of the first training seed."""
    champions: tuple[Model, ...]
    """Models of the arm that opens the next round, one for each seed; none where the old champion stays. The first is
    the next champion: fixed beforehand, never the best of them."""
    run_variance: RunVariance | None
    """Run variance of the endpoint; None with too few seeds, or no item that every run scored."""


def try_and_judge(
    run: Run,
    proposal: ProposedRound,
    candidates: Sequence[Candidate],
    before: MeasuredModel,
    earlier: Earlier,
    number: int,
) -> JudgedRound:
    """Train the arms and judge one of them; the noise of training that they show is noted for later promises.

    What is left of a plan without some of its steps is judged against controls of its own, which are trained then.

    Args:
        proposal: Proposal whose arms are trained.
        candidates: The plan and its reductions, with their promises.
        before: The champion, measured.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    settings = run.settings.verify
    trained = {one.arm.name: one for one in try_arms(run, proposal, number)}
    own = {candidate.name: trained.pop(candidate.name) for candidate in candidates}
    arms = {name: one.arm for name, one in own.items()}
    controls = [one.arm for one in trained.values()]
    findings = proposal.made_from.load_diagnosis().findings if proposal.proposed.optional else ()
    choice = choose(candidates, proposal.proposed.optional, arms, controls, before.report, settings, findings)
    chosen = choice.candidate
    for step in choice.steps:
        log.info("step %s: %+.3f, %s", step.step, step.gain, "kept" if step.is_kept else "left out")
    judged = proposal
    if chosen.left_out:
        made = next(made for made in proposal.proposed.reduced if made.name == chosen.name)
        judged = reduced_round(run, proposal, made)
        trained |= _own_controls(run, proposal, judged, number)
    found = earlier.get(chosen.agreed.slices, [])
    tried = Tried(own[chosen.name], trained, chosen.agreed, before.report, settings, found)
    looked = judge_over_looks(run, judged, tried, number)
    is_last = run.settings.budget.rounds is not None and number + 1 >= run.settings.budget.rounds
    comes_back = not is_last and proposal.made_from.attempts.comes_back(proposal.from_base)
    verdict, tried = judge_random(run, judged, looked, number, comes_back=comes_back)
    fix, challenger, controls = tried.fix, tried.challenger, tried.controls
    others = [replace(one.arm, name=WHOLE) if name == CHALLENGER else one.arm for name, one in own.items()]
    others = [arm for arm, name in zip(others, own, strict=True) if name != chosen.name]
    verdict = with_arms(replace(verdict, steps=choice.steps), chosen.agreed, others)
    log.info("%s: %s", verdict.decision.value, verdict.reason)
    taken = {CHALLENGER: fix, "": None}.get(verdict.champion_arm, tried.rivals.get(verdict.champion_arm))
    return JudgedRound(
        verdict=verdict,
        proposal=judged,
        agreed=chosen.agreed,
        arms=(challenger, *others, *controls),
        challenger=fix.models[0],
        champions=taken.models if taken is not None else (),
        run_variance=_noted(run, proposal, before, chosen.agreed, (challenger, *controls)),
    )


def try_arms(run: Run, proposal: ProposedRound, number: int) -> tuple[TriedMix, ...]:
    """Train and measure the challenger, its reductions and its controls, each with its own tokens and a schedule over
    them."""
    account = Account(f"round {number}", "train", "verify")
    return try_mixes(run, proposal, arm_trials(run, proposal), number, account)


def arm_trials(run: Run, proposal: ProposedRound) -> list[MixTrial]:
    """Make the trials of the challenger, which is the first, of its reductions and of its controls."""
    plan = fix_recipe(run, proposal)
    fix = MixTrial(CHALLENGER, (challenger_mix(proposal),), plan)
    reduced = [
        MixTrial(made.name, (mix_in(proposal.artifact, made.name, made.num_rows),), plan)
        for made in proposal.proposed.reduced
    ]
    return [fix, *reduced, *control_trials(run.settings.verify.controls, proposal, plan)]


def _noted(
    run: Run, proposal: ProposedRound, before: MeasuredModel, agreed: Promise, arms: Sequence[Arm]
) -> RunVariance | None:
    if run.settings.verify.seeds == 1:
        return None
    noise = noise_by_endpoint(agreed, arms)
    if proposal.made_from.attempts.is_first:  # arms that went less far vary less than those of rounds to come
        judgement = judgement_key(run, proposal, before)
        note_run_noise(run.run_dir.parent / RUN_NOISE_FILE, run.split_hash(Split.SELECT), judgement, noise)
    of_endpoint = noise.get(endpoint_name(agreed.slices))
    return of_endpoint.run if of_endpoint is not None else None


def _own_controls(run: Run, proposal: ProposedRound, judged: ProposedRound, number: int) -> dict[str, TriedMix]:
    """Train controls that stand in the place of what is left of a plan; the old data is the same for both."""
    kept = [arm for arm in run.settings.verify.controls if arm.control != CONTINUE]
    trials = control_trials(kept, judged, fix_recipe(run, proposal))
    account = Account(f"round {number}, controls of what is left of the plan", "train", "verify")
    return {one.arm.name: one for one in try_mixes(run, proposal, trials, number, account)}
