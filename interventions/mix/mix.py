"""Training mix: every example, its weight, where it came from and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows came from and why they are there; shared by all rows of one action."""

    kind: str
    """Kind of the action in one word: `original`, `retrieve`, `reweight`, `random`, ..."""
    reason: str
    """Reason in one sentence."""
    slice: str = ""
    """Slice of training rows that was acted on, in words."""
    maker: str = ""
    """Maker of the rows, where no person wrote them."""
    verifier: str = ""
    """How each row was verified."""


ORIGINAL = Origin("original", "stood in the corpus")


@dataclass(frozen=True, slots=True)
class TrainingMix:
    """Rows and how often each is drawn."""

    examples: TrainPool
    weights: NDArray[np.float64]
    """Expected share of draws of each row, [num_examples], non-negative, sum 1."""
    origins: tuple[Origin, ...]
    origin: NDArray[np.int64]
    """Place of each row's origin in `origins`, [num_examples]."""
    parents: Mapping[int, str] = field(default_factory=dict)
    """Id of the parent of each row that was made from another, by the row's place."""

    def __post_init__(self) -> None:
        lengths = {len(self.examples), len(self.weights), len(self.origin)}
        assert len(lengths) == 1, f"a mix needs one weight and origin for each example, got lengths {lengths}"
        assert np.all(self.weights >= 0), "weights must not be negative"
        assert abs(float(self.weights.sum()) - 1) < 1e-6, "weights must sum to 1"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of each row's origin, [num_examples]."""
        return tuple(self.of_rows([origin.kind for origin in self.origins]))

    def of_rows(self, values: Sequence[str]) -> list[str]:
        """Spread one value per origin over the rows, [num_examples]."""
        return [values[place] for place in self.origin.tolist()]

    def without(self, left_out: NDArray[np.int64]) -> "TrainingMix":
        """Leave rows out; the others keep their relative weights."""
        kept = np.setdiff1d(np.arange(len(self.weights)), left_out)
        weights, places = self.weights[kept], {old: new for new, old in enumerate(kept.tolist())}
        return TrainingMix(
            examples=self.examples.select(kept),
            weights=weights / weights.sum(),
            origins=self.origins,
            origin=self.origin[kept],
            parents={places[old]: parent for old, parent in self.parents.items() if old in places},
        )


def original_mix(corpus: TrainPool) -> TrainingMix:
    """Mix of the corpus as it stands, every row alike."""
    size = len(corpus)
    return TrainingMix(corpus, np.full(size, 1 / size), (ORIGINAL,), np.zeros(size, np.int64))
