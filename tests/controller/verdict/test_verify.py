"""The verdict on planted arms: what is accepted, what is not, and why."""

import json
from dataclasses import replace

import numpy as np
import pytest
from builders.arms import NUM_ITEMS, SETTINGS, agreed, arm, plan, report, task_item
from builders.items import scored, select_report
from pydantic import TypeAdapter
from scipy import stats

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from controller.results.verdict_json import Decision, VerdictRecord
from controller.verdict.arm_scores import Arm
from controller.verdict.judge import Contest, judge, noise_by_endpoint
from controller.verdict.promise import Guarded, promise
from controller.verdict.settings import Verify
from diagnose.slices.predicate import Slice
from interventions.plan.plan import Plan

NOTHING = Guarded(("jump",), (), True)


def verdict(challenger: Arm, controls: list[Arm], settings: Verify = SETTINGS):  # type: ignore[no-untyped-def]
    return judge(
        Contest(agreed(settings), challenger, controls, report({"jump": 0.5, "others": 0.9}, 1), settings)
    ).verdict


def test_a_planted_gain_over_every_control_is_accepted_with_its_size() -> None:
    result = verdict(arm(CHALLENGER, 0.8, 0.9, 2), [arm(CONTINUE, 0.5, 0.9, 3), arm(RANDOM, 0.65, 0.9, 4)])
    assert result.decision is Decision.ACCEPTED
    assert result.gain is not None
    assert result.gain.control == RANDOM  # the strongest
    assert result.gain.mean == pytest.approx(0.15, abs=0.04)
    assert result.gain.ci[0] < 0.15 < result.gain.ci[1]
    assert result.flips is not None
    assert result.flips.fixed > result.flips.broken


def test_beating_one_control_of_two_is_not_enough() -> None:
    result = verdict(arm(CHALLENGER, 0.8, 0.9, 2), [arm(CONTINUE, 0.5, 0.9, 3), arm(RANDOM, 0.8, 0.9, 4)])
    assert result.decision is Decision.REJECTED
    assert "not shown better than random" in result.reason


def test_a_gain_that_breaks_a_guard_is_rejected_and_names_it() -> None:
    result = verdict(arm(CHALLENGER, 0.9, 0.8, 2), [arm(CONTINUE, 0.5, 0.9, 3), arm(RANDOM, 0.6, 0.9, 4)])
    assert result.decision is Decision.REJECTED
    assert "guard not shown unharmed" in result.reason
    assert [guard.task for guard in result.guards if not guard.ok] == ["others"]


def test_two_seeds_never_accept() -> None:
    settings = Verify(seeds=2)
    result = verdict(
        arm(CHALLENGER, 0.95, 0.9, 2, 2), [arm(CONTINUE, 0.3, 0.9, 3, 2), arm(RANDOM, 0.3, 0.9, 4, 2)], settings
    )
    assert result.decision is Decision.REJECTED
    assert "the gate needs 3" in result.reason


def test_the_endpoint_is_every_item_of_the_slice_failed_before_or_not() -> None:
    endpoint = agreed().endpoint
    assert endpoint.num_items == NUM_ITEMS
    assert dict(endpoint.slice) == {"task": "jump"}


def test_too_few_items_are_told_before_training_and_called_underpowered_after() -> None:
    before = report({"jump": 0.9, "others": 0.9}, 1)
    few = replace(
        before, results=tuple(r for r in before.results if r.item.task == "others" or int(r.item.id[:-2]) < 20)
    )
    made = promise(plan(), few, (), NOTHING, Verify(seeds=3, max_seeds=3), 0.015)
    assert "no possible gain in 80 % of runs" in made.warning
    assert "measure 715 items instead of 20; no number of seeds up to 20 would do" in made.warning
    arms = [arm(name, 0.9, 0.9, seed, 3) for seed, name in enumerate((CHALLENGER, CONTINUE, RANDOM))]
    short = [
        replace(
            a,
            reports=tuple(
                replace(r, results=tuple(x for x in r.results if x.item.task == "others" or int(x.item.id[:-2]) < 20))
                for r in a.reports
            ),
        )
        for a in arms
    ]
    result = judge(Contest(made, short[0], short[1:], few, Verify(seeds=3))).verdict
    assert result.decision is Decision.REJECTED
    assert result.reason.startswith("underpowered")


