"""What a training leaves in its folder."""

from dataclasses import dataclass

from controller.engine.budget import Spent
from controller.train.before.mixture import Drawn

MODEL_FOLDER = "model"
MIDDLE_FOLDER = "middle"


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    folder: str
    """Folder of the checkpoint, relative to the training's."""
    learning_rate: float
    """Mean learning rate over the steps since the checkpoint before; its weight in attribution by rate."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a training left in its folder."""

    checkpoints: tuple[KeptCheckpoint, ...]
    """Checkpoints, oldest first; the last is the model."""
    num_steps: int
    num_tokens: int
    num_truncated: int
    """Number of rows of the mix longer than `max_length`."""
    flops: float
    losses: tuple[float, ...]
    """Mean loss in nats per token over each twentieth of the steps."""
    drawn: tuple[Drawn, ...]
    """Draws of each source, the most first."""

    @property
    def spent(self) -> Spent:
        return Spent(tokens=self.num_tokens, flops=self.flops, train_tokens=self.num_tokens)
