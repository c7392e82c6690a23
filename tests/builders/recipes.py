"""How to train, in tests."""

from typing import Any

from controller.train.recipe import Draws, Recipe


def plain_recipe(**changes: Any) -> Recipe:
    """Eight rows in batches of four, every choice left out; `changes` are fields of a recipe."""
    fields: dict[str, Any] = {
        "length": Draws(8),
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "max_length": 16,
        "end_in_loss": True,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "bf16": False,
        "activation_checkpointing": False,
        "lora": None,
    }
    return Recipe(**{**fields, **changes})
