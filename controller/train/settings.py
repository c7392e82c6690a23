"""Settings of a model and of its training: `model.*` and `train.*`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from omegaconf import MISSING

from evals.validation import FREE, not_negative, one_of, positive

SCHEDULERS = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)
"""Schedules of transformers that need no further argument and no evaluation during training."""


@dataclass
class ScratchModel:
    """`model=scratch`: a model from nothing, its tokenizer made from the corpus."""

    arch: Any = field(default_factory=dict)
    """Transformers config: `model_type` (default llama) and any of its fields. Single fields, as
    `model.arch.hidden_size=64`, change the one that is there; `model.arch={model_type: gpt2, ...}` replaces it."""
    tokenizer: str = "bpe"
    """Kind of tokenizer: word, char or bpe."""
    vocab_size: int = 8192
    """Largest vocabulary."""

    is_trained = False
    """Whether round 0 can measure it as it is."""

    def __post_init__(self) -> None:
        if not isinstance(self.arch, Mapping):
            raise ValueError(
                f"model.arch must be fields of a transformers config, as {{model_type: gpt2}}, got {self.arch!r}"
            )
        one_of("model.tokenizer", self.tokenizer, ("word", "char", "bpe"))
        positive("model.vocab_size", self.vocab_size)


@dataclass
class Lora:
    """`model.lora.*`: train an adapter of this rank instead of all weights."""

    r: int | None = None
    """Rank; unset trains all weights."""
    alpha: float = 16.0
    """Scale of the adapter: its update is multiplied by `alpha / r`."""
    dropout: float = 0.0
    """Share of the adapter's inputs that are dropped in training."""
    target_modules: str = "all-linear"
    """Value for peft's `target_modules`."""

    def __post_init__(self) -> None:
        positive("model.lora.r", self.r)
        positive("model.lora.alpha", self.alpha)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"model.lora.dropout must be at least 0 and below 1, got {self.dropout}; 0 drops nothing")


@dataclass
class PretrainedModel:
    """`model=pretrained`: a folder or hub id that transformers loads."""

    name: str = MISSING
    """Folder or hub id; an adapter's folder names its base itself."""
    revision: str | None = None
    """Branch, tag or commit on the hub; unset means its main branch."""
    dtype: str = "float32"
    """Data type of the weights in memory; AdamW on bfloat16 weights loses small updates, so the choice is yours."""
    checkpoints: list[str] = field(default_factory=list)
    """Earlier checkpoints of the same training, oldest first; attribution averages over them."""
    lora: Lora = field(default_factory=Lora)
    trained_on_corpus: bool | None = None
    """Whether `corpus.train` is what it was trained on, so that failures may be explained by its rows; unset: where
    `checkpoints` of its training are given."""

    is_trained = True

    @property
    def knows_corpus(self) -> bool:
        """Whether `corpus.train` is said to be what it was trained on."""
        return bool(self.checkpoints) if self.trained_on_corpus is None else self.trained_on_corpus

    def __post_init__(self) -> None:
        one_of("model.dtype", self.dtype, ("auto", "float32", "bfloat16", "float16"))


@dataclass
class RecordedModel:
    """`model=recorded`: a model whose answers are known (`evals.samples`) and that can be neither asked nor trained."""

    is_trained = True


@dataclass
class TrainUpdate:
    """`train.update.*`: settings that differ when an arm goes on from the champion; unset means as in `train`."""

    num_train_epochs: float | None = None
    """Number of passes over the mix."""
    max_steps: int | None = None
    """Number of optimiser steps."""
    tokens: int | None = None
    """Tokens to train on, padding not counted."""
    learning_rate: float | None = None
    """Learning rate at the schedule's top."""
    row_passes: float | None = None
    """Number of times that an arm draws each added row on average; the arm ends there where its length is not given
    here. Unset: 3 for a pretrained model, and all of the training's length for one from scratch."""

    def __post_init__(self) -> None:
        for key in ("num_train_epochs", "max_steps", "tokens", "learning_rate", "row_passes"):
            positive(f"train.update.{key}", getattr(self, key))

    @property
    def has_length(self) -> bool:
        """Whether the length of an arm is given."""
        return any(value is not None for value in (self.num_train_epochs, self.max_steps, self.tokens))


