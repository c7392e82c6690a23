"""Try a plan: train and measure its arms, each with its own tokens and a schedule over them, and judge them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import FORWARD_BACKWARD
from controller.loop.models import (
    MeasuredModel,
    TrainingJob,
    base_model,
    measure_models,
    train_models,
)
from controller.loop.proposing import RUN_NOISE_FILE, ProposedRound, judgement_key, reduced_round
from controller.loop.run import Run
from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM, WHOLE, WITHOUT, file_name
from controller.results.loop_json import VerdictRecord
from controller.stages.model import Model
from controller.stages.propose import draw_name
from controller.train.before.mixture import mean_drawn
from controller.train.recipe import Recipe, Tokens, change_tokens, recipe
from controller.train.settings import TrainUpdate
from controller.train.training import Training
from controller.verdict.arm_scores import Arm
from controller.verdict.arms import ControlArm, arm_tokens
from controller.verdict.enough import with_random
from controller.verdict.judge import judge, noise_by_endpoint, with_arms
from controller.verdict.memory.run_noise import note_run_noise
from controller.verdict.promise import Promise, endpoint_name
from controller.verdict.steps import Candidate, choose
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from evals.splits import Split
from evals.statistics.run_variance import RunVariance

log = logging.getLogger(__name__)

MAY_GO_ON = (CHALLENGER, WITHOUT, RANDOM)
"""Beginnings of the names of arms whose model may be the next champion."""

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


@dataclass(frozen=True, slots=True)
class MixTrial:
    """What an arm trains on, to be trained on with every seed."""

    name: str
    """Name of the arm; as `file_name` has it, that of its stages, after `train-` and `measure-`."""
    mixes: tuple[Data, ...]
    """Its mix, or one for each training seed in turn, where they are drawn by chance."""
    recipe: Recipe

    def mix(self, place: int) -> Data:
        """Mix of the training seed at this place."""
        return self.mixes[place % len(self.mixes)]

    @property
    def may_go_on(self) -> bool:
        """Whether its model may be the next champion, so that its middle checkpoint is kept for attribution; that of a
        model that is set part of the way is not on that path."""
        return self.name.startswith(MAY_GO_ON) and self.recipe.interpolation == 1


@dataclass(frozen=True, slots=True)
class TriedMix:
    arm: Arm
    models: tuple[Model, ...]
    """Models, one for each seed."""


@dataclass(frozen=True, slots=True)
class Account:
    """Names under which a trial's costs are booked, and under which it may be refused."""

    what: str
    training: str
    measuring: str


def try_arms(run: Run, proposal: ProposedRound, number: int) -> tuple[TriedMix, ...]:
    """Train and measure the challenger, its reductions and its controls, each with its own tokens and a schedule over
    them."""
    plan = fix_recipe(run, proposal)
    fix = MixTrial(CHALLENGER, (challenger_mix(proposal),), plan)
    reduced = [
        MixTrial(made.name, (mix_in(proposal.artifact, made.name, made.num_rows),), plan)
        for made in proposal.proposed.reduced
    ]
    controls = _control_trials(run.settings.verify.controls, proposal, plan)
    account = Account(f"round {number}", "train", "verify")
    return try_mixes(run, proposal, [fix, *reduced, *controls], number, account)


def fix_recipe(run: Run, proposal: ProposedRound) -> Recipe:
    """Recipe of the challenger; its length is in tokens, from the champion as many as the change asks for."""
    train, model, proposed = run.settings.train, run.settings.model, proposal.proposed
    update = TrainUpdate() if proposal.from_base else train.update
    how = recipe(train, model, update, proposed.num_rows, proposed.mean_tokens)
    if proposal.from_base:
        return how
    shares = [action.share for action in proposal.plan.actions]
    enough = change_tokens(update, model, list(zip(proposed.action_tokens, shares, strict=True)))
    length = how.length if enough is None else Tokens(min(how.length.count, enough))
    return replace(how, length=length, interpolation=proposal.made_from.attempts.interpolation)


