"""From which model the arms of a plan start."""

import pytest

from controller.loop.proposing import retrains
from controller.train.settings import Train


def test_a_fix_that_leaves_less_than_half_of_the_corpus_is_trained_from_the_given_model() -> None:
    assert [retrains(Train(), left, 1000) for left in (1000, 600, 500, 499, 10)] == [False] * 3 + [True] * 2
    assert not retrains(Train(retrain_below=0.0), 1, 1000)
    assert retrains(Train(retrain_below=0.0, start="base"), 1000, 1000)
    with pytest.raises(ValueError, match=r"train.retrain_below must be between 0 and 1, got 2"):
        Train(retrain_below=2.0)
