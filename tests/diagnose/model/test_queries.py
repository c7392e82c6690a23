"""What a query asks: the item as the harness scored it."""

import numpy as np
import pytest
import torch
from builders.items import item, scored
from builders.models import llama, score_model, word_tokenizer
from transformers import PreTrainedModel

from diagnose.attribution.influence import Influence
from diagnose.model.queries import Queries, failed_items, weighted_rows
from diagnose.rows.tokens import TokenRows, collate, token_rows
from evals.items import ItemResult, OutputType

TOKENIZER = word_tokenizer(["is", "a", "cat", "dog", "red", "blue", "what", "?"])


def failed(kind: OutputType, answer: str) -> ItemResult:
    prompt = "" if kind is OutputType.LOGLIKELIHOOD_ROLLING else "what ?"
    return scored(item(prompt, "a cat", id=kind.value, output=kind), 0.0, answer)


def test_a_multiple_choice_asks_for_the_gold_answer_against_the_one_that_won() -> None:
    groups = [[failed(OutputType.MULTIPLE_CHOICE, "a dog"), failed(OutputType.GENERATE_UNTIL, "a dog")]]
    queries = failed_items(groups, TOKENIZER, 16)
    decoded = [TOKENIZER.decode(queries.rows.select([k]).ids) for k in range(len(queries.rows))]
    assert decoded == ["what ? a cat </s>", "what ? a cat </s>", "what ? a dog </s>"]
    assert queries.item.tolist() == [0, 1, 0]
    assert queries.is_gold.tolist() == [True, True, False]
    assert queries.weights.tolist() == [[0.5, 0.5]]


def test_of_rolling_likelihood_all_of_the_text_is_asked() -> None:
    queries = failed_items([[failed(OutputType.LOGLIKELIHOOD_ROLLING, "")]], TOKENIZER, 16)
    assert queries.rows.has_loss.tolist() == [False, True, True, True]  # </s> a cat </s>
    assert queries.rows.num_tokens == 4


def test_an_item_of_two_slices_goes_through_the_model_once() -> None:
    items = [failed(kind, "a dog") for kind in (OutputType.MULTIPLE_CHOICE, OutputType.GENERATE_UNTIL)]
    apart = [failed_items([group], TOKENIZER, 16) for group in ([items[0]], items)]
    both = failed_items([[items[0]], items], TOKENIZER, 16)
    assert both.rows.num_tokens == apart[1].rows.num_tokens
    assert both.weights.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def model() -> PreTrainedModel:
    return llama(20).double()


def rows(num_rows: int, seed: int) -> TokenRows:
    ids = np.random.default_rng(seed).integers(1, 20, size=(num_rows, 5)).tolist()
    return token_rows(ids, ids)


def test_the_effect_on_a_contrast_is_that_on_gold_less_that_on_the_rival() -> None:
    train, pair = rows(30, 0), rows(2, 1)
    influence = Influence(projection_dim=4)
    single = score_model(influence, model(), weighted_rows(pair, np.eye(2)), train, seed=3)
    contrast = Queries(pair, np.zeros(2, np.int64), np.array([True, False]), np.ones((1, 1)))
    both = score_model(influence, model(), contrast, train, seed=3)
    expected = single.effect[:, 0] - single.effect[:, 1]
    np.testing.assert_allclose(both.effect[:, 0], expected, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(both.retrieval[:, 0], single.retrieval[:, 0], rtol=1e-4, atol=1e-7)


def test_what_raises_both_answers_alike_has_no_effect_on_the_contrast() -> None:
    one = rows(1, 1)
    same = Queries(one.select([0, 0]), np.zeros(2, np.int64), np.array([True, False]), np.ones((1, 1)))
    effect = score_model(Influence(projection_dim=4), model(), same, rows(30, 0), seed=3).effect
    np.testing.assert_allclose(effect, 0, atol=1e-12)


def test_the_hidden_control_is_the_cosine_of_mean_hidden_states() -> None:
    train, query = rows(6, 0), rows(1, 1)
    scored = score_model(Influence(projection_dim=4), model(), weighted_rows(query, np.eye(1)), train, seed=3)

    def mean_state(of: TokenRows, row: int) -> torch.Tensor:
        batch = collate(of, [row], pad_id=0)
        network = model()
        # Ten layers are given the residual stream, five in each block; the sixth is the second block's first.
        states = network(input_ids=batch["input_ids"], output_hidden_states=True).hidden_states[1]
        return network.model.layers[1].input_layernorm(states)[0].mean(0)

    expected = [
        torch.cosine_similarity(mean_state(train, k), mean_state(query, 0), dim=0).item() for k in range(len(train))
    ]
    np.testing.assert_allclose(scored.hidden[:, 0], expected, rtol=1e-5)


def test_an_empty_query_set_is_refused() -> None:
    with pytest.raises(ValueError, match="attribution needs a query, got 0 queries"):
        failed_items([], TOKENIZER, 16)
