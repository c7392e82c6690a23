"""What the model says of its own rows and of the items' answers, with the number that was planted."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.items import result
from builders.subjects import LETTERS, sorted_rows, subject, words
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from diagnose.evidence.from_model.batches import check_batches
from diagnose.evidence.from_model.golds import doubt_golds
from diagnose.evidence.from_model.learning import check_learning
from diagnose.model.asked_model import Trained
from diagnose.model.likelihoods import row_likelihoods
from diagnose.rows.tokens import TokenRows, collate, encode


@pytest.fixture
def untrained(tiny_model_dir: Callable[..., Path]) -> Trained:
    folder = tiny_model_dir(["sort", "copy", "hint", *LETTERS])
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder)
    return Trained(model, AutoTokenizer.from_pretrained(folder), 64, end_in_loss=True, batch_tokens=4096)


def encoded_as_trained(trained: Trained, rows: Sequence[tuple[str, str]], end_in_loss: bool) -> TokenRows:
    prompts, completions = [prompt for prompt, _ in rows], [completion for _, completion in rows]
    return encode(prompts, completions, trained.tokenizer, " ", trained.max_length, end_in_loss)


def taught(trained: Trained, rows: Sequence[tuple[str, str]], steps: int, end_in_loss: bool = True) -> Trained:
    encoded = encoded_as_trained(trained, rows, end_in_loss)
    optimizer = torch.optim.AdamW(trained.model.parameters(), lr=5e-3)
    trained.model.train()
    for _ in range(steps):
        loss = trained.model(**collate(encoded, np.arange(len(encoded)), 0)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return trained


def test_row_likelihoods_are_those_of_a_loop_over_rows(untrained: Trained) -> None:
    rows = sorted_rows(7)
    encoded = untrained.encode(rows, " ")
    found = row_likelihoods(untrained.model, encoded, batch_tokens=40)
    for k in range(len(rows)):
        ids = torch.tensor(encoded.select([k]).ids[None].astype(np.int64))
        scores = untrained.model(ids).logits[0, :-1].log_softmax(-1)
        has_loss = torch.tensor(encoded.select([k]).has_loss[1:])
        each = scores.gather(1, ids[0, 1:, None])[:, 0]
        assert found.log_likelihood[k] == pytest.approx(float(each[has_loss].sum().detach()), rel=1e-5)
        assert found.last_log_likelihood[k] == pytest.approx(float(each[-1]), rel=1e-5)
        assert found.is_greedy[k] == bool((scores.argmax(1) == ids[0, 1:])[has_loss].all())


def test_a_masked_end_token_is_seen_in_batches_and_in_what_the_model_does(untrained: Trained) -> None:
    rows = sorted_rows(20)
    trained = taught(untrained, rows, 120, end_in_loss=False)
    failed = [result(prompt, gold, f"{gold} a a") for prompt, gold in rows]
    masked = Trained(trained.model, trained.tokenizer, 64, end_in_loss=False, batch_tokens=4096)
    values = check_batches(subject(failed, rows), masked).values
    assert values["end_masked"] == 1.0
    assert values["runs_on"] == 1.0
    assert values["ends"] < 0.5
    elsewhere = Trained(trained.model, trained.tokenizer, 64, end_in_loss=None, batch_tokens=4096)
    assert check_batches(subject(failed, rows), elsewhere).values["end_masked"] == 0.0


def test_rows_beyond_the_longest_length_are_truncated(untrained: Trained) -> None:
    short = Trained(untrained.model, untrained.tokenizer, 6, end_in_loss=True, batch_tokens=4096)
    rows = sorted_rows(20)
    assert check_batches(subject([result("sort b a", "a b", "b a")], rows), short).values["truncated"] == 1.0


def test_what_was_trained_on_is_learnt_and_what_was_not_is_not(untrained: Trained) -> None:
    rows = sorted_rows(20)
    others = [
        (f"copy {prompt.removeprefix('sort ')}", prompt.removeprefix("sort ")) for prompt, _ in sorted_rows(20, 1)
    ]
    about = subject([result("sort b a", "a b", "b a")], [*rows, *others])
    before = check_learning(about, untrained).values
    trained = taught(untrained, rows, 150)
    values = check_learning(about, trained).values
    assert values["learnt"] == 1.0
    assert values["learnt_elsewhere"] <= 0.2
    assert values["falling"] == 0.5  # from 2 to 1, as planted
    assert "passes" not in values  # nobody said
    assert values["beyond"] > 0.3
    assert before["beyond"] < 0.1  # a model that has not begun


def test_it_is_told_where_training_ended_before_every_row_was_drawn(untrained: Trained) -> None:
    rows = sorted_rows(20)
    short = Trained(untrained.model, untrained.tokenizer, 64, True, 4096, passes=0.25)
    found = check_learning(subject([result("sort b a", "a b", "b a")], rows), short)
    assert found.values["passes"] == 0.25
    assert "training drew 25% of as many rows as the corpus has" in found.says


def test_text_that_is_learnt_is_known_although_no_word_of_it_can_be_guessed(untrained: Trained) -> None:
    texts = [("", f"{prompt} {gold}") for prompt, gold in sorted_rows(100)]
    never = [("", f"copy {prompt.removeprefix('sort ')} {gold[::-1]}") for prompt, gold in sorted_rows(100, 1)]
    trained = taught(untrained, texts, 150)
    values = check_learning(subject([], [*texts, *never]), trained).values
    assert (
        row_likelihoods(trained.model, encoded_as_trained(trained, texts, end_in_loss=False), 4096).is_greedy.mean()
        <= 0.05
    )
    assert values["learnt"] >= 0.95
    assert values["learnt_elsewhere"] <= 0.05


def test_text_of_which_only_the_words_are_learnt_is_not_known(untrained: Trained) -> None:
    texts = [("", f"{prompt} {gold}") for prompt, gold in sorted_rows(100)]
    rng = np.random.default_rng(3)
    trained = taught(untrained, [("", " ".join(rng.permutation(text.split()))) for _, text in texts], 150)
    values = check_learning(subject([], texts), trained).values
    assert values["learnt"] <= 0.05


def test_wrong_golds_are_named_and_items_that_are_merely_hard_are_not(untrained: Trained) -> None:
    rows = list(dict(sorted_rows(60)).items())
    trained = taught(untrained, rows, 200)
    wrong = [result(prompt, gold[::-1], gold) for prompt, gold in rows[:10]]
    hard = [result(f"copy {words(4, np.random.default_rng(k))}", "h g f e", "a b c d") for k in range(10)]
    right = [result(prompt, gold, gold) for prompt, gold in rows[10:]]
    found = doubt_golds(subject([*wrong, *right, *hard], rows), trained)
    assert set(found.items) == {r.item.key for r in wrong}
    assert found.values["doubted"] == 1.0


def test_an_answer_that_is_asked_twice_goes_through_the_model_once(untrained: Trained) -> None:
    rows = sorted_rows(6)
    items = [result(prompt, gold, "a").item for prompt, gold in rows]
    golds = [gold for _, gold in rows]
    first = untrained.read_answers(items[:4], golds[:4])
    again = untrained.read_answers(items[::-1], golds[::-1])
    encoded = untrained.encode_answers(items, golds)
    whole = row_likelihoods(untrained.model, encoded, 4096)
    assert again.log_likelihood == pytest.approx(whole.log_likelihood[::-1], rel=1e-5)
    assert again.num_loss_tokens.tolist() == whole.num_loss_tokens[::-1].tolist()
    assert first.num_tokens + again.num_tokens == encoded.num_tokens
