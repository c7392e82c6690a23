"""The models that attribution asks: checkpoints of one training."""

from dataclasses import dataclass

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from evals.model_ref import ModelRef


@dataclass(frozen=True, slots=True)
class Checkpoint:
    model: ModelRef
    learning_rate: float
    """At that step; its weight among the checkpoints where `checkpoint_weights` is `learning_rate`."""


def load_model(ref: ModelRef) -> PreTrainedModel:
    """The causal language model, on the accelerator if there is one; only an adapter is trainable."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(ref.path, revision=ref.revision, dtype=ref.dtype)
    if ref.adapter is not None:
        model = PeftModel.from_pretrained(model, ref.adapter, is_trainable=True)
    return model.to("cuda" if torch.cuda.is_available() else "cpu")
