"""Checkpoints that cannot be asked together are refused before anything is computed."""

from pathlib import Path

import pytest
from transformers import GPT2Config, LlamaConfig

from diagnose.model.checkpoint import Checkpoint, check_checkpoints, context_length
from evals.model_ref import ModelRef


def saved(folder: Path, config: LlamaConfig | GPT2Config) -> Checkpoint:
    config.save_pretrained(folder)
    return Checkpoint(ModelRef(str(folder)), 1.0)


def llama(hidden_size: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=50,
        hidden_size=hidden_size,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
    )


def test_checkpoints_of_one_training_with_their_tokenizer_are_taken(tmp_path: Path) -> None:
    both = [saved(tmp_path / name, llama(16)) for name in "ab"]
    check_checkpoints(both, num_words=50)
    assert context_length(both[0].model) == 77


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    here = saved(tmp_path / "a", llama(16))
    gone = Checkpoint(ModelRef(str(tmp_path / "gone")), 1.0)
    with pytest.raises(ValueError, match=r"model\.checkpoints: '.*gone' has no config\.json; give a folder"):
        check_checkpoints([gone, here], num_words=50)


def test_a_checkpoint_of_another_architecture_is_named_with_what_differs(tmp_path: Path) -> None:
    here, wide = saved(tmp_path / "a", llama(16)), saved(tmp_path / "wide", llama(32))
    with pytest.raises(ValueError, match=r"'.*wide' has hidden_size 32, '.*a' has 16; give checkpoints of one"):
        check_checkpoints([wide, here], num_words=50)
    other = saved(tmp_path / "other", GPT2Config(vocab_size=50, n_embd=16, n_layer=2))
    with pytest.raises(ValueError, match=r"has model_type gpt2, .* has llama"):
        check_checkpoints([other, here], num_words=50)


def test_a_tokenizer_that_knows_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gives ids up to 59, the model has 50 embeddings; give the tokenizer"):
        check_checkpoints([saved(tmp_path / "a", llama(16))], num_words=60)
