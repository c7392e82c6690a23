"""The trial of a plan: its arms trained and measured, each with its own tokens and a schedule over them, and judged."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from controller.arms import CHALLENGER, ControlArm, arm_tokens
from controller.budget import FORWARD_BACKWARD
from controller.journal.noises import note_noises
from controller.model import Model, base_model, trained_model
from controller.promise import Promise, endpoint_name
from controller.result import VerdictRecord
from controller.rounds import (
    NOISES_FILE,
    MeasuredModel,
    ProposedRound,
    judgement_key,
    measure_stage,
    read_measured,
)
from controller.run import Data, Run
from controller.runner import Result, Stage
from controller.settings import TrainUpdate
from controller.stages import train_arm
from controller.train.recipe import Recipe, Tokens, recipe
from controller.train.trainer import Training
from controller.verify import Arm, judge, run_noises
from evals.items import EvalReport
from evals.run_variance import RunVariance
from evals.splits import Split

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """The arms of a round, trained and measured."""

    arms: tuple[Arm, ...]
    models: tuple[Model, ...]
    """The challenger's, one for each seed. The first is the next champion if it is accepted: fixed
    beforehand, never the best of them."""


@dataclass(frozen=True, slots=True)
class JudgedRound:
    verdict: VerdictRecord
    run_variance: RunVariance | None
    """None with too few seeds, or no item that every run scored."""


@dataclass(frozen=True, slots=True)
class MixTrial:
    """A mix, to be trained on with every seed."""

    name: str
    """Of the stages."""
    mix: Data
    recipe: Recipe

    @property
    def tokens(self) -> int:
        assert isinstance(self.recipe.length, Tokens), "arms are given their tokens"
        return self.recipe.length.count


@dataclass(frozen=True, slots=True)
class TriedMix:
    arm: Arm
    models: tuple[Model, ...]
    """One for each seed."""


@dataclass(frozen=True, slots=True)
class Account:
    """Under which names a trial's costs are in the books, and under which it may be refused."""

    what: str
    training: str
    measuring: str


def try_arms(run: Run, champion: Model, proposal: ProposedRound, number: int) -> Trial:
    """Train and measure the challenger and its controls, each with its own tokens and a schedule over them."""
    plan = fix_recipe(run, proposal)
    trials = _arm_trials(run.settings.verify.controls, proposal, plan, FORWARD_BACKWARD * champion.num_parameters)
    tried = try_mixes(run, champion, proposal, trials, number, Account(f"round {number}", "train", "verify"))
    return Trial(tuple(one.arm for one in tried), tried[0].models)


def fix_recipe(run: Run, proposal: ProposedRound) -> Recipe:
    """How the challenger is trained; its length is in tokens."""
    update = TrainUpdate() if proposal.from_base else run.settings.train.update
    return recipe(run.settings, update, proposal.proposed.num_rows, proposal.proposed.mean_tokens)


