"""Every key a user can set, as the dataclasses that Hydra checks and OmegaConf builds.

A field is a key: `train.learning_rate` is `Train.learning_rate`. `__post_init__` checks and never loads.
Settings that belong to a component stand with it (`evals.suite`, `diagnose.diagnoser`, `interventions`).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from omegaconf import MISSING

from controller.arms import ControlArm, control_arms
from controller.checks import check_doses, one_of, positive
from controller.prove.scenario import Prove
from diagnose.diagnoser import Diagnoser
from evals.suite import EvalSuite


@dataclass
class ScratchModel:
    """`model=scratch`: a model from nothing, its tokenizer made from the corpus."""

    arch: dict[str, Any] = field(default_factory=dict)
    """`model_type` (default llama) and any field of that transformers config."""
    tokenizer: str = "bpe"
    """word, char or bpe."""
    vocab_size: int = 8192
    """Largest vocabulary."""

    is_trained = False
    """Whether round 0 can measure it as it is."""

    def __post_init__(self) -> None:
        one_of("model.tokenizer", self.tokenizer, ("word", "char", "bpe"))
        positive("model.vocab_size", self.vocab_size)


@dataclass
class Lora:
    """`model.lora.*`: train an adapter of this rank instead of all weights."""

    r: int | None = None
    """Rank; unset trains all weights."""
    alpha: float = 16.0
    dropout: float = 0.0
    target_modules: str = "all-linear"
    """As peft's `target_modules`."""

    def __post_init__(self) -> None:
        positive("model.lora.r", self.r)


@dataclass
class PretrainedModel:
    """`model=pretrained`: a folder or hub id that transformers loads."""

    name: str = MISSING
    revision: str | None = None
    dtype: str = "float32"
    """Of the weights in memory; AdamW on bfloat16 weights loses small updates, so that is yours to choose."""
    checkpoints: list[str] = field(default_factory=list)
    """Earlier checkpoints of the same training, oldest first; attribution sums over them."""
    lora: Lora = field(default_factory=Lora)

    is_trained = True

    def __post_init__(self) -> None:
        one_of("model.dtype", self.dtype, ("auto", "float32", "bfloat16", "float16"))


@dataclass
class TrainUpdate:
    """`train.update.*`: what differs when an arm goes on from the champion; unset means as in `train`."""

    num_train_epochs: float | None = None
    max_steps: int | None = None
    tokens: int | None = None
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        for key in ("num_train_epochs", "max_steps", "tokens", "learning_rate"):
            positive(f"train.update.{key}", getattr(self, key))


