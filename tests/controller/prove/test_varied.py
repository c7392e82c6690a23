"""Recipes that vary by seed: within bounds, the same for a seed, and models that can be built."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli.compose import composed_prove
from controller.prove.ground import loop_settings
from controller.prove.varied import LEARNING_RATE, STEPS
from controller.settings import LoopSettings
from controller.train.settings import ScratchModel
from evals.fixtures.worlds import WORLDS

NOWHERE = Path("given")
LOW, HIGH = 0.8, 1.2
"""Some of forty learning rates are below and above."""


def recipe(seed: int, *words: str) -> LoopSettings:
    settings = composed_prove(["world=chains", f"seed={seed}", *words])
    return loop_settings(settings, WORLDS["chains"], NOWHERE, NOWHERE)


def arch_of(settings: LoopSettings) -> dict[str, int]:
    assert isinstance(settings.model, ScratchModel)
    return dict(settings.model.arch)


def test_a_recipe_that_varies_is_a_function_of_its_seed_and_stays_within_its_bounds() -> None:
    plain = recipe(0)
    widths, depths, rates = set(), set(), []
    for seed in range(40):
        own = recipe(seed, "prove.vary=true")
        assert own == recipe(seed, "prove.vary=true")
        arch = arch_of(own)
        assert arch["hidden_size"] % (2 * arch["num_attention_heads"]) == 0  # heads of an even width
        widths.add(arch["hidden_size"])
        depths.add(arch["num_hidden_layers"])
        assert own.train.learning_rate is not None
        assert plain.train.learning_rate is not None
        rates.append(own.train.learning_rate / plain.train.learning_rate)
        assert own.train.max_steps is not None
        assert plain.train.max_steps is not None
        assert STEPS[0] - 0.01 <= own.train.max_steps / plain.train.max_steps <= STEPS[1] + 0.01
        assert own.train.update.max_steps is not None
    assert widths == {48, 64, 80, 96}
    assert depths == {2, 3}
    assert LEARNING_RATE[0] <= min(rates) < LOW
    assert HIGH < max(rates) <= LEARNING_RATE[1]


def test_without_it_every_seed_has_the_recipe_of_the_world() -> None:
    first, second = (replace(recipe(seed), seed=0, name="") for seed in (0, 1))
    assert (first.model, first.train) == (second.model, second.train)


@pytest.mark.parametrize("seed", range(4))
def test_a_training_that_was_cut_short_stays_so_and_a_model_that_is_too_small_as_small_as_it_was(seed: int) -> None:
    whole = recipe(seed, "prove.vary=true")
    short = recipe(seed, "prove.vary=true", "scenario=half_training")
    assert whole.train.max_steps is not None
    assert short.train.max_steps is not None
    assert short.train.max_steps < 0.7 * whole.train.max_steps
    small = arch_of(recipe(seed, "prove.vary=true", "scenario=small_model"))
    assert small == arch_of(recipe(0, "scenario=small_model"))
