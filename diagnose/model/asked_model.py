"""The model that is asked: its checkpoints, its tokenizer, and how rows become batches in its training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from diagnose.model.checkpoint import Checkpoint, context_length
from diagnose.rows.tokens import TokenRows, encode
from evals.items import Answered, Edited, Item, ItemResult
from evals.model_ref import ModelRef


@dataclass(frozen=True, slots=True)
class AskedModel:
    """The model whose gradients are asked."""

    tokenizer: PreTrainedTokenizerBase
    checkpoints: Sequence[Checkpoint]
    """Of one training, oldest first; the last is the model that was measured."""
    max_length: int
    """Tokens of a row, as in training."""
    end_in_loss: bool | None = None
    """Whether training saw the end token in the loss; None where it was not ours."""

    @property
    def measured(self) -> ModelRef:
        return self.checkpoints[-1].model

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
