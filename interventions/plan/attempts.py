"""Attempts with a champion: plans that are not repeated, and how far the next one may go."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

LEAST_TAKEN = 0.05
"""Smallest share of the draws that a fix may take; with less, it is hardly trained on."""
LEAST_INTERPOLATION = 0.25
"""Smallest interpolation; nearer to the champion hardly anything is gained."""


@dataclass(frozen=True, slots=True)
class Attempts:
    keys: tuple[str, ...] = ()
    """Keys of plans that a verdict or a person has judged (`Plan.keys`)."""
    scale: float = 1.0
    """Multiplies the draws that the fix takes from the corpus's other rows (`Limits.scale`)."""
    left_out: tuple[str, ...] = ()
    """Keys of actions that a person has taken out of the plan, which is carried out without them."""
    interpolation: float = 1.0
    """Share of the way from the champion's weights to the trained ones at which the weights of every arm are set."""

    @property
    def is_first(self) -> bool:
        """Whether no verdict has made the next change smaller."""
        return self.scale == self.interpolation == 1

    def comes_back(self, from_base: bool) -> bool:
        """Whether a fix that gains and does harm may be tried nearer to the champion."""
        return not from_base and self.interpolation / 2 >= LEAST_INTERPOLATION

    def scaled(self, scale: float) -> "Attempts":
        """Multiply the scale by this one."""
        return replace(self, scale=self.scale * scale)

    def changed(self, left_out: Iterable[str], scale: float) -> "Attempts":
        """Leave these actions out of the plan, and multiply the scale."""
        return replace(self, left_out=(*self.left_out, *left_out), scale=self.scale * scale)

    def without(self, keys: Iterable[str]) -> "Attempts":
        """Propose nothing of these keys again, nor what was left out, and begin anew with how far a change goes."""
        return Attempts((*self.keys, *self.left_out, *keys))
