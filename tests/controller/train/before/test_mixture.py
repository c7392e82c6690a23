"""What is trained on, counted source by source."""

from dataclasses import replace

import numpy as np
import pytest
from builders.models import word_tokenizer
from builders.pools import train_pool

from controller.train.before.mixture import (
    MOST_SOURCES,
    OTHERS,
    Drawn,
    complaints,
    count_draws,
    count_sources,
    mean_drawn,
)
from diagnose.rows.pool import TrainPool
from diagnose.rows.rendering import encode_pool

WORDS = ["a", "b", "c", "d", "e", "f"]


def corpus() -> TrainPool:
    """Three rows of `web`, one without a completion; one of `math` that is drawn as often as they."""
    rows = [("a", "b"), ("a", ""), ("a b c d", "e f"), ("c", "d")]
    return replace(
        train_pool(rows, ["web", "web", "web", "math"], name="row"), source_weights={"web": 2 / 3, "math": 2}
    )


def test_rows_tokens_and_draws_of_a_source_are_those_of_its_rows() -> None:
    web, math = sorted(
        count_sources(corpus(), encode_pool(corpus(), word_tokenizer(WORDS), 5)), key=lambda one: -one.num_rows
    )
    assert (web.source, web.num_rows, web.num_tokens) == ("web", 3, 3 + 2 + 5)  # each row ends with the end token
    assert (web.num_truncated, web.num_empty, math.num_truncated) == (1, 1, 0)
    assert (web.share, math.share) == pytest.approx((0.5, 0.5))
    assert web.token_share == pytest.approx((10 / 3) / (10 / 3 + 3))  # mean tokens of a row of either
    assert web.num_without_loss == 0


def test_a_row_without_a_completion_teaches_nothing_where_the_end_has_no_loss() -> None:
    rows = encode_pool(corpus(), word_tokenizer(WORDS), 16, end_in_loss=False)
    web, _ = sorted(count_sources(corpus(), rows), key=lambda one: -one.num_rows)
    assert web.num_without_loss == 1
    assert any(
        sentence.startswith("1 rows of corpus.train have no token in the loss") for sentence in complaints([web])
    )


def test_sound_rows_are_not_complained_of() -> None:
    sound = train_pool([("a", "b")])
    assert complaints(count_sources(sound, encode_pool(sound, word_tokenizer(WORDS), 16))) == ()


def test_draws_of_a_training_are_counted_as_they_were_made_and_averaged_over_trainings() -> None:
    lengths = np.array([3, 2, 7, 3])
    drawn = count_draws(corpus(), lengths, np.array([3, 0, 3, 2, 3]))
    assert drawn == (Drawn("math", 1, 3, 9), Drawn("web", 2, 2, 10))
    other = count_draws(corpus(), lengths, np.array([3]))
    assert mean_drawn([drawn, other]) == (Drawn("math", 1, 2, 6), Drawn("web", 1, 1, 5))


def test_of_many_sources_those_of_most_draws_are_counted_and_the_rest_as_one() -> None:
    names = [f"shard {k}" for k in range(MOST_SOURCES + 5) for _ in range(MOST_SOURCES + 5 - k)]
    rows = train_pool([("a", "b")] * len(names), names, name="row")
    found = count_sources(rows, encode_pool(rows, word_tokenizer(WORDS), 16))
    assert [one.source for one in found] == [*(f"shard {k}" for k in range(MOST_SOURCES - 1)), OTHERS]
    assert sum(one.num_rows for one in found) == len(names)
    assert sum(one.share for one in found) == pytest.approx(1)
