"""What is timed before a training: steps of the training itself, without the first."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders.pools import train_pool
from builders.recipes import plain_recipe

from controller.data.mixes import save_pool
from controller.engine.artifacts import Data
from controller.stages.model import Model
from controller.stages.train import time_steps
from controller.train.recipe import Draws
from diagnose.model.checkpoint import Checkpoint
from evals.model_ref import ModelRef

RECIPE = plain_recipe(length=Draws(4_000), per_device_train_batch_size=8, gradient_accumulation_steps=2)


def test_steps_after_the_first_are_timed_with_the_tokens_that_they_train_on(
    tiny_model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    save_pool(train_pool([("say cat", "cat")] * 30), tmp_path / "rows")
    ref = ModelRef(str(tiny_model_dir(["say cat"])))
    rows = Data(tmp_path / "rows", "rows", 30, "rows")
    model = Model(ref, "model", (Checkpoint(ref, 1.0),), 25_000, rows)
    (tmp_path / "stage").mkdir()
    timed = time_steps(tmp_path / "stage", model, rows, RECIPE, 4.0, 0)
    assert timed.num_steps >= 3
    assert timed.num_tokens == pytest.approx(8 * 4 * timed.num_steps)  # say cat cat [EOS], in batches of eight
    assert timed.seconds > 0
    assert not (tmp_path / "stage" / "timed").exists()
