"""A number with its interval, as `loop.json` has it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its two-sided 95 % interval."""

    mean: float
    low: float
    high: float
