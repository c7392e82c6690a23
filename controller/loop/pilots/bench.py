"""Train on a mix for a moment and read what it did: how long, with which seeds, and what all of it may cost."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.engine.budget import FORWARD_BACKWARD
from controller.engine.runner import Done, Stage
from controller.loop.pilots.readings import Readings
from controller.loop.run import Run
from controller.loop.trial.mixes import mix_in, training_seed
from controller.stages.model import Model
from controller.stages.propose import draw_name
from controller.stages.retraining.pilot import try_mix
from controller.stages.retraining.rival_mixes import RivalMade, RivalsMade
from controller.train.recipe import Recipe, Tokens, change_tokens, recipe
from controller.train.settings import TrainUpdate
from interventions.arms.rivals import Repair

log = logging.getLogger(__name__)

BOOK = "pilots"
SEEDS = 2
"""Seeds of each look."""
_LENGTH = 0.1
"""Tokens of a small training as a share of an arm's, where the budget of pilots allows it."""
_LEAST_STEPS = 8
"""Fewest optimiser steps of a small training; in fewer the learning rate hardly gets up and down."""
_FIRST_LOOK = 0.6
"""Part of the budget of pilots that the first look may take."""
_PLACE = 90
"""Place of the pilots' first training seed among those of a round; verdicts have the first ones."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What small trainings share."""

    run: Run
    champion: Model
    made: Done[RivalsMade]
    whole: Recipe
    """Recipe of an arm of a round."""
    length: float
    """Tokens of a small training as a share of an arm's."""
    budget: float
    """Most tokens of all small trainings, as a multiple of an arm's."""
    num_trainings: int
    """Number of trainings of a round at the first look, all arms and seeds."""
    number: int
    """Number of the round."""
    trained_for: int
    """Tokens that the model was trained for, or those of an arm where that is not known."""

    @property
    def mixes(self) -> tuple[RivalMade, ...]:
        return self.made.value.mixes

    def controls(self, repair: Repair) -> tuple[str, ...]:
        """Names of the mixes that a repair is compared with, of those that could be made."""
        made = {one.name for one in self.mixes}
        return tuple(name for name in repair.controls if name in made)

    def share(self, spent: float) -> float:
        """Trainings of so many tokens, a multiple of an arm's, as a share of the round's trainings."""
        return spent / self.num_trainings

    def tokens(self, length: float) -> Tokens:
        """Tokens of a training of this length, a share of an arm's."""
        assert isinstance(self.whole.length, Tokens), "arms are given their tokens"
        return Tokens(max(1, round(length * self.whole.length.count)))


@dataclass(frozen=True, slots=True)
class Arm:
    """A mix that is trained on for a moment."""

    name: str
    mix: RivalMade
    length: float
    """Tokens of its trainings as a share of an arm's of a round."""


def make_bench(run: Run, champion: Model, made: Done[RivalsMade], number: int) -> Bench | None:
    """Share out the budget of pilots; None, with the reason logged, where no mix could be trained on long enough."""
    settings, num_mixes = run.settings, len(made.value.mixes)
    update = settings.train.update if settings.train.start == "champion" else TrainUpdate()
    whole = recipe(settings.train, settings.model, update, champion.corpus.num_rows, made.value.mean_tokens)
    assert isinstance(whole.length, Tokens), "a mean of tokens is given"
    # Arms of a round end when they have drawn added rows often enough, and small trainings are a part of these.
    added = [(one.added_tokens, one.share) for one in made.value.mixes if one.items]
    most = min(whole.length.count, change_tokens(update, settings.model, added) or whole.length.count)
    whole = replace(whole, length=Tokens(most))
    batch = whole.per_device_train_batch_size * whole.gradient_accumulation_steps
    least = _LEAST_STEPS * batch * made.value.mean_tokens / most
    num_trainings = (1 + len(settings.verify.controls)) * settings.verify.seeds
    budget = settings.diagnose.pilot_share * num_trainings
    length = max(_LENGTH, least)
    if length * num_mixes * SEEDS > _FIRST_LOOK * budget:
        length = _FIRST_LOOK * budget / (num_mixes * SEEDS)
    if length < least:
        log.info(
            "pilots: none, for %d mixes, %d seeds and %d steps each take more than diagnose.pilot_share=%g of a round",
            num_mixes,
            SEEDS,
            _LEAST_STEPS,
            settings.diagnose.pilot_share,
        )
        return None
    trained_for = most
    if settings.trains_initially:
        first = recipe(settings.train, settings.model, TrainUpdate(), champion.corpus.num_rows, made.value.mean_tokens)
        assert isinstance(first.length, Tokens), "a mean of tokens is given"
        trained_for = first.length.count
    return Bench(run, champion, made, whole, length, budget, num_trainings, number, trained_for)


def train(bench: Bench, readings: Readings, jobs: Sequence[tuple[Arm, int]]) -> None:
    """Train the arms with the seeds at these places, all side by side; the readings are added.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    run, champion = bench.run, bench.champion
    stages, tokens = [], 0
    for arm, place in jobs:
        length, seed = bench.tokens(arm.length), training_seed(run, bench.number, _PLACE + place)
        tokens += length.count
        small = replace(bench.whole, length=length)
        draw = place % len(arm.mix.draws)
        mix = mix_in(bench.made.artifact, draw_name(arm.mix.name, draw), arm.mix.draws[draw])
        arguments = (champion, mix, small, seed, readings.asked)
        stages.append(Stage(f"pilot-{arm.name}-{seed}", try_mix, arguments, champion.fills_cores))
    run.books.check("diagnose.pilots", tokens, FORWARD_BACKWARD * champion.num_parameters * tokens)
    for (arm, _), done in zip(jobs, run.runner.do_all(stages, BOOK), strict=True):
        readings.of_arms.setdefault(arm.name, []).append(done)