@dataclass
class Train:
    """`train.*`, named as in transformers' TrainingArguments where it has a name."""

    initial: bool | None = None
    """Train on `corpus.train` before round 0; unset means yes for scratch, no for pretrained."""
    start: str = "champion"
    """base: every arm retrains from the given model; champion: it goes on from the last accepted one."""
    retrain_below: float = 0.5
    """A fix that leaves less than this share of the corpus is trained on another corpus: every arm of its round
    retrains from the given model, as with `base`. 0 means never."""
    num_train_epochs: float = 1.0
    """Used when neither `max_steps` nor `tokens` is set."""
    max_steps: int | None = None
    tokens: int | None = None
    """Tokens without padding; the last row that passes it is the last one."""
    learning_rate: float | None = None
    """Unset: 1e-3 from scratch, 2e-4 for LoRA, 5e-5 otherwise."""
    per_device_train_batch_size: int = 32
    gradient_accumulation_steps: int = 1
    max_length: int = 512
    """Tokens; longer rows are truncated and counted."""
    end_in_loss: bool = True
    """false leaves the end token out of the loss, as collators do that mask padding where it is the end token: the
    model then never learns to stop."""
    lr_scheduler_type: str = "linear"
    warmup_steps: float = 0.0
    """Steps, or a share of them when below 1."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    bf16: bool = False
    activation_checkpointing: bool = False
    update: TrainUpdate = field(default_factory=TrainUpdate)

    def __post_init__(self) -> None:
        one_of("train.start", self.start, ("base", "champion"))
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
        if self.warmup_steps < 0:
            raise ValueError(f"train.warmup_steps must not be negative, got {self.warmup_steps}")


@dataclass
class Budget:
    """`budget.*`: hard stops for the whole loop; unset means no limit."""

    train_tokens: int | None = None
    flops: float | None = None
    seconds: float | None = None
    rounds: int | None = None

    def __post_init__(self) -> None:
        for key in ("train_tokens", "flops", "seconds", "rounds"):
            positive(f"budget.{key}", getattr(self, key))


@dataclass
class Verify:
    """`verify.*`: how a fix is judged."""

    seeds: int = 3
    """Training seeds for each arm; the gate needs at least 3."""
    alpha: float = 0.025
    """One-sided error level over all looks at the same items."""
    margin: float = 0.03
    """Largest loss on a guard that counts as none."""
    min_gain: float = 0.05
    """Smallest useful gain."""
    arms: list[str] = field(default_factory=lambda: ["continue", "random"])
    """Controls that the fix must beat, all of them (`interventions.controls`); `random@compute` is `random` with the
    FLOPs of the fix, diagnosis included. `verify=full` has them all."""
    match: str = "tokens"
    """What challenger and controls have in equal amount: tokens, or compute with the diagnosis counted in."""
    take_random: bool = True
    """Where random rows do as well as the fix and both beat the old data, the model trained on them is the next
    champion, or the fix's where only that does no harm; false leaves the old one."""
    doses: list[float] = field(default_factory=list)
    """Multiples of the rows that the fix adds, as 0.5 or 2, each trained and measured beside it: would less have done,
    would more do more? They describe and decide nothing."""
    run_sd: float = 0.015
    """Deviation over training seeds that the power calculation assumes at a score of one half, until earlier
    judgements of the same items have measured it."""
    model: str | None = None
    """For the verb `verify`: folder or hub id of the model before."""
    challenger: Any = None
    """For the verb `verify`: folder or hub id of the model after, or a list of them, one for each training
    seed."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"verify.seeds must be at least 1, got {self.seeds}; the gate accepts from 3 on")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"verify.alpha must be between 0 and .5, got {self.alpha}")
        positive("verify.margin", self.margin)
        positive("verify.min_gain", self.min_gain)
        positive("verify.run_sd", self.run_sd)
        if isinstance(self.challenger, str):
            self.challenger = [self.challenger]
        one_of("verify.match", self.match, ("tokens", "compute"))
        control_arms(self.arms, self.match)
        check_doses("verify.doses", self.doses)

    @property
    def determining(self) -> dict[str, Any]:
        """Settings that a verdict depends on: a finished run may be asked for doses afterwards."""
        return {key: value for key, value in asdict(self).items() if key != "doses"}

    @property
    def controls(self) -> tuple[ControlArm, ...]:
        return control_arms(self.arms, self.match)


@dataclass
class Pilots:
    """`pilots.*`: small trainings that settle the share of the draws of added rows, where neither a user nor answers
    that are labels do (`controller.pilots`)."""

    scales: list[float] = field(default_factory=lambda: [1.0, 0.5, 0.25])
    """Parts of the draws that the fix would take from the corpus's other rows, the largest 1; empty tries none and
    keeps all."""
    length: float = 0.3
    """Of an arm's tokens."""

    def __post_init__(self) -> None:
        if any(not 0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"pilots.scales must be above 0 and at most 1, got {list(self.scales)}; [] tries none")
        if self.scales and (len(set(self.scales)) < 2 or max(self.scales) < 1):
            raise ValueError(
                f"pilots.scales must be at least two, 1 among them, got {list(self.scales)}; [] tries none, and "
                "interventions.share says what share a fix has"
            )
        if not 0 < self.length <= 1:
            raise ValueError(f"pilots.length must be above 0 and at most 1, got {self.length}")


@dataclass
class Tracking:
    uri: str | None = None
    """MLflow tracking URI; unset means an SQLite database beside the runs."""


@dataclass
class Propose:
    """`propose.*`: options of the verb `propose`."""

    export: str | None = None
    """Write the mix as JSONL (prompt, completion, weight, ...) for any trainer."""


@dataclass
class LoopSettings:
    name: str = "loop"
    corpus: Any = MISSING
    evals: EvalSuite = field(default_factory=EvalSuite)
    model: Any = MISSING
    diagnose: Diagnoser = field(default_factory=Diagnoser)
    interventions: Any = MISSING
    train: Train = field(default_factory=Train)
    budget: Budget = field(default_factory=Budget)
    pilots: Pilots = field(default_factory=Pilots)
    verify: Verify = field(default_factory=Verify)
    tracking: Tracking = field(default_factory=Tracking)
    propose: Propose = field(default_factory=Propose)
    prove: Prove = field(default_factory=Prove)
    seed: int = 0
    run_dir: str | None = None
    """Unset means runs/<name>-<hash of the settings>."""
    workers: int | None = None
    """Trainings and evaluations side by side; unset means one for each GPU, else one for each two cores
    or, on up to four cores, one for each core."""
