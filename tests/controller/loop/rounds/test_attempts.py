"""What a rejected round leaves for the next one: more replay, or another fix."""

from dataclasses import replace

from builders.loop_results import accepted_round, rejected_round

from controller.loop.rounds.attempts import attempts_after
from controller.results.verdict_json import VerdictRecord
from diagnose.slices.predicate import Slice
from interventions.plan.attempts import Attempts
from interventions.plan.plan import Action, Plan

WHERE = Slice((("skill", "descend"),))


def plan(taken: float) -> Plan:
    return Plan((Action("retrieve", WHERE, WHERE, 100, 0, 0, 0.5, "why"),), "why", {}, taken=taken)


def broken(has_gained: bool) -> VerdictRecord:
    """With a guard that is not shown unharmed."""
    rejected = rejected_round().verdict
    return replace(rejected, gains=accepted_round().verdict.gains) if has_gained else rejected


def test_a_fix_that_gained_and_broke_a_guard_comes_back_half_as_far_until_it_is_near_the_champion() -> None:
    attempts, shares = Attempts(("reweight: a",)), []
    while not shares or attempts.interpolation < shares[-1]:
        shares.append(attempts.interpolation)
        attempts = attempts_after(attempts, plan(0.5), broken(has_gained=True), from_base=False)
    assert shares == [1, 0.5, 0.25]
    assert attempts == Attempts(("reweight: a", f"retrieve: {WHERE}"))


def test_one_that_was_trained_from_the_given_model_comes_back_with_half_of_its_draws_until_few_are_left() -> None:
    attempts, scales = Attempts(("reweight: a",)), []
    while not scales or attempts.scale < scales[-1]:
        scales.append(attempts.scale)
        attempts = attempts_after(attempts, plan(0.5 * attempts.scale), broken(has_gained=True), from_base=True)
    assert scales == [1, 0.5, 0.25, 0.125]
    assert attempts == Attempts(("reweight: a", f"retrieve: {WHERE}"))


def test_a_fix_without_gain_or_with_whole_guards_is_not_tried_again() -> None:
    judged = Attempts((f"retrieve: {WHERE}",))
    assert attempts_after(Attempts(), plan(0.5), broken(has_gained=False), from_base=False) == judged
    kept = replace(rejected_round().verdict, guards=accepted_round().verdict.guards)
    assert attempts_after(Attempts(), plan(0.5), kept, from_base=False) == judged


def test_a_fix_that_only_cleans_has_no_draws_to_give_back() -> None:
    attempts = attempts_after(Attempts(), plan(0.0), broken(has_gained=True), from_base=True)
    assert attempts.keys == (f"retrieve: {WHERE}",)
