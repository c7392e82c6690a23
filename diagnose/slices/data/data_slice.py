"""Training rows behind a failing slice, as diagnosis hands them on."""

from dataclasses import dataclass

from diagnose.slices.predicate import Slice
from evals.statistics.intervals import Interval


@dataclass(frozen=True, slots=True)
class ScoredExample:
    id: str
    source: str
    prompt: str
    completion: str
    score: float


@dataclass(frozen=True, slots=True)
class Nearness:
    """A data slice whose rows share no predicate: they are the nearest to the failed items."""

    nearest: tuple[ScoredExample, ...]
    """Nearest rows of the slice in corpus and pool, the nearest first; the score is the share of the failed items that
    lie no nearer to the others, in [0, 1]."""
    farthest: tuple[ScoredExample, ...]
    """Farthest rows of the slice, the farthest first."""
    views: tuple[str, ...]
    """Measures of nearness that were used."""


@dataclass(frozen=True, slots=True)
class DataSlice:
    """Training rows that share a predicate, or are near the failing items, and their effect on these."""

    slice: Slice
    effect: float
    """Mean effect of a row on the failing items' loss (nats per unit of example weight), divided by the largest
    absolute one of the listed slices; positive means that more of it helps."""
    ci: Interval
    num_examples: int
    """Rows of the corpus in the slice."""
    num_pool: int
    """Rows of the pool in the slice."""
    losses: tuple[float, ...] = ()
    """Mean loss of its rows at each checkpoint, oldest first, nats per token; shows whether they are being learnt."""
    nearness: Nearness | None = None
    """How near the rows are; None where a predicate defines them."""
