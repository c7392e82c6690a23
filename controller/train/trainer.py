"""Run one training, of a model, a mix, a length and a seed, through transformers' Trainer.

The order of the rows is fixed before training (`controller.train.sampling`), so a killed run continues from its last
checkpoint with the rows that were left. The model in the middle is kept beside the last one, because attribution wants
checkpoints at which gradients are not yet close to zero.

Cost: 6 FLOPs for each parameter and token.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    get_scheduler,
)
from transformers.trainer_utils import get_last_checkpoint

from controller.engine.workers.progress import Progress
from controller.train.before.mixture import count_draws
from controller.train.packing import Batch, check_packing, packed
from controller.train.recipe import Recipe, Tokens
from controller.train.sampling import draw_order, num_draws_for_tokens
from controller.train.start import load_for_training, load_tokenizer
from controller.train.training import MIDDLE_FOLDER, MODEL_FOLDER, KeptCheckpoint, Training
from diagnose.rows.rendering import encode_pool
from diagnose.rows.tokens import collate
from evals.model_ref import ModelRef
from interventions.mix.mix import TrainingMix

SAVE_EVERY_S = 20.0
"""Most seconds of training that a kill repeats, or 20 times what saving takes where that is more."""


def train_on(
    model: ModelRef,
    mix: TrainingMix,
    recipe: Recipe,
    seed: int,
    folder: Path,
    keeps_middle: bool,
    progress: Progress,
) -> Training:
    """Train `model` on `mix` and leave `folder/model` (and `folder/middle`), safetensors and tokenizer.

    Goes on from `folder/trainer` when a killed attempt left checkpoints there.
    """
    tokenizer = load_tokenizer(model)
    rows = encode_pool(mix.examples, tokenizer, recipe.max_length, recipe.end_in_loss)
    num_draws = recipe.length.count
    if isinstance(recipe.length, Tokens):
        num_draws = num_draws_for_tokens(rows.lengths, mix.weights, num_draws, seed)
    order = draw_order(mix.weights, num_draws, seed)
    loaded, pad_id = load_for_training(model, recipe.lora, seed), _pad_id(tokenizer)
    if recipe.packing:
        check_packing(loaded, rows, pad_id, recipe.max_length)

    def batch_of(indices: list[int]) -> Batch | dict[str, torch.Tensor]:
        return packed(rows, indices, pad_id, recipe.max_length) if recipe.packing else collate(rows, indices, pad_id)

    start = _trainable(loaded) if recipe.interpolation < 1 else {}
    batch = recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
    num_steps = -(-num_draws // batch)
    middle = max(1, num_steps // 2)
    trainer = Trainer(
        model=loaded,
        args=_arguments(recipe, num_steps, seed, folder / "trainer"),
        train_dataset=order,  # of row numbers, which the collator turns into a batch
        data_collator=batch_of,
        callbacks=[_SaveByTime(), _Report(progress)]
        + ([_KeepMiddle(middle, folder / MIDDLE_FOLDER, tokenizer)] if keeps_middle else []),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.train(resume_from_checkpoint=_resumable(folder / "trainer"))
    _interpolate(loaded, start, recipe.interpolation)
    trainer.save_model(str(folder / MODEL_FOLDER))
    tokenizer.save_pretrained(folder / MODEL_FOLDER)
    shutil.rmtree(folder / "trainer", ignore_errors=True)
    num_tokens = int(rows.lengths[order].sum())
    marks = [middle, num_steps] if keeps_middle else [num_steps]
    names = [MIDDLE_FOLDER, MODEL_FOLDER] if keeps_middle else [MODEL_FOLDER]
    rates = _mean_learning_rates(recipe, num_steps, marks)
    return Training(
        checkpoints=tuple(KeptCheckpoint(name, rate) for name, rate in zip(names, rates, strict=True)),
        num_steps=num_steps,
        num_tokens=num_tokens,
        num_truncated=rows.num_truncated,
        flops=6.0 * loaded.num_parameters() * num_tokens,
        losses=tuple(float(line["loss"]) for line in trainer.state.log_history if "loss" in line),
        drawn=count_draws(mix.examples, rows.lengths, order),
    )


def _trainable(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights that are trained, in the memory of the CPU."""
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad}


def _interpolate(model: torch.nn.Module, start: Mapping[str, torch.Tensor], share: float) -> None:
    """Leave `share` of the way from the weights in `start` to the trained ones. Each factor of an adapter goes that
    way: to first order its product does."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in start:
                parameter.lerp_(start[name].to(parameter.device), 1 - share)


def _arguments(recipe: Recipe, num_steps: int, seed: int, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.per_device_train_batch_size,
        gradient_accumulation_steps=recipe.gradient_accumulation_steps,
        lr_scheduler_type=recipe.lr_scheduler_type,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.bf16,
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),  # else bf16 is refused
        activation_checkpointing=recipe.activation_checkpointing,
        logging_steps=max(1, num_steps // 20),
        save_strategy="no",  # _SaveByTime decides
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        train_sampling_strategy="sequential",  # the order of the rows is `draw_order`'s
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
    )


def _resumable(folder: Path) -> str | None:
    """Find the last checkpoint that was written completely: `trainer_state.json` is its last file."""
    if not folder.is_dir():
        return None
    for path in folder.glob("checkpoint-*"):
        if not (path / "trainer_state.json").is_file():
            shutil.rmtree(path)
    found: str | None = get_last_checkpoint(str(folder))
    return found


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Token for padding, which is masked and carries no loss: the end token where there is no padding token."""
    pad = tokenizer.pad_token_id
    return int(pad if pad is not None else tokenizer.eos_token_id)


def _mean_learning_rates(recipe: Recipe, num_steps: int, marks: list[int]) -> list[float]:
    """Mean learning rate of the steps up to each mark, from the one before; computed from the schedule alone, so that a
    resumed training gives the same as one that ran through."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.learning_rate)
    warmup = recipe.warmup_steps
    num_warmup = int(warmup) if warmup >= 1 else int(np.ceil(num_steps * warmup))
    schedule = get_scheduler(recipe.lr_scheduler_type, optimizer, num_warmup, num_steps)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return [float(np.mean(rates[a:b] or [0.0])) for a, b in zip([0, *marks[:-1]], marks, strict=True)]


class _SaveByTime(TrainerCallback):  # type: ignore[misc]
    """Write a checkpoint to resume from every SAVE_EVERY_S seconds; short trainings write none."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._wait_s = SAVE_EVERY_S

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if time.monotonic() - self._last >= self._wait_s and state.global_step < state.max_steps:
            control.should_save = True
            self._last = time.monotonic()

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._wait_s = max(SAVE_EVERY_S, 20 * (time.monotonic() - self._last))
        self._last = time.monotonic()


class _KeepMiddle(TrainerCallback):  # type: ignore[misc]
    def __init__(self, step: int, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        self._step, self._folder, self._tokenizer = step, folder, tokenizer

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self._step:
            kwargs["model"].save_pretrained(self._folder)
            self._tokenizer.save_pretrained(self._folder)


class _Report(TrainerCallback):  # type: ignore[misc]
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._progress.at(state.global_step, state.max_steps)
