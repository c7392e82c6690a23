"""Training on a mix through transformers' Trainer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.pools import train_pool
from builders.recipes import plain_recipe
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, get_scheduler

from controller.engine.workers.progress import Progress
from controller.train import trainer as trainer_module
from controller.train.before.given import check_arch
from controller.train.recipe import Draws, Tokens
from controller.train.sampling import draw_order
from controller.train.settings import Lora, ScratchModel
from controller.train.start import build_scratch, make_tokenizer
from controller.train.trainer import train_on
from diagnose.rows.pool import TrainPool
from diagnose.rows.tokens import collate, encode
from evals.model_ref import ModelRef
from interventions.mix.mix import original_mix

RECIPE = plain_recipe(
    length=Draws(12 * 8), learning_rate=3e-3, per_device_train_batch_size=8, max_length=32, warmup_steps=2
)


def corpus(num_rows: int = 40) -> TrainPool:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(12)]
    prompts = [" ".join(rng.choice(words, rng.integers(2, 7))) for _ in range(num_rows)]
    return train_pool([(prompt, " ".join(reversed(prompt.split()))) for prompt in prompts])


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForCausalLM.from_pretrained(folder).state_dict())


def distance(first: Path, second: Path) -> float:
    a, b = weights_of(first), weights_of(second)
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.fixture
def start(tiny_model_dir: Callable[..., Path]) -> ModelRef:
    pool = corpus()
    return ModelRef(str(tiny_model_dir(pool.rows["prompt"][:])), dtype="float32")


def test_training_ends_with_the_weights_of_a_bare_loop_over_the_same_rows(start: ModelRef, tmp_path: Path) -> None:
    mix = original_mix(corpus())
    result = train_on(
        start, mix, RECIPE, seed=7, folder=tmp_path / "run", keeps_middle=True, progress=Progress(tmp_path)
    )

    tokenizer = AutoTokenizer.from_pretrained(start.path)
    rows = encode(mix.examples.rows["prompt"], mix.examples.rows["completion"], tokenizer, " ", 32)
    order = draw_order(mix.weights, 96, seed=7)
    model = AutoModelForCausalLM.from_pretrained(start.path)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    schedule = get_scheduler("linear", optimizer, 2, 12)
    for step in range(12):
        batch = collate(rows, order[8 * step : 8 * step + 8], pad_id=1)
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    ours = weights_of(tmp_path / "run" / "model")
    assert max(float((ours[n] - w).abs().max()) for n, w in model.state_dict().items()) < 1e-5
    assert result.num_tokens == int(rows.lengths[order].sum())
    assert result.num_steps == 12
    assert result.flops == 6.0 * model.num_parameters() * result.num_tokens
    # Linear schedule with two warm-up steps: 0, .5, 1, .9, .8, .7 of the peak, then .6 down to .1.
    assert [c.learning_rate / 3e-3 for c in result.checkpoints] == pytest.approx([3.9 / 6, 2.1 / 6])


class _Dies(TrainerCallback):  # type: ignore[misc]
    def on_step_end(self, args: object, state: object, control: object, **kwargs: object) -> None:
        if state.global_step == 8:  # type: ignore[attr-defined]
            raise KeyboardInterrupt


def test_a_training_that_died_goes_on_from_its_checkpoint_to_the_same_weights(
    start: ModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = original_mix(corpus())
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    expected = train_on(start, mix, RECIPE, 3, whole, keeps_middle=True, progress=Progress(tmp_path))
    monkeypatch.setattr(trainer_module, "SAVE_EVERY_S", 0.0)
    with monkeypatch.context() as context:
        report = trainer_module._Report
        context.setattr(trainer_module, "_Report", lambda progress: _Dies())
        with pytest.raises(KeyboardInterrupt):
            train_on(start, mix, RECIPE, 3, halves, keeps_middle=True, progress=Progress(tmp_path))
        context.setattr(trainer_module, "_Report", report)
    assert list((halves / "trainer").glob("checkpoint-*"))
    resumed = train_on(start, mix, RECIPE, 3, halves, keeps_middle=True, progress=Progress(tmp_path))
    assert distance(whole / "model", halves / "model") == 0.0
    assert distance(whole / "middle", halves / "middle") == 0.0
    assert replace(resumed, losses=()) == replace(expected, losses=())


def test_arms_of_one_token_budget_train_on_the_same_tokens_whatever_their_rows(start: ModelRef, tmp_path: Path) -> None:
    pool = corpus()
    lengths = np.array([len(p.split()) for p in pool.rows["prompt"]])
    long_rows = np.where(lengths > 4, 1.0, 0.0)
    budget = replace(RECIPE, length=Tokens(500))
    tokens = []
    for name, weights in (("all", np.ones(40)), ("long", long_rows)):
        mix = replace(original_mix(pool), weights=weights / weights.sum())
        done = train_on(start, mix, budget, 0, tmp_path / name, keeps_middle=False, progress=Progress(tmp_path))
        tokens.append(done.num_tokens)
    assert all(500 <= count < 500 + 14 for count in tokens)  # within one row of at most 13 tokens and an end


def test_the_loss_is_taken_on_completion_and_end_only(start: ModelRef) -> None:
    pool = corpus()
    rows = encode(pool.rows["prompt"], pool.rows["completion"], AutoTokenizer.from_pretrained(start.path), " ", 64)
    labels = collate(rows, [0], pad_id=1)["labels"][0]
    num_words = len(pool[0].prompt.split())
    assert labels[:num_words].tolist() == [-100] * num_words
    assert (labels[num_words:] != -100).sum() == num_words + 1


def test_lora_trains_the_adapter_and_leaves_the_model_as_it_was(start: ModelRef, tmp_path: Path) -> None:
    recipe = replace(RECIPE, lora=Lora(r=4))
    before = weights_of(Path(start.path))
    train_on(
        start,
        original_mix(corpus()),
        recipe,
        0,
        tmp_path / "run",
        keeps_middle=False,
        progress=Progress(tmp_path),
    )
    assert (tmp_path / "run" / "model" / "adapter_config.json").is_file()
    after = weights_of(Path(start.path))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_bf16_trains_on_a_cpu_as_float32_does_and_keeps_its_weights_in_float32(start: ModelRef, tmp_path: Path) -> None:
    losses = []
    for name, recipe in (("bf16", replace(RECIPE, bf16=True)), ("float32", RECIPE)):
        mix, folder = original_mix(corpus()), tmp_path / name
        losses.append(train_on(start, mix, recipe, 7, folder, keeps_middle=False, progress=Progress(tmp_path)).losses)
    in_bf16, in_float32 = losses
    assert in_bf16 != in_float32
    assert in_bf16[0] == pytest.approx(in_float32[0], rel=2**-7)  # one bit more than bf16 rounds off
    assert in_bf16[-1] < 0.9 * in_bf16[0]
    assert {weight.dtype for weight in weights_of(tmp_path / "bf16" / "model").values()} == {torch.float32}


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_a_tokenizer_made_from_the_corpus_gives_its_texts_back(kind: str) -> None:
    pool = corpus()
    tokenizer = make_tokenizer(ScratchModel(tokenizer=kind, vocab_size=300), pool)
    text = pool[3].prompt
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.unk_token_id not in ids


def test_words_that_training_meets_once_stand_for_those_that_it_does_not_know() -> None:
    rows = [("who wrote it", "person"), ("who sang it", "person"), ("where is Paris", "place"), ("where was", "Rome")]
    tokenizer = make_tokenizer(ScratchModel(tokenizer="word"), train_pool(rows))
    unknown = tokenizer.unk_token
    assert tokenizer.tokenize("who wrote it person") == ["who", unknown, "it", "person"]
    assert tokenizer.tokenize("where was Paris Rome") == ["where", unknown, unknown, "Rome"]
    plain = make_tokenizer(ScratchModel(tokenizer="word"), train_pool([("", "a b a"), ("", "b c")]))
    assert plain.tokenize("a b c") == ["a", "b", unknown]


def test_a_scratch_model_is_a_function_of_its_seed(tmp_path: Path) -> None:
    settings = ScratchModel(arch={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}, tokenizer="word")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_scratch(settings, corpus(), 32, tmp_path / name, seed)
    assert distance(tmp_path / "a", tmp_path / "b") == 0.0
    assert distance(tmp_path / "a", tmp_path / "c") > 0.0


def test_an_unknown_field_of_the_architecture_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"hiden_size is not a field of a llama config; did you mean 'hidden_size'"):
        check_arch({"model_type": "llama", "hiden_size": 64})
    with pytest.raises(ValueError, match="did you mean 'llama'"):
        check_arch({"model_type": "lama"})


def test_a_model_left_half_way_has_the_mean_of_the_first_and_the_trained_weights(
    start: ModelRef, tmp_path: Path
) -> None:
    mix = original_mix(corpus())
    for name, share in (("whole", 1.0), ("half", 0.5)):
        recipe = replace(RECIPE, interpolation=share)
        train_on(start, mix, recipe, seed=7, folder=tmp_path / name, keeps_middle=False, progress=Progress(tmp_path))
    first, whole, half = (
        weights_of(Path(path)) for path in (start.path, tmp_path / "whole/model", tmp_path / "half/model")
    )
    assert max(float((whole[name] - first[name]).abs().max()) for name in whole) > 1e-3
    for name in whole:
        torch.testing.assert_close(half[name], (first[name] + whole[name]) / 2)
