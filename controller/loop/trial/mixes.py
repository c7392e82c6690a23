"""Train and measure arms, each with its own tokens and a schedule over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import FORWARD_BACKWARD
from controller.loop.models import TrainedModel, TrainingJob, base_model, measure_models, train_models
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.results.arm_names import CHALLENGER, RANDOM, WITHOUT, file_name
from controller.stages.model import Model
from controller.stages.propose import draw_name
from controller.train.before.mixture import mean_drawn
from controller.train.recipe import Recipe, Tokens, change_tokens, recipe
from controller.train.settings import TrainUpdate
from controller.train.training import Training
from controller.verdict.arm_scores import Arm
from controller.verdict.arms import ControlArm, arm_tokens
from evals.items import EvalReport
from evals.splits import Split

MAY_GO_ON = (CHALLENGER, WITHOUT, RANDOM)
"""Beginnings of the names of arms whose model may be the next champion."""


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
    trial: MixTrial
    trained: tuple[TrainedModel, ...]
    """Trainings, one for each seed."""
    reports: tuple[EvalReport, ...]

    @property
    def arm(self) -> Arm:
        return _arm(self.trial, [one.training for one in self.trained], self.reports)

    @property
    def models(self) -> tuple[Model, ...]:
        """Models, one for each seed."""
        return tuple(one.model for one in self.trained)

    def with_more(self, more: "TriedMix") -> "TriedMix":
        """The same with further seeds."""
        return replace(self, trained=self.trained + more.trained, reports=self.reports + more.reports)


@dataclass(frozen=True, slots=True)
class Account:
    """Names under which a trial's costs are booked, and under which it may be refused."""

    what: str
    training: str
    measuring: str


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
    run: Run,
    proposal: ProposedRound,
    trials: Sequence[MixTrial],
    number: int,
    account: Account,
    places: range | None = None,
) -> tuple[TriedMix, ...]:
    """Train each arm with each seed of the round, or with those at some places alone, and measure on `select`.

    They continue from the champion, or retrain from the given model (`train.start`, `train.retrain_below`): one from
    nothing has new weights for each training seed, as the seed stands for all that chance decides in a recipe.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    places = range(run.settings.verify.seeds) if places is None else places
    seeds = {place: training_seed(run, number, place) for place in places}
    return measured_mixes(run, proposal, trials, seeds, Split.SELECT, account)


def training_seed(run: Run, number: int, place: int) -> int:
    """Seed of the `place`th training of each arm of a round, below 100; no two rounds of any two runs with seeds below
    10,000 share one."""
    cycle, turn = divmod(number, 9)
    return 10_000_000 * cycle + 1000 * run.settings.seed + 100 * (turn + 1) + place


def measured_mixes(
    run: Run,
    proposal: ProposedRound,
    trials: Sequence[MixTrial],
    seeds: Mapping[int, int],
    split: Split,
    account: Account,
) -> tuple[TriedMix, ...]:
    """Train and measure as `try_mixes` does, with these seeds by their place and on this split."""
    jobs = _jobs(run, proposal, trials, seeds)
    trained = train_models(run, jobs, account.training, account.what)
    named = [(job.name.replace("train", "measure", 1), one.model) for job, one in zip(jobs, trained, strict=True)]
    reports = [one.report for one in measure_models(run, named, split, account.measuring)]
    return tuple(
        TriedMix(trial, tuple(trained[number :: len(trials)]), tuple(reports[number :: len(trials)]))
        for number, trial in enumerate(trials)
    )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What trainings would take."""

    num_trainings: int
    """Number of trainings up to the first look, which take the tokens, FLOPs and seconds."""
    most_trainings: int
    """Number of trainings up to the last look."""
    tokens: int
    flops: float
    seconds: float | None
    """Estimated from the trainings that the loop has made, as many side by side as there are workers; None where it has
    made none."""


def forecast(run: Run, proposal: ProposedRound, trials: Sequence[MixTrial]) -> Forecast:
    """Forecast what the first trainings of these arms take, before any is made."""
    num_seeds = run.settings.verify.seeds
    num_trainings = num_seeds * len(trials)
    tokens = num_seeds * sum(one.recipe.length.count for one in trials if isinstance(one.recipe.length, Tokens))
    costs = run.books.costs()
    made = [costs[book] for book in ("train_initial", "train") if book in costs]
    known = sum(cost.tokens for cost in made)
    side_by_side = min(run.runner.num_workers, num_trainings)
    seconds = tokens / known * sum(cost.seconds for cost in made) / side_by_side if known else None
    flops = FORWARD_BACKWARD * proposal.made_from.model.num_parameters * tokens
    return Forecast(num_trainings, run.settings.verify.last_seeds * len(trials), tokens, flops, seconds)


def has_begun(run: Run, proposal: ProposedRound, number: int, trial: MixTrial) -> bool:
    """Whether the first training of an arm in this round was begun, now or by an earlier process."""
    (job,) = _jobs(run, proposal, [trial], {0: training_seed(run, number, 0)})
    return run.runner.has_begun(job.stage)


def _jobs(run: Run, proposal: ProposedRound, trials: Sequence[MixTrial], seeds: Mapping[int, int]) -> list[TrainingJob]:
    starts = {
        seed: base_model(run, seed) if proposal.from_base else proposal.made_from.model for seed in seeds.values()
    }
    return [
        TrainingJob(
            f"train-{file_name(one.name)}-{seed}", starts[seed], one.mix(place), one.recipe, seed, one.may_go_on
        )
        for place, seed in seeds.items()
        for one in trials
    ]


def control_trials(controls: Sequence[ControlArm], proposal: ProposedRound, plan: Recipe) -> list[MixTrial]:
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
