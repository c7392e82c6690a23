"""Small random models, and rows of token ids for them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from diagnose.attribution.influence import Influence
from diagnose.attribution.scorer import prepared
from diagnose.attribution.shards import ScoredRows, gathered
from diagnose.model.asked_model import AskedModel
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import Queries
from diagnose.rows.tokens import NO_LOSS, TokenRows, token_rows
from evals.model_ref import ModelRef


def llama(
    vocab_size: int,
    hidden_size: int = 16,
    *,
    intermediate_size: int | None = None,
    num_layers: int = 2,
    num_key_value_heads: int | None = None,
    seed: int = 0,
) -> PreTrainedModel:
    """Random weights in float32 and two attention heads; sets torch's seed."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size or 3 * hidden_size // 2,
        num_hidden_layers=num_layers,
        num_attention_heads=2,
        num_key_value_heads=num_key_value_heads,
        max_position_embeddings=32,
    )
    return LlamaForCausalLM(config)


def score_model(
    influence: Influence, model: PreTrainedModel, queries: Queries, train: TokenRows, seed: int
) -> ScoredRows:
    """Scores of all rows for one model in memory, whose weights are frozen afterwards."""
    places = np.arange(len(train))
    shards = [places[start : start + influence.shard_rows] for start in places[:: influence.shard_rows]]
    with prepared(model, queries, train, influence, seed) as scorer:
        return gathered([scorer.score(train.select(shard), int(shard[0])) for shard in shards])


def word_tokenizer(words: Iterable[str], *, pad: str | None = None, end: str = "</s>") -> PreTrainedTokenizerFast:
    """A token for each word, after [UNK], the padding if any, and the end."""
    special = ["[UNK]", end] if pad is None else ["[UNK]", pad, end]
    inner = Tokenizer(WordLevel({word: k for k, word in enumerate([*special, *words])}, unk_token="[UNK]"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token=pad, eos_token=end)


def asked_model(tokenizer_of: Path, model: Path | None = None) -> AskedModel:
    """A model in a folder with its tokenizer, to be diagnosed; `model` where the model lies elsewhere."""
    checkpoint = Checkpoint(ModelRef(str(model or tokenizer_of)), 1.0)
    return AskedModel(AutoTokenizer.from_pretrained(tokenizer_of), [checkpoint], 64)


def random_rows(num_rows: int, seed: int) -> TokenRows:
    """Two to eight of thirty tokens, with the loss on all of them."""
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, 30, size=rng.integers(2, 9)).tolist() for _ in range(num_rows)]
    return token_rows(ids, ids)


def rows_of_many_lengths(num_rows: int, seed: int = 0) -> TokenRows:
    """Four to eleven of forty tokens, with the loss on their second half."""
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, 40, size=length) for length in rng.integers(4, 12, size=num_rows)]
    labels = [np.where(np.arange(len(row)) < len(row) // 2, NO_LOSS, row) for row in ids]
    return token_rows(ids, labels)
