"""Losses of rows against one row at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from diagnose.losses import row_losses
from diagnose.tokens import TokenRows, encode
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
