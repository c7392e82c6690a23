"""Scores against closed forms, invariances and planted answers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders.models import llama, score_model
from numpy.typing import NDArray
from transformers import PreTrainedModel

from diagnose.attribution.fisher import inverse_fisher_product
from diagnose.attribution.gradients.layers import LinearLayer
from diagnose.attribution.gradients.projection import LayerProjection
from diagnose.attribution.influence import BY_RATE, EQUAL, Influence
from diagnose.attribution.scorer import prepared
from diagnose.attribution.shards import ScoredRows
from diagnose.attribution.stream import attribute
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import NO_LOSS, TokenRows, collate, token_rows
from evals.model_ref import ModelRef

VOCAB, KEYS = 40, 12


def mapping_rows(keys: NDArray[np.int64], shift: NDArray[np.int64]) -> TokenRows:
    """`key key ... -> key + shift`: the last token is the answer, the number of repeats differs."""
    ids, labels = [], []
    for number, (key, offset) in enumerate(zip(keys, shift, strict=True)):
        prompt = [key] * (1 + number % 3)
        ids.append([*prompt, 20 + (key + offset) % KEYS])
        labels.append([NO_LOSS] * len(prompt) + ids[-1][-1:])
    return token_rows(ids, labels)


POISONED = 7
TRAIN_KEYS = np.arange(60) % KEYS


@pytest.fixture(scope="module")
def train() -> TokenRows:
    """Five rows of each key; the answer of row 7 is wrong."""
    shift = np.zeros(60, dtype=np.int64)
    shift[POISONED] = 5
    return mapping_rows(TRAIN_KEYS, shift)


@pytest.fixture(scope="module")
def trained(train: TokenRows) -> dict[str, torch.Tensor]:
    model = llama(VOCAB, 32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = collate(train, range(len(train)), pad_id=0)
    for _ in range(40):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    return model.state_dict()


def model_of(state: dict[str, torch.Tensor], dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    model = llama(VOCAB, 32)
    model.load_state_dict(state)
    return model.to(dtype)


def score(
    state: dict[str, torch.Tensor], train: TokenRows, queries: TokenRows, influence: Influence | None = None
) -> ScoredRows:
    influence = influence or Influence(projection_dim=8)
    return score_model(influence, model_of(state), weighted_rows(queries, np.eye(len(queries))), train, seed=3)


def test_the_planted_wrong_label_is_the_most_harmful_row(trained, train) -> None:  # type: ignore[no-untyped-def]
    queries = mapping_rows(np.array([POISONED]), np.array([0]))
    scores = score(trained, train, queries)
    assert scores.effect[:, 0].argmin() == POISONED
    assert scores.effect[POISONED, 0] < 0
    assert TRAIN_KEYS[scores.effect[:, 0].argmax()] == POISONED


def test_the_planted_duplicate_of_the_query_ranks_first(trained, train) -> None:  # type: ignore[no-untyped-def]
    for row in (3, 20, 41):
        scores = score(trained, train, train.select([row]))
        assert scores.retrieval[row, 0] == pytest.approx(1, abs=1e-5)
        assert scores.retrieval[row, 0] == scores.retrieval[:, 0].max()
        assert scores.effect[row, 0] > 0


def test_a_step_on_a_row_of_positive_effect_lowers_the_query_loss(trained, train) -> None:  # type: ignore[no-untyped-def]
    queries = mapping_rows(np.array([POISONED]), np.array([0]))
    scores = score(trained, train, queries)
    batch = collate(queries, [0], pad_id=0)

    def change(row: int) -> float:
        model = model_of(trained)
        before = model(**batch).loss.item()
        model(**collate(train, [row], pad_id=0)).loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(parameter.grad, alpha=1e-3)
        return float(model(**batch).loss.item() - before)

    assert change(int(scores.effect[:, 0].argmax())) < 0
    assert change(int(scores.effect[:, 0].argmin())) > 0


def test_scores_do_not_depend_on_batch_size_padding_or_order(trained, train) -> None:  # type: ignore[no-untyped-def]
    queries = mapping_rows(np.array([1, 7, 5]), np.array([0, 0, 2]))
    together = score(trained, train, queries)
    one_by_one = score(trained, train, queries, Influence(projection_dim=8, batch_tokens=1))
    np.testing.assert_allclose(together.effect, one_by_one.effect, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(together.retrieval, one_by_one.retrieval, rtol=1e-5, atol=1e-7)

    order = np.random.default_rng(0).permutation(len(train))
    shuffled = score(trained, train.select(order), queries.select([2, 0, 1]))
    np.testing.assert_allclose(shuffled.effect, together.effect[order][:, [2, 0, 1]], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(shuffled.retrieval, together.retrieval[order][:, [2, 0, 1]], rtol=1e-4, atol=1e-6)


def test_a_query_is_the_weighted_mean_of_its_rows(trained, train) -> None:  # type: ignore[no-untyped-def]
    queries = mapping_rows(np.array([1, 7, 5]), np.array([0, 0, 2]))
    weights = np.array([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0]])
    influence = Influence(projection_dim=8)
    single = score(trained, train, queries)
    grouped = score_model(influence, model_of(trained), weighted_rows(queries, weights), train, seed=3)
    np.testing.assert_allclose(grouped.effect, single.effect @ weights.T, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(grouped.retrieval, single.retrieval @ weights.T, rtol=1e-4, atol=1e-6)


def test_a_row_without_a_finite_loss_is_named_and_left_out(trained, train) -> None:  # type: ignore[no-untyped-def]
    broken = dict(trained)
    broken["model.embed_tokens.weight"] = trained["model.embed_tokens.weight"].clone()
    broken["model.embed_tokens.weight"][39] = torch.nan
    bad = token_rows([[39, 5, 25]], [[NO_LOSS, NO_LOSS, 25]])
    rows = token_rows(
        [train.select([i]).ids for i in range(30)] + [bad.ids],
        [np.where(one.has_loss, one.ids, NO_LOSS) for one in map(train.select, [[i] for i in range(30)])]
        + [[NO_LOSS, NO_LOSS, 25]],
    )
    queries = mapping_rows(np.array([1]), np.array([0]))
    scores = score(broken, rows, queries)
    assert np.flatnonzero(scores.is_left_out).tolist() == [30]
    assert scores.effect[30, 0] == scores.retrieval[30, 0] == scores.losses[0, 30] == 0
    assert np.isfinite(scores.effect).all()
    assert (scores.losses[0, :30] > 0).all()

    # A query row of that kind leaves its query to the others.
    both = token_rows([queries.ids, bad.ids], [[NO_LOSS, 21], [NO_LOSS, NO_LOSS, 25]])
    influence = Influence(projection_dim=8)
    with prepared(model_of(broken), weighted_rows(both, np.array([[0.5, 0.5]])), rows, influence, seed=3) as scorer:
        halves = scorer.score(rows, 0)
        assert scorer.preparation.left_out_queries.tolist() == [1]
    np.testing.assert_allclose(halves.effect, scores.effect, rtol=1e-5, atol=1e-9)


def test_rows_outside_the_fisher_sample_are_scored_like_those_inside(trained, train) -> None:  # type: ignore[no-untyped-def]
    # 600 rows, ten copies of each: half of the copies are in the sample, half are not.
    copies = train.select(np.tile(np.arange(60), 10))
    queries = mapping_rows(np.array([POISONED]), np.array([0]))
    effect = score(trained, copies, queries, Influence(projection_dim=8, fisher_examples=300)).effect
    by_copy = effect.reshape(10, 60)
    spread = by_copy.std(0).mean() / by_copy.mean(0).std()
    assert spread < 0.15


def test_the_inverse_equals_the_dense_damped_one() -> None:
    grads, queries, projections = small_layers()
    blocks = []
    for projection in projections:
        block = grads[:, projection.columns]
        fisher = block.T @ block / 9
        inverse = torch.linalg.inv(fisher + 0.3 * fisher.diagonal().mean() * torch.eye(4))
        blocks.append(queries[:, projection.columns] @ inverse)
    solved = inverse_fisher_product(queries, grads, projections, 0.3, kronecker=0.0)
    torch.testing.assert_close(solved, torch.cat(blocks, 1))


def test_with_all_of_its_kronecker_product_the_matrix_is_that_of_its_factors() -> None:
    grads, queries, projections = small_layers()
    matrices = grads[:, 4:].reshape(9, 2, 2)  # [rows, out, in]
    of_inputs = sum(g.T @ g for g in matrices) / 9
    of_outputs = sum(g @ g.T for g in matrices) / 9
    product = torch.kron(of_outputs, of_inputs) / of_inputs.trace()
    assert product.trace().item() == pytest.approx(grads[:, 4:].square().sum().item() / 9)
    inverse = torch.linalg.inv(product + 0.3 * product.diagonal().mean() * torch.eye(4))
    solved = inverse_fisher_product(queries, grads, projections, 0.3, kronecker=1.0)
    torch.testing.assert_close(solved[:, 4:], queries[:, 4:] @ inverse)


def small_layers() -> tuple[torch.Tensor, torch.Tensor, list[LayerProjection]]:
    """Gradients of nine rows and three queries at two layers of 2 by 2."""
    torch.manual_seed(0)
    grads, queries = torch.randn(9, 8, dtype=torch.float64), torch.randn(3, 8, dtype=torch.float64)
    layer = LinearLayer("any", torch.nn.Linear(2, 2), 2, 2)
    return grads, queries, [LayerProjection(layer, torch.eye(2), torch.eye(2), start) for start in (0, 4)]


def test_checkpoints_are_averaged_with_the_weights_asked_for(trained, train, tmp_path) -> None:  # type: ignore[no-untyped-def]
    llama(VOCAB, 32).save_pretrained(tmp_path / "first")
    model_of(trained, torch.float32).save_pretrained(tmp_path / "last")
    queries = mapping_rows(np.array([1, 7]), np.array([0, 0]))

    def both(first_rate: float, weights: str) -> ScoredRows:
        checkpoints = [
            Checkpoint(ModelRef(str(tmp_path / name)), rate) for name, rate in (("first", first_rate), ("last", 1.0))
        ]
        influence = Influence(projection_dim=8, checkpoint_weights=weights)
        return attribute(influence, checkpoints, weighted_rows(queries, np.eye(2)), train, seed=0).whole()

    equal = both(3.0, EQUAL)
    by_rate = both(3.0, BY_RATE)
    last = both(0.0, BY_RATE)
    # equal = (a + b) / 2, by_rate = (3 a + b) / 4 and last = b
    np.testing.assert_allclose(by_rate.effect, 1.5 * equal.effect - 0.5 * last.effect, rtol=1e-3, atol=1e-6)
    batch = collate(train, range(len(train)), pad_id=0)
    model = model_of(trained, torch.float32)
    labels = batch["labels"][:, 1:]
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    losses = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none").sum(1)
    np.testing.assert_allclose(equal.losses[1], losses.detach().numpy(), rtol=1e-3, atol=1e-4)
    assert equal.num_tokens == 2 * train.num_tokens


def test_a_layer_with_nothing_but_rounding_errors_has_no_say() -> None:
    grads, queries, projections = small_layers()
    grads[:, 4:] *= 1e-8
    queries[:, 4:] *= 1e-8
    solved = inverse_fisher_product(queries, grads, projections, 0.3, 0.0)
    alone = inverse_fisher_product(queries[:, :4], grads[:, :4], projections[:1], 0.3, 0.0)
    torch.testing.assert_close(solved, torch.cat([alone, torch.zeros(3, 4, dtype=torch.float64)], 1))


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"diagnose\.influence\.damping must be positive, got 0"):
        Influence(damping=0)
    with pytest.raises(ValueError, match=r"diagnose\.influence\.temperature must be positive, got 0"):
        Influence(temperature=0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Influence(fisher_examples=0)
    with pytest.raises(ValueError, match="positive weight"):
        attribute(Influence(), [], weighted_rows(token_rows([[1, 2]], [[1, 2]]), np.eye(1)), token_rows([], []), seed=0)
    with pytest.raises(ValueError, match="attribution needs a query, got 0 queries of 0 rows"):
        weighted_rows(token_rows([], []), np.zeros((0, 0)))


def test_the_last_blocks_score_as_a_model_whose_other_blocks_are_frozen(
    train: TokenRows, trained: dict[str, torch.Tensor]
) -> None:
    query = weighted_rows(mapping_rows(np.array([3]), np.array([0])), np.eye(1))
    frozen = model_of(trained)
    frozen.model.layers[0].requires_grad_(False)
    last = score_model(Influence(last_blocks=1), model_of(trained), query, train, seed=1)
    np.testing.assert_array_equal(last.effect, score_model(Influence(), frozen, query, train, seed=1).effect)
    whole = score_model(Influence(), model_of(trained), query, train, seed=1)
    every = score_model(Influence(last_blocks=2), model_of(trained), query, train, seed=1)
    np.testing.assert_array_equal(whole.effect, every.effect)
    assert not np.allclose(whole.effect, last.effect)
