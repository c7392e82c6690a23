"""The measured model: its checkpoints, its tokenizer, and how its training made rows into batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from diagnose.model.checkpoint import Checkpoint, context_length, device, load_model
from diagnose.model.likelihoods import AnswerReader, RowLikelihoods, row_likelihoods
from diagnose.model.queries import encode_answers
from diagnose.rows.tokens import TokenRows, encode
from evals.items import Answered, Edited, Item, ItemResult
from evals.model_ref import CausalModel, ModelRef


@dataclass
class AskedModel:
    """The model that is diagnosed; its weights are read once, for all of its uses."""

    tokenizer: PreTrainedTokenizerBase
    checkpoints: Sequence[Checkpoint]
    """Checkpoints of one training, oldest first; the last is the model that was measured."""
    max_length: int
    """Most tokens of a row, as in training."""
    end_in_loss: bool | None = None
    """Whether the training's loss included the end token; None where the model was trained elsewhere."""
    passes: float | None = None
    """How often training drew a row of the corpus, on average; None where that is not known."""
    _kept: CausalModel | None = field(default=None, init=False, repr=False)
    _trainable: frozenset[str] = field(default=frozenset(), init=False, repr=False)
    _use_cache: bool = field(default=True, init=False, repr=False)

    @property
    def measured(self) -> ModelRef:
        return self.checkpoints[-1].model

    def load(self, ref: ModelRef | None = None) -> CausalModel:
        """The measured model, or another checkpoint: as it was loaded, whatever was done with it meanwhile.

        Only the measured one is kept, and outside the accelerator's memory while another is used.
        """
        if ref is not None and ref != self.measured:
            if self._kept is not None:
                self._kept.to("cpu")
            return load_model(ref)
        if self._kept is None:
            self._kept = load_model(self.measured)
            self._trainable = frozenset(name for name, p in self._kept.named_parameters() if p.requires_grad)
            self._use_cache = self._kept.config.use_cache
        self._kept.config.use_cache = self._use_cache
        for name, parameter in self._kept.named_parameters():
            parameter.requires_grad_(name in self._trainable)
        return self._kept.to(device())

    @property
    def most_tokens(self) -> int:
        """Most tokens of a row that the model takes, at most `max_length`; reads its configuration."""
        return min(self.max_length, context_length(self.measured) or self.max_length)


class Asker(Protocol):
    """Asks the measured model probe items under other prompts; `evals.harness.asking.Asker` is one."""

    num_tokens: int

    def can_ask(self, item: Item) -> bool: ...

    def has_room(self, edit: Edited) -> bool: ...

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]: ...

    def score(self, answered: Sequence[Answered]) -> list[ItemResult | None]:
        """Score answers, as the task's filters leave them, by its own metrics; the model is not used."""
        ...


@dataclass(frozen=True)
class Trained:
    """The measured model in memory, and how its training made rows into batches."""

    model: CausalModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    end_in_loss: bool | None
    """Whether the training's loss included the end token; None where the model was trained elsewhere."""
    batch_tokens: int
    passes: float | None = None
    """How often training drew a row of the corpus, on average; None where that is not known."""

    @cached_property
    def read_answers(self) -> AnswerReader:
        """Likelihoods of answers to items; what is asked twice is read once, so the weights must stay."""

        def read(items: Sequence[Item], answers: Sequence[str]) -> RowLikelihoods:
            return row_likelihoods(self.model, self.encode_answers(items, answers), self.batch_tokens)

        return AnswerReader(read)

    def encode(self, rows: Sequence[tuple[str, str]], delimiter: str) -> TokenRows:
        """Encode prompts and completions as plain text."""
        prompts, completions = [prompt for prompt, _ in rows], [completion for _, completion in rows]
        return encode(prompts, completions, self.tokenizer, delimiter, self.max_length)

    def encode_answers(self, items: Sequence[Item], answers: Sequence[str]) -> TokenRows:
        """Encode answers to items as attribution has them."""
        return encode_answers(items, answers, self.tokenizer, self.max_length)
