"""The measured model says where natural text lies: in its last hidden states, at the cost that is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.models import asked_model
from builders.natural_text import case_of, films, probe, rows_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from diagnose.diagnoser import FORWARD_SHARE, Diagnoser
from diagnose.model.hidden_states import TextStates
from evals.items import ProbeReport


def test_states_are_the_mean_over_a_text_and_its_end_cut_to_what_the_model_takes(
    tiny_model_dir: Callable[..., Path],
) -> None:
    texts = ["a", "b c a", "c b a a b"]
    path = tiny_model_dir(texts, max_length=4)
    states = TextStates(asked_model(path), batch_tokens=8)
    found = states(texts)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    for own, text in zip(found, texts, strict=True):
        ids = torch.tensor([[*tokenizer(text)["input_ids"], 2][:4]])
        with torch.no_grad():
            last = model(ids, output_hidden_states=True).hidden_states[-1][0]
        assert own == pytest.approx(last.mean(0).numpy(), abs=1e-5)
    assert states.num_tokens == 2 + 4 + 4


def failing_at_random(texts: list[str]) -> ProbeReport:
    report = probe(texts)
    is_failed = np.random.default_rng(0).random(len(texts)) < 0.1
    results = (replace(one, is_failed=bool(own)) for one, own in zip(report.results, is_failed, strict=True))
    return replace(report, results=tuple(results))


def test_a_diagnosis_counts_the_tokens_of_natural_text_and_none_of_a_small_vocabulary(
    tiny_model_dir: Callable[..., Path],
) -> None:
    natural, small = films(80), [f"w{k % 9} w{k % 8} w{k}" for k in range(80)]
    corpus = rows_of({"law": 40}, "train")
    path = tiny_model_dir([*natural, *small])
    for texts, num_tokens in ((natural, sum(min(len(text.split()) + 1, 64) for text in set(natural))), (small, 0)):
        case = case_of(failing_at_random(texts), corpus, None)
        diagnosis = Diagnoser(max_failure_rate=0.5).diagnose(case, asked_model(path))
        assert not diagnosis.findings
        assert diagnosis.num_tokens == num_tokens // FORWARD_SHARE
