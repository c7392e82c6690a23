"""Model as stages receive it."""

from dataclasses import dataclass, field

from controller.engine.artifacts import Data
from diagnose.model.checkpoint import Checkpoint
from evals.model_ref import ModelRef
from evals.validation import FREE

FILLING = 5_000_000
"""Parameters from which a model's passes fill several cores: at 7.6, 18 and 135 M two threads did a training step 1.5
to 1.8 times as fast as one, at .1 and .7 M 1.2 to 1.7 times, and slower as soon as anything else ran."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model with what the loop knows of it; its key holds everything that determines a result."""

    ref: ModelRef = field(metadata=FREE)
    key: str
    """Key of the model's content: what was measured with one key holds for every model of that key."""
    checkpoints: tuple[Checkpoint, ...] = field(metadata=FREE)
    """Checkpoints, oldest first and the model last, for attribution."""
    num_parameters: int = field(metadata=FREE)
    corpus: Data = field(metadata=FREE)
    """Rows that the model was trained on: `corpus.train`, and the rows of every accepted fix since."""
    passes: float | None = field(default=None, metadata=FREE)
    """How often its trainings drew a row of what they trained on, on average; None where some of them were made
    elsewhere."""

    @property
    def fills_cores(self) -> bool:
        """Whether passes of the model are faster with every core that is free."""
        return self.num_parameters >= FILLING
