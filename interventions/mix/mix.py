"""Training mix: every example, its weight, where it came from and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool, concatenated


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
class MixPart:
    """Rows of one source that stand beside each other in a mix."""

    source: TrainPool
    rows: NDArray[np.int64]
    """[num_rows], places in the source."""


@dataclass(frozen=True, slots=True)
class TrainingMix:
    """Rows and how often each is drawn."""

    parts: tuple[MixPart, ...]
    """Where the rows come from, in their order."""
    examples: TrainPool
    """The rows themselves."""
    weights: NDArray[np.float64]
    """Expected share of draws of each row, [num_examples], non-negative, sum 1."""
    origins: tuple[Origin, ...]
    origin: NDArray[np.int64]
    """Place of each row's origin in `origins`, [num_examples]."""
    parents: Mapping[int, str] = field(default_factory=dict)
    """Id of the parent of each row that was made from another, by the row's place."""

    def __post_init__(self) -> None:
        num_rows = sum(len(part.rows) for part in self.parts)
        lengths = {num_rows, len(self.examples), len(self.weights), len(self.origin)}
        assert len(lengths) == 1, f"a mix needs one weight and origin for each example, got lengths {lengths}"
        assert np.all(self.weights >= 0), "weights must not be negative"
        assert abs(float(self.weights.sum()) - 1) < 1e-6, "weights must sum to 1"

    def without(self, left_out: NDArray[np.int64]) -> "TrainingMix":
        """Leave rows out; the others keep their relative weights."""
        kept = np.setdiff1d(np.arange(len(self.weights)), left_out)
        weights, places = self.weights[kept], {old: new for new, old in enumerate(kept.tolist())}
        parts, start = [], 0
        for part in self.parts:
            own = kept[(kept >= start) & (kept < start + len(part.rows))] - start
            parts.append(MixPart(part.source, part.rows[own]))
            start += len(part.rows)
        return TrainingMix(
            parts=tuple(parts),
            examples=self.examples.select(kept),
            weights=weights / weights.sum(),
            origins=self.origins,
            origin=self.origin[kept],
            parents={places[old]: parent for old, parent in self.parents.items() if old in places},
        )


def original_mix(corpus: TrainPool) -> TrainingMix:
    """Mix of the corpus as it stands: every row alike, but for the weights of their sources."""
    whole = MixPart(corpus, np.arange(len(corpus)))
    return TrainingMix((whole,), corpus, corpus.draws(), (ORIGINAL,), np.zeros(len(corpus), np.int64))


def joined(parts: Sequence[MixPart]) -> TrainPool:
    """The rows of all parts as one table; metadata of different types in different parts becomes text, nested ones are
    left out.

    Raises:
        ValueError: prompt and completion are joined in different ways.
    """
    renderings = list(dict.fromkeys(part.source.rendering for part in parts))
    if len(renderings) > 1:
        raise ValueError(
            f"corpus.pool is rendered by {renderings[1]} and corpus.train by {renderings[0]}; "
            "rows of one training need the same corpus.delimiter and template"
        )
    weights: dict[str, float] = {}
    for part in reversed(parts):  # the corpus comes first, and what it says of a source holds
        weights |= part.source.source_weights
    rows = concatenated([part.source.rows.select(part.rows) for part in parts])
    return TrainPool(rows, renderings[0], source_weights=weights)
