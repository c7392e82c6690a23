"""Estimate the memory of a training and the size of what it leaves, from the shapes of a model alone.

Activations are those of a transformer's layer without stored attention scores, 17 numbers for each token and unit of
width (Korthikanti et al. 2022, arXiv 2205.05198); AdamW keeps two numbers for each trained one.
"""

from dataclasses import dataclass
from math import prod

from torch import nn
from transformers import AutoConfig

from controller.train.before.given import without_memory
from controller.train.recipe import Recipe
from evals.model_ref import ModelRef

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_ACTIVATION_NUMBERS = 17
"""Numbers that a layer keeps for the backward pass, for each token and unit of its width."""
_LOGIT_COPIES = 3
"""Logits, their logarithms of probabilities, and their gradients."""


@dataclass(frozen=True, slots=True)
class TrainingNeeds:
    """Bytes that one training takes, estimated."""

    weights: int
    optimizer: int
    """Gradients and the two moments of AdamW, of trained weights."""
    activations: int
    logits: int
    model_on_disk: int
    """Weights of one model that it leaves: those of an adapter where one is trained."""

    @property
    def memory(self) -> int:
        return self.weights + self.optimizer + self.activations + self.logits


def training_needs(model: ModelRef, recipe: Recipe, longest: int) -> TrainingNeeds:
    """Estimate what a training takes.

    Args:
        model: Model that is trained; its configuration is read.
        recipe: Recipe of the training.
        longest: Tokens of the longest row, to which a batch may be padded.
    """
    config = AutoConfig.from_pretrained(model.path, revision=model.revision)
    built = without_memory(config)
    each = BYTES.get(model.dtype, BYTES["float32"])
    rank = recipe.lora.r if recipe.lora is not None else None
    total = sum(prod(weight.shape) for weight in built.parameters())
    trained = total if rank is None else _adapter_numbers(built, rank)
    tokens = recipe.per_device_train_batch_size * min(longest, recipe.max_length)
    text = getattr(config, "text_config", config)
    layers = 1 if recipe.activation_checkpointing else int(getattr(text, "num_hidden_layers", 1))
    own = 2 if recipe.bf16 else 4
    return TrainingNeeds(
        weights=each * total + (0 if rank is None else 4 * trained),
        optimizer=3 * each * trained,
        activations=_ACTIVATION_NUMBERS * own * layers * tokens * int(text.hidden_size),
        logits=_LOGIT_COPIES * 4 * tokens * int(text.vocab_size),
        model_on_disk=4 * trained if rank is not None else each * total,
    )


def _adapter_numbers(model: nn.Module, rank: int) -> int:
    """Numbers of an adapter on all linear layers but the last one, which gives the logits."""
    sizes = [module for name, module in model.named_modules() if isinstance(module, nn.Linear) and name != "lm_head"]
    return sum(rank * (module.in_features + module.out_features) for module in sizes)
