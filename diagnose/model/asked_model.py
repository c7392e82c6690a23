"""The model that is asked: its checkpoints, its tokenizer, and how rows become batches in its training."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from diagnose.model.checkpoint import Checkpoint, context_length, device, load_model
from diagnose.rows.tokens import TokenRows, encode
from evals.items import Answered, Edited, Item, ItemResult
from evals.model_ref import ModelRef


@dataclass
class AskedModel:
    """The model that is diagnosed; its weights are read once, whatever is asked of them."""

    tokenizer: PreTrainedTokenizerBase
    checkpoints: Sequence[Checkpoint]
    """Of one training, oldest first; the last is the model that was measured."""
    max_length: int
    """Tokens of a row, as in training."""
    end_in_loss: bool | None = None
    """Whether training saw the end token in the loss; None where it was not ours."""
    _kept: PreTrainedModel | None = field(default=None, init=False, repr=False)
    _trainable: frozenset[str] = field(default=frozenset(), init=False, repr=False)
    _use_cache: bool = field(default=True, init=False, repr=False)

    @property
    def measured(self) -> ModelRef:
        return self.checkpoints[-1].model

    def load(self, ref: ModelRef | None = None) -> PreTrainedModel:
        """The measured model, or another checkpoint: as it was loaded, whatever was done with it meanwhile.

        Only the measured one is kept, and outside the accelerator's memory while another is asked.
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
        """Of a row: no more than the model takes; reads its configuration."""
        return min(self.max_length, context_length(self.measured) or self.max_length)


class Asker(Protocol):
    """Asks the measured model probe items under other prompts; `evals.harness.asking` is one."""

    num_tokens: int

    def can_ask(self, item: Item) -> bool: ...

    def has_room(self, edit: Edited) -> bool: ...

    def ask(self, edits: Sequence[Edited]) -> list[ItemResult | None]: ...

    def score(self, answered: Sequence[Answered]) -> list[ItemResult | None]:
        """Answers as the task's filters leave them, by its own metrics; the model is not asked."""
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """The measured model, and how rows become batches in its training."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    end_in_loss: bool | None
    """None where the model was trained elsewhere."""
    batch_tokens: int

    def encode(self, rows: Sequence[tuple[str, str]], delimiter: str, end_in_loss: bool = True) -> TokenRows:
        """Prompts and completions as batches have them."""
        prompts, completions = [prompt for prompt, _ in rows], [completion for _, completion in rows]
        return encode(prompts, completions, self.tokenizer, delimiter, self.max_length, end_in_loss)

    def encode_answers(self, items: Sequence[Item], answers: Sequence[str]) -> TokenRows:
        """Answers to items as attribution has them."""
        completions = [
            (item.delimiter if item.prompt else "") + answer for item, answer in zip(items, answers, strict=True)
        ]
        return encode([item.prompt for item in items], completions, self.tokenizer, "", self.max_length)
