"""First rule for the cause of a failing slice: is there data for it, and enough of it?

A rule of thumb on counts, not calibrated: the probabilities order the causes and say how sure the rule is,
no more. Causes that need an experiment (training setup, wrong gold, labels, shortcuts, capacity) are not
judged here, and what is left for them is in `unknown`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from diagnose.finding import Cause

MIN_ROWS = 5
"""Fewer rows than this teach nothing that carries over to other rows."""
FEW_ROWS = 100
"""Up to about here, too few rows and rows that weigh too little look alike from the counts."""
WELL_BELOW = 0.5
"""Of the fair share: above it, the data's amount does not explain a failure."""
LARGEST_FAIR_SHARE = 0.5
"""Where all items are of the failing kind, half of the training is as much as one could ask for."""


@dataclass(frozen=True, slots=True)
class DataCounts:
    """How much data there is for a failing slice."""

    corpus_rows: int
    corpus_share: float
    fair_share: float
    pool_rows: int

    def as_evidence(self) -> Mapping[str, float | str]:
        return {
            "corpus_rows": float(self.corpus_rows),
            "corpus_share": self.corpus_share,
            "fair_share": self.fair_share,
            "pool_rows": float(self.pool_rows),
        }


def fair_share(item_share: float, num_siblings: int | None) -> float:
    """Share of the training rows that a slice may ask for.

    Args:
        item_share: The slice's share of the evaluation items, guards included.
        num_siblings: Values of the field that names the slice, this one included; None for slices of text.
    """
    shares = [item_share, LARGEST_FAIR_SHARE]
    if num_siblings is not None and num_siblings > 1:
        shares.append(1 / num_siblings)
    return min(shares)


def cause_probabilities(counts: DataCounts | None) -> Mapping[Cause, float]:
    """Probability of each cause that the counts can speak of; sum 1.

    Args:
        counts: None where no data slice belongs to the failing items.
    """
    if counts is None:
        return {Cause.UNKNOWN: 1.0}
    if counts.corpus_rows < MIN_ROWS:
        return {Cause.MISSING_DATA: 0.9, Cause.UNKNOWN: 0.1}
    ratio = counts.corpus_share / counts.fair_share
    if ratio < WELL_BELOW:
        # The fewer rows, the less likely that weighing them more is enough; never the likelier.
        missing = 0.3 * FEW_ROWS / (FEW_ROWS + counts.corpus_rows)
        unknown = 0.1 + 0.1 * ratio / WELL_BELOW
        return {
            Cause.UNDERWEIGHTED: 1 - missing - unknown,
            Cause.MISSING_DATA: missing,
            Cause.UNKNOWN: unknown,
        }
    underweighted = 0.3 / (1 + ratio)
    return {
        Cause.UNKNOWN: 1 - underweighted - 0.05,
        Cause.UNDERWEIGHTED: underweighted,
        Cause.MISSING_DATA: 0.05,
    }
