"""Losses and hidden states of rows against one row at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from diagnose.model.checkpoint import load_model
from diagnose.model.hidden_states import mean_hidden_states
from diagnose.model.losses import item_values, row_losses
from diagnose.model.queries import Queries
from diagnose.rows.tokens import TokenRows, encode
from evals.model_ref import ModelRef

PROMPTS = ["say a", "say b c", "", "say a b c"]
COMPLETIONS = ["a", "b c a", "c a b", "c"]


@pytest.fixture
def model_and_rows(tiny_model_dir: Callable[..., Path]) -> tuple[ModelRef, TokenRows]:
    folder = tiny_model_dir(["say a b c"])
    rows = encode(PROMPTS, COMPLETIONS, AutoTokenizer.from_pretrained(folder), " ", 16)
    return ModelRef(str(folder), None, "float32"), rows


def test_losses_are_those_of_one_row_at_a_time(model_and_rows: tuple[ModelRef, TokenRows]) -> None:
    ref, rows = model_and_rows
    model = AutoModelForCausalLM.from_pretrained(ref.path)
    expected = []
    for start, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True):
        ids = torch.tensor(rows.ids[start:end], dtype=torch.long)[None]
        labels = torch.where(torch.tensor(rows.has_loss[start:end])[None], ids, -100)
        expected.append(model(input_ids=ids, labels=labels).loss.item())
    found = row_losses(ref, rows, batch_tokens=64)
    assert found.per_token.tolist() == pytest.approx(expected, rel=1e-4)
    assert found.num_tokens == rows.num_tokens


def test_losses_do_not_depend_on_the_batch_size(model_and_rows: tuple[ModelRef, TokenRows]) -> None:
    ref, rows = model_and_rows
    one, all_ = (row_losses(ref, rows, batch_tokens=size).per_token for size in (1, 1000))
    assert np.allclose(one, all_, rtol=1e-4)


def test_an_item_is_the_loss_of_its_gold_answer_less_that_of_the_answer_that_won(
    model_and_rows: tuple[ModelRef, TokenRows],
) -> None:
    ref, rows = model_and_rows
    counts = np.array([rows.has_loss[a:b][1:].sum() for a, b in zip(rows.offsets, rows.offsets[1:], strict=False)])
    summed = row_losses(ref, rows, batch_tokens=64).per_token * counts
    queries = Queries(
        rows, np.array([0, 1, 0, 2]), np.array([True, True, False, True]), np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    )
    found = item_values(ref, queries, batch_tokens=64)
    assert found.tolist() == pytest.approx([summed[0] - summed[2], summed[1], summed[3]], rel=1e-4)


def test_hidden_states_are_the_mean_over_the_tokens_of_one_row_at_a_time(
    model_and_rows: tuple[ModelRef, TokenRows],
) -> None:
    ref, rows = model_and_rows
    model = AutoModelForCausalLM.from_pretrained(ref.path).eval()
    expected = []
    for start, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True):
        ids = torch.tensor(rows.ids[start:end], dtype=torch.long)[None]
        with torch.no_grad():
            expected.append(model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0].mean(0).numpy())
    for size in (1, 1000):  # padding changes nothing
        found = mean_hidden_states(load_model(ref), rows, batch_tokens=size)
        assert np.allclose(found, expected, atol=1e-5)
