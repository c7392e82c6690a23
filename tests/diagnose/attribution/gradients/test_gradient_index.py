"""The index on disk: the same scores, and no pass over rows that it has."""

from pathlib import Path

import numpy as np
import pytest
import torch
from builders.models import llama, random_rows, score_model
from scipy.stats import spearmanr
from transformers import PreTrainedModel

from diagnose.attribution.influence import Influence
from diagnose.attribution.scorer import prepared
from diagnose.attribution.shards import ScoredRows, gathered
from diagnose.model.queries import Queries, weighted_rows
from diagnose.rows.tokens import NO_LOSS, token_rows

NUM_ROWS, SHARD_ROWS = 60, 16


def asked(seed: int) -> Queries:
    return weighted_rows(random_rows(3, seed), np.eye(3))


def settings(index: Path | None) -> Influence:
    index_name = None if index is None else str(index)
    return Influence(projection_dim=4, fisher_examples=20, shard_rows=SHARD_ROWS, index=index_name)


def scores(index: Path | None, queries: Queries, model: PreTrainedModel | None = None) -> ScoredRows:
    return score_model(settings(index), model or llama(30), queries, random_rows(NUM_ROWS, 1), seed=5)


def num_preparation_tokens(index: Path, queries: Queries) -> int:
    with prepared(llama(30), queries, random_rows(NUM_ROWS, 1), settings(index), seed=5) as scorer:
        return scorer.preparation.num_tokens


def test_scores_from_the_index_are_those_of_the_model_to_half_precision(tmp_path: Path) -> None:
    scores(tmp_path, asked(7))
    other = asked(8)
    kept, live = scores(tmp_path, other), scores(None, other)
    scale = np.abs(live.effect).max(axis=0)
    assert np.abs((kept.effect - live.effect) / scale).max() < 2e-3
    assert min(spearmanr(kept.effect[:, q], live.effect[:, q]).statistic for q in range(3)) > 0.999
    np.testing.assert_allclose(kept.retrieval, live.retrieval, atol=2e-3)
    np.testing.assert_allclose(kept.hidden, live.hidden, atol=1e-6)
    np.testing.assert_allclose(kept.losses, live.losses, rtol=1e-6)


def test_a_second_question_sends_no_training_row_through_the_model(tmp_path: Path) -> None:
    first = scores(tmp_path, asked(7))
    assert first.num_tokens == random_rows(NUM_ROWS, 1).num_tokens
    again = scores(tmp_path, asked(8))
    assert again.num_tokens == 0
    assert num_preparation_tokens(tmp_path, asked(8)) == asked(8).rows.num_tokens


def test_an_index_that_was_stopped_goes_on_behind_its_last_shard(tmp_path: Path) -> None:
    train, influence = random_rows(NUM_ROWS, 1), settings(tmp_path)
    with prepared(llama(30), asked(7), train, influence, seed=5) as scorer:
        scorer.score(train.select(range(SHARD_ROWS)), 0)
        half = iter(scorer._train.of(train.select(range(SHARD_ROWS, 2 * SHARD_ROWS)), SHARD_ROWS).batches)
        next(half)  # and then no more: the second shard is begun
    with prepared(llama(30), asked(8), train, influence, seed=5) as scorer:
        starts = range(0, NUM_ROWS, SHARD_ROWS)
        parts = [scorer.score(train.select(range(s, min(s + SHARD_ROWS, NUM_ROWS))), s) for s in starts]
    assert parts[0].num_tokens == 0
    assert all(part.num_tokens > 0 for part in parts[1:])
    np.testing.assert_allclose(gathered(parts).hidden, scores(None, asked(8)).hidden, atol=1e-6)


def test_another_model_or_seed_has_an_index_of_its_own(tmp_path: Path) -> None:
    scores(tmp_path, asked(7))
    other = scores(tmp_path, asked(7), llama(30, seed=1))
    assert other.num_tokens > 0
    np.testing.assert_allclose(other.effect, scores(None, asked(7), llama(30, seed=1)).effect, rtol=1e-5, atol=1e-9)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_shard_is_known_by_its_tokens_and_not_by_its_place(tmp_path: Path) -> None:
    train = random_rows(NUM_ROWS, 1)
    with prepared(llama(30), asked(7), train, settings(tmp_path), seed=5) as scorer:
        assert scorer.score(train.select(range(16)), 0).num_tokens > 0
        assert scorer.score(train.select(range(16, 32)), 16).num_tokens > 0
        assert scorer.score(train.select(range(16)), 16).num_tokens == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_are_kept_too(tmp_path: Path, dtype: torch.dtype) -> None:
    scores(tmp_path, asked(7), llama(30).to(dtype))
    kept, live = scores(tmp_path, asked(8), llama(30).to(dtype)), scores(None, asked(8), llama(30).to(dtype))
    assert kept.num_tokens == 0
    assert min(spearmanr(kept.effect[:, q], live.effect[:, q]).statistic for q in range(3)) > 0.999


def test_a_shard_without_any_loss_is_scored_zero(tmp_path: Path) -> None:
    silent = token_rows([[3, 4, 5]] * 2, [[NO_LOSS] * 3] * 2)
    with prepared(llama(30), asked(7), random_rows(NUM_ROWS, 1), settings(tmp_path), seed=5) as scorer:
        scored = scorer.score(silent, NUM_ROWS)
    assert not scored.effect.any()
    assert scored.num_tokens == 0
