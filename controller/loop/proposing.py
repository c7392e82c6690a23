"""Propose a plan with its mixes, and fix what it promises. Each step is stages of the journal."""

import logging
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.patches import write_blocked
from controller.engine.artifacts import Artifact
from controller.engine.hashes import hash_of
from controller.engine.journal.changes import Change
from controller.engine.runner import Stage
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import MeasuredModel
from controller.loop.run import Run
from controller.results.arm_names import CHALLENGER
from controller.results.loop_json import ActionRecord, PilotRecord, PlanRecord
from controller.stages.inputs import PlanInputs
from controller.stages.model import Model
from controller.stages.propose import PATCH_FILE, Proposed, ReducedMade, propose, propose_reduced
from controller.train.settings import Train
from controller.verdict.memory.ledger import Look, look_at, planned_look
from controller.verdict.memory.run_noise import known_run_noise
from controller.verdict.promise import Guarded, Promise, endpoint_slices, promise
from controller.verdict.steps import Candidate
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from evals.splits import Split
from evals.statistics.run_variance import RunVariance
from evals.statistics.spending import alpha_at
from interventions.fixes.programs import WithPrograms
from interventions.plan.attempts import Attempts
from interventions.plan.plan import Plan
from interventions.program import programs_digest

log = logging.getLogger(__name__)

LEDGER_FILE, RUN_NOISE_FILE = "ledger.jsonl", "run_variance.jsonl"
"""Files beside the runs."""


@dataclass(frozen=True, slots=True)
class ProposedRound:
    """A plan with the mixes of its arms."""

    plan: Plan
    artifact: Artifact
    proposed: Proposed
    from_base: bool
    """Whether its arms start from the given model instead of the champion."""
    finding_flops: float
    """FLOPs of diagnosis and proposal, and of pilots: what a control at equal compute trains with in addition."""
    made_from: PlanInputs
    pilots: tuple[PilotRecord, ...] = ()
    """Small trainings that determined its share of the draws."""


def propose_round(
    run: Run, champion: Model, diagnosed: DiagnosedRound, attempts: Attempts, number: int
) -> ProposedRound:
    """Propose what to change, with the mixes of all arms; nothing is trained."""
    settings = run.settings
    controls = tuple(dict.fromkeys(arm.control for arm in settings.verify.controls))
    made_from = plan_inputs(run, diagnosed, attempts, number)
    result = run.runner.do(
        Stage("propose", propose, (made_from, controls, settings.verify.last_seeds), made_from.model.fills_cores),
        "propose",
    )
    plan = TypeAdapter(Plan).validate_json((result.folder / "plan.json").read_bytes())
    from_base = retrains(settings.train, result.value.num_left, champion.corpus.num_rows)
    if plan.actions and from_base:
        plan = replace(plan, reason=f"{plan.reason}; every arm retrains from the given model")
    elif plan.actions and attempts.interpolation < 1:
        far = f"{attempts.interpolation:g} of the way from the champion's weights to the trained ones"
        plan = replace(plan, reason=f"{plan.reason}; every arm is left at {far}, for farther on something else lost")
    log.info("plan: %s", plan.reason)
    for made in result.value.controls:
        if made.spent.flops:
            run.books.add("choose_controls", made.spent)  # its seconds are the proposal's
        log.info("control %s: %s%s", made.name, "" if made.has_mix else "not trained, ", made.what)
    return ProposedRound(
        plan,
        result.artifact,
        result.value,
        from_base,
        diagnosed.flops + result.value.spent.flops,
        made_from,
    )


def plan_inputs(run: Run, diagnosed: DiagnosedRound, attempts: Attempts, number: int) -> PlanInputs:
    """Make the inputs of the plan of a round."""
    fix = run.settings.interventions
    programs = fix.programs if isinstance(fix, WithPrograms) else None
    return PlanInputs(
        intervention=fix,
        inputs=diagnosed.inputs,
        programs=programs_digest(programs) if programs is not None else None,
        diagnosis=diagnosed.artifact,
        attempts=attempts,
        seed=run.settings.seed + number,
    )


def retrains(train: Train, num_left: int, num_rows: int) -> bool:
    """Whether the arms of a plan start from the given model, where `num_left` of `num_rows` rows of the corpus stay."""
    return train.start == "base" or num_left < train.retrain_below * num_rows


def leave_patch(proposal: ProposedRound, run_dir: Path, number: int) -> None:
    """Leave a plan for people: `mix-<round>.parquet` where it changes something, and `blocked-<round>.jsonl`."""
    patch, left = proposal.artifact.folder / PATCH_FILE, run_dir / f"mix-{number}.parquet"
    left.unlink(missing_ok=True)  # an earlier version of the code may have changed something
    if patch.is_file():
        shutil.copyfile(patch, left)
    write_blocked(proposal.plan.blocked, run_dir / f"blocked-{number}.jsonl")


def plan_record(proposal: ProposedRound, agreed: Promise | None) -> PlanRecord:
    plan, proposed = proposal.plan, proposal.proposed
    return PlanRecord(
        actions=tuple(
            ActionRecord(
                action.kind,
                action.slice.as_dict(),
                action.num_added,
                action.num_removed,
                action.num_reweighted,
                action.share,
                tokens,
                action.why,
            )
            for action, tokens in zip(plan.actions, proposed.action_tokens, strict=True)
        ),
        reason=plan.reason,
        num_blocked=len(plan.blocked),
        controls={made.name: made.what if made.has_mix else f"not trained: {made.what}" for made in proposed.controls},
        endpoint=agreed.endpoint if agreed is not None else None,
        warning=agreed.warning if agreed is not None else "",
        blocked=dict(Counter(plan.blocked.values())),
        pilots=proposal.pilots,
    )


