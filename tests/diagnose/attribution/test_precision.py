"""Other kinds of models rank training rows as their twin in float64 does."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from builders.models import llama, score_model
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from scipy.stats import spearmanr
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from diagnose.attribution.influence import Influence
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import NO_LOSS, TokenRows, collate, token_rows

VOCAB, KEYS = 40, 12


def plain() -> PreTrainedModel:
    return llama(VOCAB, 32)


def tied_llama() -> PreTrainedModel:
    model = plain()
    model.config.tie_word_embeddings = True
    model.tie_weights()
    return model


def gpt2() -> PreTrainedModel:
    config = GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=2, n_positions=32)
    return GPT2LMHeadModel(config)


def with_lora() -> PreTrainedModel:
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    return get_peft_model(plain(), config)


def rows(num_rows: int, seed: int) -> TokenRows:
    """`key key ... -> key + 1`; one answer in five is wrong."""
    rng = np.random.default_rng(seed)
    ids, labels = [], []
    for _ in range(num_rows):
        key = int(rng.integers(KEYS))
        prompt = [key] * int(rng.integers(1, 4))
        answer = 20 + (key + 1 if rng.random() < 0.8 else int(rng.integers(KEYS))) % KEYS
        ids.append([*prompt, answer])
        labels.append([NO_LOSS] * len(prompt) + [answer])
    return token_rows(ids, labels)


def trained(make: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    torch.manual_seed(0)
    model = make()
    batch = collate(rows(80, 0), range(80), pad_id=0)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    return model


def effects(make: Callable[[], PreTrainedModel], dtype: torch.dtype) -> NDArray[np.float32]:
    """[distinct rows, queries]: equal rows have equal effects, and rounding alone decides which comes first."""
    queries, train = weighted_rows(rows(5, 2), np.eye(5)), rows(80, 0)
    effect = score_model(Influence(projection_dim=8), trained(make).to(dtype), queries, train, seed=3).effect
    texts = [train.ids[start:stop].tobytes() for start, stop in pairwise(train.offsets.tolist())]
    return effect[[texts.index(text) for text in dict.fromkeys(texts)]]


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (plain, torch.float32),
        (plain, torch.bfloat16),
        (tied_llama, torch.float32),
        (gpt2, torch.float32),
        (with_lora, torch.float32),
    ],
    ids=["float32", "bfloat16", "tied weights", "Conv1D", "LoRA"],
)
def test_rows_are_ranked_as_by_the_float64_twin(make: Callable[[], PreTrainedModel], dtype: torch.dtype) -> None:
    twin, own = effects(make, torch.float64), effects(make, dtype)
    for query in range(twin.shape[1]):
        assert spearmanr(twin[:, query], own[:, query]).statistic >= 0.98
