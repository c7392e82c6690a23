"""What a model is trained on: every example, its weight, where it came from and why."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.pool import TrainPool


@dataclass(frozen=True, slots=True)
class TrainingMix:
    """Rows and how often each is drawn.

    `weights` is [num_examples], non-negative, sum 1: the expected share of draws of each row.
    `kinds` and `reasons` are one word and one sentence for each row: `original`, `retrieve`, `reweight`,
    `random`, ...
    """

    examples: TrainPool
    weights: NDArray[np.float64]
    kinds: tuple[str, ...]
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.examples), len(self.weights), len(self.kinds), len(self.reasons)}
        assert len(lengths) == 1, f"a mix needs one weight, kind and reason for each example, got lengths {lengths}"
        assert np.all(self.weights >= 0), "weights must not be negative"
        assert abs(float(self.weights.sum()) - 1) < 1e-6, "weights must sum to 1"


def original_mix(corpus: TrainPool) -> TrainingMix:
    """The corpus as it stands, every row alike."""
    size = len(corpus)
    return TrainingMix(
        examples=corpus,
        weights=np.full(size, 1 / size),
        kinds=("original",) * size,
        reasons=("stood in the corpus",) * size,
    )