def test_a_slice_without_select_items_is_told() -> None:
    nothing = Plan((replace(plan().actions[0], items=Slice((("task", "no such task"),))),), "", ())
    with pytest.raises(ValueError, match="no `select` item matches the failing slice"):
        promise(nothing, report({"jump": 0.5}, 1), (), NOTHING, SETTINGS, 0.015)


def least(score: float, num_items: int, num_seeds: int = 3) -> dict[str, Arm]:
    """Arms that all score the same on every item."""
    one = select_report(scored(task_item("jump", k), score, "x") for k in range(num_items))
    return {name: Arm(name, (one,) * num_seeds, 1000, 1e6, 10) for name in (CHALLENGER, CONTINUE, RANDOM)}


@pytest.mark.parametrize("num_items", [1, 2, 50])
@pytest.mark.parametrize("score", [0.0, 1.0, 0.5, -3.0])
def test_equal_scores_and_single_items_are_rejected_in_finite_numbers(score: float, num_items: int) -> None:
    arms = least(score, num_items)
    before = arms[CHALLENGER].reports[0]
    made = promise(plan(), before, (), Guarded(("jump",), ("jump",), True), Verify(), 0.015)
    result = judge(Contest(made, arms[CHALLENGER], [arms[CONTINUE], arms[RANDOM]], before, Verify())).verdict
    assert result.decision is Decision.REJECTED
    written = TypeAdapter(VerdictRecord).dump_python(result, mode="json")
    json.dumps(written, allow_nan=False)
    assert result.gain is not None
    assert (result.gain.mean, result.gain.p) == (0.0, 0.5)
    if num_items == 1:
        assert result.gain.ci[0] < -1
        assert result.gain.ci[1] > 1


def test_arms_that_answer_other_items_or_task_versions_are_refused() -> None:
    arms = least(0.5, 20)
    before = arms[CHALLENGER].reports[0]
    made = promise(plan(), before, (), NOTHING, Verify(), 0.015)
    fewer = replace(before, results=before.results[:-1])
    with pytest.raises(ValueError, match=r"items: before has 20, random-0 has 19 \(first missing: jump/19-0\)"):
        judge(Contest(made, arms[CHALLENGER], [arms[CONTINUE], Arm(RANDOM, (fewer,) * 3, 1, 1.0, 1)], before, Verify()))
    newer = replace(before, versions={"jump": "2.0"})
    controls = [arms[CONTINUE], Arm(RANDOM, (newer,) * 3, 1, 1.0, 1)]
    contest = Contest(made, arms[CHALLENGER], controls, replace(before, versions={"jump": "1.0"}), Verify())
    with pytest.raises(ValueError, match=r"different task versions: jump is version 1\.0 in before, 2\.0 in random-0"):
        judge(contest)


def test_items_that_one_run_left_unscored_are_left_out_of_every_arm_and_counted() -> None:
    arms = [arm(CHALLENGER, 0.8, 0.9, 2), arm(CONTINUE, 0.5, 0.9, 3), arm(RANDOM, 0.5, 0.9, 4)]
    first = arms[1].reports[0]
    holes = replace(first, results=first.results[7:], num_unscored=7)  # seven items of jump
    arms[1] = replace(arms[1], reports=(holes, *arms[1].reports[1:]))
    result = verdict(arms[0], arms[1:])
    assert result.decision is Decision.ACCEPTED
    assert result.reason.endswith("; 7 items that a run left unscored are left out")


