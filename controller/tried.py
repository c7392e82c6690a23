"""What a champion was already tried with, and what follows for the next round.

A fix that gained over the old data and broke a guard, or ruined a class, is tried again with half of the draws that it
took from the corpus's other rows, so that these get more of them: replay (Rolnick et al. 2019, arXiv 1811.11682) of the
size that the guards ask for. The new trial has other training seeds and is another look in the ledger. Any other fix
that was rejected is not proposed again, nor one that takes few draws or none: a cleaning.
"""

from dataclasses import dataclass, replace

from controller.arms import CONTINUE
from controller.result import AT_COMPUTE, VerdictRecord
from interventions.plan import Plan

LEAST_TAKEN = 0.05
"""Of the draws: with less, a fix is hardly trained on."""


@dataclass(frozen=True, slots=True)
class Tried:
    keys: tuple[str, ...] = ()
    """`Plan.keys` that were judged."""
    scale: float = 1.0
    """Part of the draws that the fix gets, of those that it would take."""

    def scaled(self, scale: float) -> "Tried":
        """The same, with so large a part of these draws."""
        return replace(self, scale=self.scale * scale)

    def after(self, plan: Plan, verdict: VerdictRecord) -> "Tried":
        """What is known after this plan was not accepted."""
        is_broken = not all(guard.ok for guard in verdict.guards) or any(group.is_harmed for group in verdict.groups)
        if plan.taken / 2 >= LEAST_TAKEN and _has_gained(verdict) and is_broken:
            return replace(self, scale=self.scale / 2)
        return Tried((*self.keys, *plan.keys))


def _has_gained(verdict: VerdictRecord) -> bool:
    """Whether the old data was beaten, whatever became of the guards: where random rows do as well, those may be enough
    with fewer draws too."""
    alpha = verdict.alpha
    old = [gain for gain in verdict.gains if gain.control.removesuffix(AT_COMPUTE) == CONTINUE]
    return bool(old) and alpha is not None and all(gain.p < alpha and gain.mean > 0 for gain in old)
