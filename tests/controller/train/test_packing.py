"""Rows of a batch laid end to end: the loss and the training are those of the same rows apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.models import llama, random_rows, rows_of_many_lengths
from builders.pools import train_pool
from builders.recipes import plain_recipe
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, MambaConfig, MambaForCausalLM, Qwen3Config
from transformers import PreTrainedModel as Model

from controller.engine.workers.progress import Progress
from controller.train.packing import check_packing, packed
from controller.train.recipe import Draws
from controller.train.trainer import train_on
from diagnose.rows.tokens import NO_LOSS, TokenRows, collate
from evals.model_ref import ModelRef
from interventions.mix.mix import original_mix


def sharp(model: Model) -> Model:
    """Weights so large that what is attended to shows in the loss."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(10)
    return model.eval()


def sharp_llama() -> Model:
    return sharp(llama(64))


def gpt2() -> Model:
    torch.manual_seed(0)
    return sharp(GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, n_positions=64)))


def qwen() -> Model:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    return sharp(AutoModelForCausalLM.from_config(config))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("make", [sharp_llama, gpt2, qwen], ids=["llama", "gpt2", "qwen3"])
@pytest.mark.parametrize("rows", [rows_of_many_lengths(24), random_rows(24, 0)], ids=["completions", "plain text"])
def test_the_loss_of_a_packed_batch_is_that_of_its_rows_apart(
    make: Callable[[], Model], rows: TokenRows, attention: str
) -> None:
    model = make()
    model.set_attn_implementation(attention)
    order = np.random.default_rng(0).permutation(24)
    together = packed(rows, order, 0, 32)
    assert together["input_ids"].shape[0] < 12
    with torch.no_grad():
        apart, of_packed = model(**collate(rows, order, 0)).loss, model(**together).loss
        mixed = model(input_ids=together["input_ids"], labels=together["labels"]).loss
    assert float(of_packed) == pytest.approx(float(apart), abs=1e-5)
    assert abs(float(mixed) - float(apart)) > 1e-4  # where each row reads those before it


def test_every_token_and_label_is_kept_and_no_sequence_is_longer_than_asked() -> None:
    rows = rows_of_many_lengths(24)
    together, apart = packed(rows, np.arange(24), 0, 32), collate(rows, np.arange(24), 0)
    assert together["input_ids"].shape[1] <= 32
    learnt = [sorted(batch["labels"][batch["labels"] != NO_LOSS].tolist()) for batch in (together, apart)]
    assert learnt[0] == learnt[1]
    # Tokens are above 0, which pads.
    read = [sorted(batch["input_ids"][batch["input_ids"] > 0].tolist()) for batch in (together, apart)]
    assert read[0] == read[1] == sorted(rows.ids.tolist())


def test_an_architecture_that_cannot_keep_rows_apart_is_refused_with_the_way_out() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4))
    with pytest.raises(ValueError, match=r"train.packing=true: a mamba model .*; leave train.packing out"):
        check_packing(model, rows_of_many_lengths(8), 0, 32)


def test_a_training_on_packed_batches_ends_with_the_weights_of_one_on_rows_apart(
    tiny_model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    prompts = [" ".join(rng.choice([f"w{k}" for k in range(12)], rng.integers(2, 7))) for _ in range(40)]
    mix = original_mix(train_pool([(prompt, " ".join(reversed(prompt.split()))) for prompt in prompts]))
    start = ModelRef(str(tiny_model_dir(prompts)), dtype="float32")
    recipe = plain_recipe(
        length=Draws(96),
        learning_rate=3e-3,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=2,
        max_length=32,
    )
    weights, tokens = [], []
    for packing in (False, True):
        folder = tmp_path / str(packing)
        how = replace(recipe, packing=packing)
        done = train_on(start, mix, how, 0, folder, keeps_middle=False, progress=Progress(tmp_path))
        weights.append(AutoModelForCausalLM.from_pretrained(folder / "model").state_dict())
        tokens.append((done.num_tokens, done.num_steps))
    assert tokens[0] == tokens[1]
    assert max(float((weights[0][name] - value).abs().max()) for name, value in weights[1].items()) < 1e-4