def reduced_round(run: Run, proposal: ProposedRound, made: ReducedMade) -> ProposedRound:
    """Make the proposal without some steps, with controls of its own; its arms start where those of the whole do."""
    controls = tuple(dict.fromkeys(arm.control for arm in run.settings.verify.controls))
    arguments = (proposal.made_from, made.left_out, controls, run.settings.verify.last_seeds)
    fills_cores = proposal.made_from.model.fills_cores
    result = run.runner.do(Stage("propose-reduced", propose_reduced, arguments, fills_cores), "propose")
    plan = TypeAdapter(Plan).validate_json((result.folder / "plan.json").read_bytes())
    return replace(proposal, plan=plan, artifact=result.artifact, proposed=result.value)


def changed_round(
    run: Run, champion: Model, diagnosed: DiagnosedRound, proposal: ProposedRound, change: Change, number: int
) -> ProposedRound:
    """Propose what is left of a proposal once a person has changed it; what it rests on is not done again."""
    left_out = [proposal.plan.distinct_keys[place] for place in change.leave_out]
    attempts = proposal.made_from.attempts.changed(left_out, change.scale)
    made = propose_round(run, champion, diagnosed, attempts, number)
    finding_flops = proposal.finding_flops + made.proposed.spent.flops
    return replace(made, finding_flops=finding_flops, pilots=proposal.pilots)


def agree(
    run: Run,
    proposal: ProposedRound,
    before: MeasuredModel,
    look: Look,
    earlier: Mapping[tuple[Slice, ...], list[RunVariance]],
    start: EvalReport | None = None,
    mended: tuple[Slice, ...] = (),
) -> tuple[Candidate, ...]:
    """Make the promises of the plan and of what is left without optional steps, the whole plan first.

    One of them is judged, so each has an equal part of this look's alpha.

    Args:
        proposal: A plan that changes something.
        before: The champion on `select`.
        look: Number of the judgement in the ledger (`spent_look`, `expected_look`).
        earlier: Run variances of earlier rounds that the gate will pool, by endpoint.
        start: Report of the starting model, as in `Promise`.
        mended: Endpoints that were accepted before, as in `Promise`.
    """
    settings, items = run.settings, run.split_hash(Split.SELECT)
    reduced = proposal.proposed.reduced
    alpha = alpha_at(look.number, settings.verify.alpha) / (1 + len(reduced))
    noise = known_run_noise(run.run_dir.parent / RUN_NOISE_FILE, items, look.time)
    guarded = what_is_guarded(run)

    def promised(plan: Plan, num_rivals: int) -> Promise:
        df = sum(variance.df for variance in earlier.get(endpoint_slices(plan), []))
        made = promise(plan, before.report, run.suite.slices, guarded, settings.verify, alpha, noise, df, num_rivals)
        return replace(made, start=start, mended=mended)

    num_controls = len(settings.verify.controls)
    num_reduced = sum(len(made.left_out) == 1 for made in reduced)
    whole = promised(proposal.plan, num_controls + num_reduced)
    endpoint = whole.endpoint
    log.info(
        "promise: a gain on %d items of %s; %.3f expected, %s would be seen in 80 %% of runs (level %.3g, look %d)",
        endpoint.num_items,
        dict(endpoint.slice),
        endpoint.expected_gain,
        "none" if endpoint.detectable_gain is None else f"{endpoint.detectable_gain:.3f}",
        alpha,
        look.number,
    )
    if whole.warning:
        log.warning("underpowered: %s", whole.warning)
    without = (
        Candidate(made.name, made.left_out, promised(replace(proposal.plan, actions=made.actions), num_controls))
        for made in reduced
    )
    return (Candidate(CHALLENGER, (), whole), *without)


def spent_look(run: Run, proposal: ProposedRound, before: MeasuredModel) -> Look:
    """Note in the ledger that a proposal is judged."""
    items, judgement = run.split_hash(Split.SELECT), judgement_key(run, proposal, before)
    return look_at(run.run_dir.parent / LEDGER_FILE, items, judgement, "select")


def expected_look(run: Run, proposal: ProposedRound, before: MeasuredModel) -> Look:
    """The look that a proposal would have if it were judged now."""
    items, judgement = run.split_hash(Split.SELECT), judgement_key(run, proposal, before)
    return planned_look(run.run_dir.parent / LEDGER_FILE, items, judgement)


def what_is_guarded(run: Run) -> Guarded:
    return Guarded(tuple(run.loaded.tasks), tuple(run.loaded.guards), run.settings.evals.guard_rest)


def judgement_key(run: Run, proposal: ProposedRound, before: MeasuredModel) -> str:
    """Key of what is judged, for the files beside the runs: a judgement that is repeated keeps it."""
    settings = run.settings
    settled = [settings.verify.determining, settings.train.determining, settings.evals.guard_rest]
    return hash_of([proposal.artifact.digest, proposal.finding_flops, before.artifact.digest, *settled])
