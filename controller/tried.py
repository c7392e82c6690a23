"""What a champion was already tried with, and what follows for the next round.

A fix that gained and broke a guard is tried again with half of its share of the draws, so that the corpus's own rows
get more of them: replay (Rolnick et al. 2019, arXiv 1811.11682) of the size that the guards ask for. The new trial has
other training seeds and is another look in the ledger. Any other fix that was rejected is not proposed again.
"""

from dataclasses import dataclass, replace

from controller.result import VerdictRecord
from interventions.plan import Plan

_LEAST_SHARE = 0.1
"""Of the draws: with less, a fix is hardly trained on."""


@dataclass(frozen=True, slots=True)
class Tried:
    keys: tuple[str, ...] = ()
    """`Plan.keys` that were judged."""
    most_share: float = 1.0
    """Of the draws, for the fix of the next round."""

    def after(self, plan: Plan, verdict: VerdictRecord) -> "Tried":
        """What is known after this plan was not accepted."""
        half = sum(action.share for action in plan.actions) / 2
        if half >= _LEAST_SHARE and _has_gained(verdict) and not all(guard.ok for guard in verdict.guards):
            return replace(self, most_share=half)
        return Tried((*self.keys, *plan.keys))


def _has_gained(verdict: VerdictRecord) -> bool:
    """Whether the gate saw every control beaten, whatever became of the guards."""
    alpha = verdict.alpha
    return bool(verdict.gains) and alpha is not None and all(g.p < alpha and g.mean > 0 for g in verdict.gains)
