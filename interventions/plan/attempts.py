"""What a champion was already tried with: what a next plan must not repeat, and how far it may go."""

from dataclasses import dataclass, replace

LEAST_TAKEN = 0.05
"""Of the draws: with less, a fix is hardly trained on."""
LEAST_INTERPOLATION = 0.25
"""Nearer to the champion hardly anything is gained."""


@dataclass(frozen=True, slots=True)
class Attempts:
    keys: tuple[str, ...] = ()
    """`Plan.keys` that were judged."""
    scale: float = 1.0
    """Part of the draws that the fix gets, of those that it would take."""
    interpolation: float = 1.0
    """Share of the way from the champion's weights to the trained ones at which every arm is left."""

    @property
    def is_first(self) -> bool:
        """Whether no verdict has asked for less."""
        return self.scale == self.interpolation == 1

    def comes_back(self, from_base: bool) -> bool:
        """Whether a fix that gains and does harm may be left nearer to the champion still."""
        return not from_base and self.interpolation / 2 >= LEAST_INTERPOLATION

    def scaled(self, scale: float) -> "Attempts":
        """The same, with so large a part of these draws."""
        return replace(self, scale=self.scale * scale)