def try_mixes(
    run: Run, proposal: ProposedRound, trials: Sequence[MixTrial], number: int, account: Account
) -> tuple[TriedMix, ...]:
    """Train each arm with each seed of the round and measure on `select`.

    They continue from the champion, or retrain from the given model (`train.start`, `train.retrain_below`): one from
    nothing has new weights for each training seed, as the seed stands for all that chance decides in a recipe.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    seeds = [training_seed(run, number, seed) for seed in range(run.settings.verify.seeds)]
    return measured_mixes(run, proposal, trials, seeds, Split.SELECT, account)


def training_seed(run: Run, number: int, place: int) -> int:
    """Seed of the `place`th training of each arm of a round, below 100; no two rounds of any two runs with seeds below
    10,000 share one."""
    cycle, turn = divmod(number, 9)
    return 10_000_000 * cycle + 1000 * run.settings.seed + 100 * (turn + 1) + place


def measured_mixes(
    run: Run, proposal: ProposedRound, trials: Sequence[MixTrial], seeds: Sequence[int], split: Split, account: Account
) -> tuple[TriedMix, ...]:
    """Train and measure as `try_mixes` does, with these seeds and on this split."""
    starts = {seed: base_model(run, seed) if proposal.from_base else proposal.made_from.model for seed in seeds}
    jobs = [
        TrainingJob(
            f"train-{file_name(one.name)}-{seed}", starts[seed], one.mix(place), one.recipe, seed, one.may_go_on
        )
        for place, seed in enumerate(seeds)
        for one in trials
    ]
    trained = train_models(run, jobs, account.training, account.what)
    named = [(job.name.replace("train", "measure", 1), one.model) for job, one in zip(jobs, trained, strict=True)]
    reports = [one.report for one in measure_models(run, named, split, account.measuring)]
    return tuple(
        TriedMix(
            _arm(trial, [one.training for one in trained[place :: len(trials)]], reports[place :: len(trials)]),
            tuple(one.model for one in trained[place :: len(trials)]),
        )
        for place, trial in enumerate(trials)
    )


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
        controls = [one.arm for one in trained.values()]
    challenger = replace(own[chosen.name].arm, name=CHALLENGER)
    found = earlier.get(chosen.agreed.slices, [])
    of_fix = judge(chosen.agreed, challenger, controls, before.report, settings, found)
    is_last = run.settings.budget.rounds is not None and number + 1 >= run.settings.budget.rounds
    comes_back = not is_last and proposal.made_from.attempts.comes_back(proposal.from_base)
    verdict = with_random(of_fix, chosen.agreed, challenger, controls, before.report, settings, found, comes_back)
    others = [replace(one.arm, name=WHOLE) if name == CHALLENGER else one.arm for name, one in own.items()]
    others = [arm for arm, name in zip(others, own, strict=True) if name != chosen.name]
    verdict = with_arms(replace(verdict, steps=choice.steps), chosen.agreed, others)
    log.info("%s: %s", verdict.decision.value, verdict.reason)
    fix = own[chosen.name]
    taken = {CHALLENGER: fix, "": None}.get(verdict.champion_arm, trained.get(verdict.champion_arm))
    return JudgedRound(
        verdict=verdict,
        proposal=judged,
        agreed=chosen.agreed,
        arms=(challenger, *others, *controls),
        challenger=fix.models[0],
        champions=taken.models if taken is not None else (),
        run_variance=_noted(run, proposal, before, chosen.agreed, (challenger, *controls)),
    )


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
    trials = _control_trials(kept, judged, fix_recipe(run, proposal))
    account = Account(f"round {number}, controls of what is left of the plan", "train", "verify")
    return {one.arm.name: one for one in try_mixes(run, proposal, trials, number, account)}


def _control_trials(controls: Sequence[ControlArm], proposal: ProposedRound, plan: Recipe) -> list[MixTrial]:
    """Make the trials of every control that could be made."""
    assert isinstance(plan.length, Tokens), "arms are given their tokens"
    trials = []
    made = {control.name: control for control in proposal.proposed.controls if control.has_mix}
    for arm in controls:
        if arm.control in made:
            tokens = arm_tokens(
                arm,
                plan.length.count,
                finding_flops=proposal.finding_flops,
                choosing_flops=made[arm.control].spent.flops / len(made[arm.control].draws),
                token_flops=FORWARD_BACKWARD * proposal.made_from.model.num_parameters,
            )
            own = replace(plan, length=Tokens(tokens))
            draws = enumerate(made[arm.control].draws)
            mixes = tuple(mix_in(proposal.artifact, draw_name(arm.control, draw), num_rows) for draw, num_rows in draws)
            trials.append(MixTrial(arm.name, mixes, own))
    return trials


def challenger_mix(proposal: ProposedRound) -> Data:
    """Mix of the fix."""
    return mix_in(proposal.artifact, CHALLENGER, proposal.proposed.num_rows)


def mix_in(made: Artifact, name: str, num_rows: int) -> Data:
    """One of the mixes that a stage left, each in a folder of its own."""
    folder = made.folder / name
    return Data(folder, f"{made.digest}-{name}", num_rows, str(folder))


def _arm(trial: MixTrial, trainings: Sequence[Training], reports: Sequence[EvalReport]) -> Arm:
    return Arm(
        name=trial.name,
        is_by_chance=len(trial.mixes) > 1,
        reports=tuple(reports),
        tokens=round(sum(t.num_tokens for t in trainings) / len(trainings)),
        flops=sum(t.flops for t in trainings) / len(trainings),
        steps=round(sum(t.num_steps for t in trainings) / len(trainings)),
        drawn=mean_drawn([t.drawn for t in trainings]),
    )
