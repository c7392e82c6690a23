"""Turn the settings into a recipe, which is the same for every arm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controller.train.settings import Lora, PretrainedModel, ScratchModel, Train, TrainUpdate

_PASSES_OF_PRETRAINED = 3.0
"""As many epochs as fine-tuning mostly takes; a model from scratch sees its rows more often."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Train on this many rows, repeats counted."""

    count: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Train on rows until they hold this many tokens, padding not counted."""

    count: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the settings of `train.*` with nothing left open."""

    length: Draws | Tokens
    learning_rate: float
    per_device_train_batch_size: int
    gradient_accumulation_steps: int
    max_length: int
    end_in_loss: bool
    lr_scheduler_type: str
    warmup_steps: float
    weight_decay: float
    max_grad_norm: float
    bf16: bool
    activation_checkpointing: bool
    lora: Lora | None
    packing: bool = False
    """Whether the rows of a batch are laid end to end."""
    interpolation: float = 1.0
    """Share of the trained weights in the model that is left; the rest is of the start's weights (Wortsman et al. 2022,
    arXiv 2109.01903). 1 leaves what was trained, less forgets less."""


def recipe(
    train: Train,
    model: ScratchModel | PretrainedModel,
    update: TrainUpdate,
    num_rows: int,
    mean_tokens: float | None,
) -> Recipe:
    """Lay `update` over `train.*` and fill in the defaults.

    Args:
        train: Settings of the training.
        model: Settings of the model, which decide the default learning rate and whether an adapter is trained.
        update: Settings that differ; a default one changes nothing.
        num_rows: Rows of the mix, which are an epoch.
        mean_tokens: Mean tokens of a draw. If given, the length is in tokens, so that all arms have the
            same; else in rows.
    """
    batch = train.per_device_train_batch_size * train.gradient_accumulation_steps
    own = update.has_length
    tokens = update.tokens if own else train.tokens
    max_steps = update.max_steps if own else train.max_steps
    epochs = update.num_train_epochs if own and update.num_train_epochs is not None else train.num_train_epochs
    draws = max_steps * batch if max_steps is not None else max(1, round(epochs * num_rows))
    length: Draws | Tokens
    if tokens is not None:
        length = Tokens(tokens)
    elif mean_tokens is not None:
        length = Tokens(max(1, round(draws * mean_tokens)))
    else:
        length = Draws(draws)
    return Recipe(
        length=length,
        learning_rate=update.learning_rate or train.learning_rate or _default_learning_rate(model),
        per_device_train_batch_size=train.per_device_train_batch_size,
        gradient_accumulation_steps=train.gradient_accumulation_steps,
        max_length=train.max_length,
        end_in_loss=train.end_in_loss,
        lr_scheduler_type=train.lr_scheduler_type,
        warmup_steps=train.warmup_steps,
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        bf16=train.bf16,
        activation_checkpointing=train.activation_checkpointing,
        lora=model.lora if isinstance(model, PretrainedModel) else None,
        packing=train.packing,
    )


def change_tokens(
    update: TrainUpdate, model: ScratchModel | PretrainedModel, added: Sequence[tuple[int, float]]
) -> int | None:
    """Count the tokens after which an arm has drawn the rows that a change adds `row_passes` times; None where nothing
    but the training's own length limits it.

    Args:
        update: Settings of an arm that goes on from the champion.
        model: Settings of the model, which decide the default.
        added: Of each action the tokens of the rows that it adds, once each, and their share of the draws.
    """
    passes = row_passes(update, model)
    lengths = [tokens / share for tokens, share in added if tokens and share > 0]
    return None if passes is None or not lengths else max(1, math.ceil(passes * max(lengths)))


def row_passes(update: TrainUpdate, model: ScratchModel | PretrainedModel) -> float | None:
    """Number of times that an arm draws each added row before it ends; None where its length is given otherwise."""
    if update.has_length:
        return None
    return (
        _PASSES_OF_PRETRAINED if update.row_passes is None and isinstance(model, PretrainedModel) else update.row_passes
    )


def _default_learning_rate(model: ScratchModel | PretrainedModel) -> float:
    if isinstance(model, ScratchModel):
        return 1e-3
    return 5e-5 if model.lora.r is None else 2e-4
