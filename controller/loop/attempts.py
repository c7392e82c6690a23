"""What a champion was already tried with, and what follows for the next round.

A fix that gained over the old data and broke a guard, or ruined a class, is tried again half as far. Arms that went on
from the champion are left half way between its weights and those that they were trained to (Wortsman et al. 2022, arXiv
2109.01903): what a slice gains comes early on that way, what the rest loses late. Arms that were trained from the given
model have no such way; they get half of the draws that the fix took from the corpus's other rows: replay (Rolnick et
al. 2019, arXiv 1811.11682). The new trial has other training seeds and is another look in the ledger. Any other fix
that was rejected is not proposed again.
"""

from dataclasses import dataclass, replace

from controller.results.arm_names import AT_COMPUTE, CONTINUE
from controller.results.loop_json import VerdictRecord
from interventions.plan.plan import Plan

LEAST_TAKEN = 0.05
"""Of the draws: with less, a fix is hardly trained on."""
LEAST_INTERPOLATION = 0.25
"""Nearer to the champion hardly anything is gained."""


@dataclass(frozen=True, slots=True)
class Tried:
    keys: tuple[str, ...] = ()
    """`Plan.keys` that were judged."""
    scale: float = 1.0
    """Part of the draws that the fix gets, of those that it would take."""
    interpolation: float = 1.0
    """As of `Recipe`, for every arm that goes on from the champion."""

    @property
    def is_first(self) -> bool:
        """Whether no verdict has asked for less."""
        return self.scale == self.interpolation == 1

    def comes_back(self, from_base: bool) -> bool:
        """Whether a fix that gains and does harm may be left nearer to the champion still."""
        return not from_base and self.interpolation / 2 >= LEAST_INTERPOLATION

    def scaled(self, scale: float) -> "Tried":
        """The same, with so large a part of these draws."""
        return replace(self, scale=self.scale * scale)

    def after(self, plan: Plan, verdict: VerdictRecord, from_base: bool) -> "Tried":
        """What is known after this plan was not accepted; `from_base` as of `ProposedRound`."""
        is_broken = not all(guard.ok for guard in verdict.guards) or any(group.is_harmed for group in verdict.groups)
        if is_broken and _has_gained(verdict):
            if self.comes_back(from_base):
                return replace(self, interpolation=self.interpolation / 2)
            if from_base and plan.taken / 2 >= LEAST_TAKEN:
                return replace(self, scale=self.scale / 2)
        return Tried((*self.keys, *plan.keys))


def _has_gained(verdict: VerdictRecord) -> bool:
    """Whether the old data was beaten, whatever became of the guards: where random rows do as well, those may be enough
    with fewer draws too."""
    alpha = verdict.alpha
    old = [gain for gain in verdict.gains if gain.control.removesuffix(AT_COMPUTE) == CONTINUE]
    return bool(old) and alpha is not None and all(gain.p < alpha and gain.mean > 0 for gain in old)
