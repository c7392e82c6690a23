"""How long an arm is."""

import pytest

from controller.train.recipe import change_tokens, row_passes
from controller.train.settings import PretrainedModel, ScratchModel, TrainUpdate

ADDED = [(1_000, 0.25), (600, 0.1), (0, 0.3)]
"""Tokens of the rows that an action adds, and their share of the draws; the last adds none."""


def test_an_arm_is_as_long_as_it_takes_to_draw_the_added_rows() -> None:
    twice = TrainUpdate(row_passes=2)
    assert change_tokens(twice, ScratchModel(), ADDED) == 2 * 6_000
    assert change_tokens(TrainUpdate(), PretrainedModel("m"), ADDED[:1]) == 3 * 4_000


@pytest.mark.parametrize("given", [{"tokens": 9}, {"max_steps": 9}, {"num_train_epochs": 0.5}])
def test_a_length_that_is_given_stays(given: dict[str, int]) -> None:
    update = TrainUpdate(**given, row_passes=2)  # type: ignore[arg-type]
    assert row_passes(update, PretrainedModel("m")) is None
    assert change_tokens(update, PretrainedModel("m"), ADDED) is None


def test_of_a_model_from_scratch_and_without_added_rows_the_trainings_length_stays() -> None:
    assert change_tokens(TrainUpdate(), ScratchModel(), ADDED) is None
    assert change_tokens(TrainUpdate(row_passes=1), ScratchModel(), [(0, 0.4), (500, 0.0)]) is None
