"""Decide what follows from a rejected fix for the next round.

A fix that gained over the old data and broke a guard, or harmed a class, is tried again half as far. Arms that
continued from the champion are set half way between its weights and those that they were trained to (Wortsman et al.
2022, arXiv 2109.01903): gains of a slice come early on that path, losses of the rest late. Arms that were trained from
the given model have no such path; they get half of the draws that the fix took from the corpus's other rows: replay
(Rolnick et al. 2019, arXiv 1811.11682). The new trial has other training seeds and is another look in the ledger. Any
other fix that was rejected is not proposed again.
"""

from dataclasses import replace

from controller.results.arm_names import AT_COMPUTE, CONTINUE
from controller.results.verdict_json import VerdictRecord
from interventions.plan.attempts import LEAST_TAKEN, Attempts
from interventions.plan.plan import Plan


def attempts_after(attempts: Attempts, plan: Plan, verdict: VerdictRecord, from_base: bool) -> Attempts:
    """Update the attempts after this plan was not accepted.

    Args:
        attempts: Attempts before this plan.
        plan: Plan that was judged.
        verdict: Verdict on the plan.
        from_base: Whether the plan's arms were trained from the given model.
    """
    is_broken = not all(guard.ok for guard in verdict.guards) or any(group.is_harmed for group in verdict.groups)
    if is_broken and _has_gained(verdict):
        if attempts.comes_back(from_base):
            return replace(attempts, interpolation=attempts.interpolation / 2)
        if from_base and plan.taken / 2 >= LEAST_TAKEN:
            return replace(attempts, scale=attempts.scale / 2)
    return attempts.without(plan.keys)


def _has_gained(verdict: VerdictRecord) -> bool:
    """Whether the old data was beaten, whatever the guards show: where random rows do as well, those may be enough with
    fewer draws too."""
    alpha = verdict.alpha
    old = [gain for gain in verdict.gains if gain.control.removesuffix(AT_COMPUTE) == CONTINUE]
    return bool(old) and alpha is not None and all(gain.p < alpha and gain.mean > 0 for gain in old)
