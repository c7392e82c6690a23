"""Limits of every kind of fix: how many rows it adds, how many of the draws may be synthetic, which licences."""

from dataclasses import dataclass, field, replace
from typing import Self

from interventions.plan.step import Limits

LARGEST_SHARE = 0.5
"""Default share of the draws for all added and raised rows, and the largest that a reweighting may take."""


@dataclass
class Amounts:
    """Settings that all kinds of fixes have; every field is a key `interventions.<field>`."""

    num_examples: int | None = 400
    """Rows added in all; unset means all that are fit. A reweighting or a cleaning adds none."""
    max_synthetic_share: float = 0.5
    """Largest share of the draws for rows that no person wrote."""
    min_human_share: float = 0.25
    """Smallest share of the draws for rows that people wrote."""
    licences: list[str] = field(default_factory=list)
    """Licences that an added row may name in its field `license`; if empty, all are allowed."""

    def __post_init__(self) -> None:
        if self.num_examples is not None and self.num_examples < 1:
            raise ValueError(
                f"interventions.num_examples must be at least 1, got {self.num_examples}; unset means no limit"
            )
        for key in ("max_synthetic_share", "min_human_share"):
            share = getattr(self, key)
            if not 0 <= share <= 1:
                raise ValueError(f"interventions.{key} must be between 0 and 1, got {share}")

    @property
    def synthetic_share(self) -> float:
        """Largest share of the draws for rows that no person wrote, by both rules."""
        return min(self.max_synthetic_share, 1 - self.min_human_share)

    def adding(self, num_examples: int) -> Self:
        """Copy the fix, adding this many rows in all."""
        return replace(self, num_examples=num_examples)


@dataclass
class Additions(Amounts):
    """Settings of fixes that give rows a share of the draws."""

    share: float | None = None
    """Share of the draws for all that a fix adds or raises; the corpus's other rows keep the rest. Unset means half,
    and where answers are labels the share at which they come as often as among the measured items
    (`interventions.plan.fair`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share is not None and not 0 < self.share < 1:
            raise ValueError(
                f"interventions.share must be between 0 and 1, got {self.share}; the added rows and the corpus's own "
                "divide the draws"
            )

    def limits(self) -> Limits:
        share = LARGEST_SHARE if self.share is None else self.share
        return Limits(self.num_examples, share, self.synthetic_share, is_fair=self.share is None)