def test_an_arm_without_a_single_score_is_a_rejection_and_not_a_crash() -> None:
    arms = [arm(CHALLENGER, 0.8, 0.9, 2), arm(CONTINUE, 0.5, 0.9, 3), arm(RANDOM, 0.5, 0.9, 4)]
    nothing = replace(arms[0].reports[0], results=(), num_unscored=2 * NUM_ITEMS)
    result = verdict(replace(arms[0], reports=(nothing, *arms[0].reports[1:])), arms[1:])
    assert result.decision is Decision.REJECTED
    assert "no item of the endpoint was scored by every run" in result.reason
    json.dumps(TypeAdapter(VerdictRecord).dump_python(result, mode="json"), allow_nan=False)


def test_flips_are_described_with_mcnemars_p() -> None:
    result = verdict(arm(CHALLENGER, 0.8, 0.9, 2), [arm(CONTINUE, 0.5, 0.9, 3), arm(RANDOM, 0.5, 0.9, 4)])
    assert result.flips is not None
    fixed, broken = result.flips.fixed, result.flips.broken
    # Exact and two-sided: twice the upper tail of fair coins.
    assert result.flips.p == pytest.approx(2 * stats.binom.sf(fixed - 1, fixed + broken, 0.5))


def test_the_noise_of_training_is_the_arms_own_without_their_gains() -> None:
    arms = [arm(CHALLENGER, 0.8, 0.9, 2, 20), arm(CONTINUE, 0.5, 0.9, 3, 20), arm(RANDOM, 0.5, 0.9, 4, 20)]
    noise = noise_by_endpoint(agreed(), arms)
    assert set(noise) == {"task = jump", "guard others"}
    endpoint = noise["task = jump"]
    assert endpoint.run.df == 57
    # Answers are independent given the items: no run effect, and the noise is what binomial draws leave.
    assert endpoint.run.variance == pytest.approx(endpoint.item_noise, rel=0.6)
    assert endpoint.noise_share == pytest.approx(1 - 0.15**2 / 0.24, abs=0.08)


def test_a_guard_that_lost_with_the_old_data_too_is_broken_against_the_model_before() -> None:
    """Training on cost it .1 in every arm: against `continue` nothing is lost, and the user would lose it."""
    arms = arm(CHALLENGER, 0.8, 0.8, 2), [arm(CONTINUE, 0.5, 0.8, 3), arm(RANDOM, 0.5, 0.8, 4)]
    result = verdict(*arms)
    (guard,) = result.guards
    assert result.decision is Decision.REJECTED
    assert "guard not shown unharmed" in result.reason
    assert guard.lower > -guard.margin
    now = [r.score for run in arms[0].reports for r in run.results if r.item.task == "others"]
    was = [r.score for r in report({"jump": 0.5, "others": 0.9}, 1).results if r.item.task == "others"]
    assert guard.since == pytest.approx(np.mean(now) - np.mean(was))
    assert guard.since < -guard.margin


def test_losses_of_several_rounds_do_not_sum_up_beyond_the_margin() -> None:
    """Each round loses .04 of a margin of .05; the second one's model is held to the one that the loop began with."""
    second = replace(agreed(), start=report({"jump": 0.5, "others": 0.94}, 1))
    before = report({"jump": 0.5, "others": 0.9}, 1)
    arms = arm(CHALLENGER, 0.8, 0.86, 2), [arm(CONTINUE, 0.5, 0.86, 3), arm(RANDOM, 0.5, 0.86, 4)]
    alone = judge(Contest(agreed(), *arms, before, SETTINGS)).verdict
    beside = judge(Contest(second, *arms, before, SETTINGS)).verdict
    assert (alone.decision, beside.decision) == (Decision.ACCEPTED, Decision.REJECTED)
    assert alone.guards[0].since is not None
    assert beside.guards[0].since is not None
    assert beside.guards[0].since < -0.05 < alone.guards[0].since