def try_mixes(
    run: Run, champion: Model, proposal: ProposedRound, trials: Sequence[MixTrial], number: int, account: Account
) -> tuple[TriedMix, ...]:
    """Train on each mix with each seed of the round and measure on `select`.

    They go on from the champion, or retrain from the given model (`train.start`, `train.retrain_below`): one from
    nothing has new weights for each training seed, as the seed stands for all that chance decides in a recipe.

    Raises:
        BudgetSpent: that would pass a limit.
    """
    settings = run.settings
    seeds = [1000 * settings.seed + 100 * (number + 1) + seed for seed in range(settings.verify.seeds)]
    num_tokens = sum(trial.tokens for trial in trials) * len(seeds)
    run.books.check(account.what, num_tokens, FORWARD_BACKWARD * champion.num_parameters * num_tokens)
    starts = {seed: base_model(run, seed) if proposal.from_base else champion for seed in seeds}
    jobs = [(trial, seed) for seed in seeds for trial in trials]
    trained = run.runner.do_all(
        [
            Stage(
                f"train-{trial.name}-{seed}",
                {
                    "model": starts[seed].key,
                    "mix": trial.mix.digest,
                    "recipe": asdict(trial.recipe),
                    "seed": seed,
                },
                train_arm,
                (starts[seed].ref, trial.mix.folder, trial.recipe, seed, trial.name == CHALLENGER),
                Training,
            )
            for trial, seed in jobs
        ]
    )
    models = []
    for result, (trial, seed) in zip(trained, jobs, strict=True):
        training = result.value
        run.books.add(account.training, result.seconds, training.num_tokens, training.flops, training.num_tokens)
        models.append(trained_model(starts[seed], result, trial.mix))
    measured = run.runner.do_all(
        [
            measure_stage(run, model, Split.SELECT, f"measure-{trial.name}-{seed}")
            for model, (trial, seed) in zip(models, jobs, strict=True)
        ]
    )
    reports = [read_measured(run, result, Split.SELECT, account.measuring).report for result in measured]
    places = [[k for k, (tried, _) in enumerate(jobs) if tried is trial] for trial in trials]
    return tuple(
        TriedMix(_arm(trial.name, own, trained, reports), tuple(models[k] for k in own))
        for trial, own in zip(trials, places, strict=True)
    )


def judge_round(
    run: Run,
    proposal: ProposedRound,
    agreed: Promise,
    trial: Trial,
    before: MeasuredModel,
    earlier: Sequence[RunVariance],
) -> JudgedRound:
    """The verdict; what the arms showed of the noise of training is noted for promises to come.

    Args:
        run: This one.
        proposal: What was tried.
        agreed: What it promised.
        trial: The arms.
        before: The champion.
        earlier: Run variances of earlier rounds with this endpoint.
    """
    challenger, *controls = trial.arms
    verdict = judge(agreed, challenger, controls, before.report, run.settings.verify, earlier)
    log.info("%s: %s", verdict.decision.value, verdict.reason)
    if run.settings.verify.seeds == 1:
        return JudgedRound(verdict, None)
    noises = run_noises(agreed, trial.arms)
    judgement = judgement_key(run, proposal, before)
    note_noises(run.run_dir.parent / NOISES_FILE, run.split_hash(Split.SELECT), judgement, noises)
    own = noises.get(endpoint_name(agreed.slices))
    return JudgedRound(verdict, own.run if own is not None else None)


def _arm_trials(
    controls: Sequence[ControlArm], proposal: ProposedRound, plan: Recipe, token_flops: float
) -> list[MixTrial]:
    """The challenger and every control that could be made."""
    fix = MixTrial(CHALLENGER, _mix_of(proposal, CHALLENGER), plan)
    trials = [fix]
    made = {control.name: control for control in proposal.proposed.controls if control.has_mix}
    for arm in controls:
        if arm.control in made:
            tokens = arm_tokens(
                arm,
                fix.tokens,
                finding_flops=proposal.finding_flops,
                choosing_flops=made[arm.control].flops,
                token_flops=token_flops,
            )
            own = replace(plan, length=Tokens(tokens))
            trials.append(MixTrial(arm.name, _mix_of(proposal, arm.control), own))
    return trials


def _mix_of(proposal: ProposedRound, name: str) -> Data:
    """Of the challenger or a control; rows are those of the challenger, the only one whose models go on."""
    folder = proposal.folder / name
    return Data(folder, f"{proposal.digest}-{name}", proposal.proposed.num_rows, str(folder))


def _arm(name: str, places: Sequence[int], trained: Sequence[Result[Training]], reports: Sequence[EvalReport]) -> Arm:
    trainings = [trained[place].value for place in places]
    return Arm(
        name=name,
        reports=tuple(reports[place] for place in places),
        tokens=round(sum(t.num_tokens for t in trainings) / len(trainings)),
        flops=sum(t.flops for t in trainings) / len(trainings),
        steps=round(sum(t.num_steps for t in trainings) / len(trainings)),
    )
