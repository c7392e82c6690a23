"""Vary the recipe of a world by seed: what holds for one width, learning rate and length of training is no rule."""

import math
from dataclasses import replace
from random import Random

from controller.settings import LoopSettings
from controller.train.settings import ScratchModel, Train

WIDTHS = (0.75, 1.0, 1.25, 1.5)
"""Factors of the width."""
LAYERS = (0, 1)
"""Layers more."""
LEARNING_RATE, STEPS = (0.6, 1.5), (0.9, 1.6)
"""Least and largest factor; every value between is as likely on the scale of logarithms."""


def varied(settings: LoopSettings, seed: int, *, keeps_size: bool) -> LoopSettings:
    """Make model and training a little smaller or larger, as the seed has it; arms change with the initial training.

    Args:
        settings: Settings of the world.
        seed: Seed of the run.
        keeps_size: Whether the model stays as it is: one that is too small would learn if it were twice as wide.
    """
    rng = Random(f"{seed}/recipe")
    width, layers = rng.choice(WIDTHS), rng.choice(LAYERS)
    learning_rate, steps = (_between(rng, *bounds) for bounds in (LEARNING_RATE, STEPS))
    model = settings.model
    if isinstance(model, ScratchModel) and not keeps_size:
        arch = dict(model.arch)
        step = 2 * int(arch["num_attention_heads"])  # rotary positions turn pairs
        for name in ("hidden_size", "intermediate_size"):
            arch[name] = max(step, step * round(width * int(arch[name]) / step))
        arch["num_hidden_layers"] = int(arch["num_hidden_layers"]) + layers
        model = replace(model, arch=arch)
    return replace(settings, model=model, train=_trained(settings.train, learning_rate, steps))


def _trained(train: Train, learning_rate: float, steps: float) -> Train:
    update = train.update
    return replace(
        train,
        learning_rate=None if train.learning_rate is None else learning_rate * train.learning_rate,
        max_steps=None if train.max_steps is None else round(steps * train.max_steps),
        update=replace(
            update,
            learning_rate=None if update.learning_rate is None else learning_rate * update.learning_rate,
            max_steps=None if update.max_steps is None else round(steps * update.max_steps),
        ),
    )


def _between(rng: Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))
