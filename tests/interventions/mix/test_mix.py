"""Weights of a mix."""

from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset

from diagnose.rows.pool import TrainPool
from interventions.mix.mix import original_mix


def test_the_other_rows_keep_their_weights_to_each_other() -> None:
    rows = Dataset.from_dict({name: list("abcd") for name in ("id", "source", "prompt", "completion")})
    mix = replace(original_mix(TrainPool(rows)), weights=np.array([0.1, 0.2, 0.3, 0.4]))
    left = mix.without(np.array([1]))
    assert left.examples.rows["id"][:] == ["a", "c", "d"]
    assert left.weights.tolist() == pytest.approx([1 / 8, 3 / 8, 4 / 8])
