"""Stages that make models: one from nothing, and trainings; and one that times steps of a training."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from controller.data.mixes import load_corpus, load_pool
from controller.engine.artifacts import Data
from controller.engine.budget import FORWARD_BACKWARD
from controller.engine.workers.progress import Progress
from controller.stages.model import Model
from controller.train.recipe import Draws, Recipe
from controller.train.settings import ScratchModel
from controller.train.start import build_scratch
from controller.train.training import MODEL_FOLDER, Training


def build(folder: Path, settings: ScratchModel, corpus: Data, max_length: int, seed: int) -> str:
    """Build the untrained model of `model=scratch`, with its tokenizer."""
    build_scratch(settings, load_pool(corpus.folder), max_length, folder / MODEL_FOLDER, seed)
    return MODEL_FOLDER


def train(folder: Path, model: Model, rows: Data, recipe: Recipe, seed: int, keeps_middle: bool) -> Training:
    """Train a model on a mix, or on a corpus as it stands, every row alike; `keeps_middle` leaves the model half way
    too, for attribution."""
    from controller.train.trainer import train_on

    return train_on(model.ref, load_corpus(rows.folder), recipe, seed, folder, keeps_middle, Progress(folder))


@dataclass(frozen=True, slots=True)
class TimedSteps:
    num_steps: int
    num_tokens: int
    seconds: float


STEP_FLOPS, MOST_STEPS = 5e10, 40
"""FLOPs of a timed step on a CPU at most, where a batch can be made smaller; and most steps, of small models."""
ACCELERATOR = 2_000
"""How much larger a timed step is on an accelerator, which small ones would not keep busy."""
UPDATE_FLOPS = 200
"""What an update of a parameter costs, in FLOPs that take as long."""


def time_steps(folder: Path, model: Model, rows: Data, recipe: Recipe, mean_tokens: float, seed: int) -> TimedSteps:
    """Time a few optimiser steps; no model is left.

    The first step is not counted: it is slower, as memory is taken and kernels are chosen.

    Args:
        model: Model that would be trained.
        rows: Rows that it would be trained on.
        recipe: Recipe of the training; its batches are made smaller where a step would take long.
        mean_tokens: Mean tokens of a row.
        seed: Seed of the draws.
    """
    from controller.train.trainer import train_on

    row_flops = FORWARD_BACKWARD * model.num_parameters * mean_tokens
    most = STEP_FLOPS * (ACCELERATOR if torch.cuda.is_available() else 1)
    batch = max(1, min(recipe.per_device_train_batch_size, int(most / row_flops)))
    steps = max(3, min(MOST_STEPS, int(4 * most / (row_flops * batch + UPDATE_FLOPS * model.num_parameters))))
    small = replace(recipe, per_device_train_batch_size=batch, gradient_accumulation_steps=1)
    how, clock = replace(small, length=Draws(batch * (1 + steps))), _StepClock(folder)
    mix = load_corpus(rows.folder)
    training = train_on(model.ref, mix, how, seed, folder / "timed", keeps_middle=False, progress=clock)
    shutil.rmtree(folder / "timed")
    num_timed = len(clock.ends) - 1
    seconds = max(clock.ends[-1] - clock.ends[0], 1e-6)
    return TimedSteps(num_timed, round(training.num_tokens * num_timed / len(clock.ends)), seconds)


class _StepClock(Progress):
    """Remembers when each step ended."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ends: list[float] = []
        """Seconds of a clock of no fixed start."""

    def at(self, done: int, total: int) -> None:
        self.ends.append(time.perf_counter())
        super().at(done, total)