@dataclass
class Train:
    """`train.*`, with the names of transformers' TrainingArguments where these exist."""

    initial: bool | None = None
    """Train on `corpus.train` before round 0; unset means yes for scratch, no for pretrained."""
    start: str = "champion"
    """Start of every arm; base: it retrains from the given model, champion: it goes on from the last accepted one."""
    retrain_below: float = 0.5
    """Where a fix leaves less than this share of the corpus, every arm of its round retrains from the given model, as
    with `base`, since it is another corpus. 0 means never."""
    num_train_epochs: float = 1.0
    """Number of passes over the mix, used when neither `max_steps` nor `tokens` is set."""
    max_steps: int | None = None
    """Number of optimiser steps."""
    tokens: int | None = None
    """Tokens to train on, padding not counted; the row that reaches them is the last one."""
    learning_rate: float | None = None
    """Learning rate; unset means 1e-3 from scratch, 2e-4 for LoRA, 5e-5 otherwise."""
    per_device_train_batch_size: int = 32
    """Rows of a batch."""
    gradient_accumulation_steps: int = 1
    """Batches whose gradients one optimiser step adds up."""
    max_length: int = 512
    """Most tokens of a row; longer rows are truncated and counted."""
    end_in_loss: bool = True
    """Whether the end token is in the loss; false leaves it out, as collators do that mask padding where it is the end
    token: the model then never learns to stop."""
    lr_scheduler_type: str = "linear"
    """Schedule of the learning rate: linear, cosine, cosine_with_restarts, polynomial, constant, constant_with_warmup
    or inverse_sqrt."""
    warmup_steps: float = 0.0
    """Number of warm-up steps, or their share of all steps when below 1."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = 1.0
    """Norm to which gradients are clipped."""
    bf16: bool = False
    """Whether passes run in bfloat16, by autocast, while weights keep their type; on a GPU or a CPU that can."""
    activation_checkpointing: bool = False
    """Whether activations are computed again in the backward pass instead of kept: less memory, more time."""
    packing: bool = False
    """Lay the rows of a batch end to end, up to `max_length`, each attending to itself alone: the same loss with less
    padding."""
    update: TrainUpdate = field(default_factory=TrainUpdate)
    keep: str = field(default="all", metadata=FREE)
    """Weights of trainings that stay on disk. `all`: every one. `needed`: after each round those with which the loop
    can go on: the model of round 0, the champions, the last challenger. `champion`: of a loop that is over, the
    champion alone, from which another night goes on; more rounds, doses or a fidelity would have to train again."""

    def __post_init__(self) -> None:
        one_of("train.start", self.start, ("base", "champion"))
        one_of("train.keep", self.keep, ("all", "needed", "champion"))
        for key in (
            "num_train_epochs",
            "max_steps",
            "tokens",
            "learning_rate",
            "per_device_train_batch_size",
            "gradient_accumulation_steps",
            "max_length",
            "max_grad_norm",
        ):
            positive(f"train.{key}", getattr(self, key))
        if not 0 <= self.retrain_below <= 1:
            raise ValueError(f"train.retrain_below must be between 0 and 1, got {self.retrain_below}; 0 means never")
        one_of("train.lr_scheduler_type", self.lr_scheduler_type, SCHEDULERS)
        not_negative("train.warmup_steps", self.warmup_steps)
        not_negative("train.weight_decay", self.weight_decay)

    @property
    def determining(self) -> dict[str, Any]:
        """Settings that trainings depend on: all but what stays on disk of them."""
        return {key: value for key, value in asdict(self).items() if key != "keep"}
