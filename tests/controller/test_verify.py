"""The verdict on planted arms: what is accepted, what is not, and why."""

from dataclasses import replace

import numpy as np
import pytest

from controller.arms import CHALLENGER, CONTINUE, RANDOM
from controller.promise import Promise, promise
from controller.result import Decision
from controller.settings import Verify
from controller.verify import Arm, judge
from diagnose.slices import Slice
from evals.items import EvalReport, Item, ItemResult, OutputType
from evals.model_ref import ModelRef
from evals.splits import Split
from interventions.plan import Action, Plan

NUM_ITEMS = 400
FAILING = Slice((("task", "jump"),))
SETTINGS = Verify(seeds=5, margin=0.05)


def item(task: str, number: int) -> Item:
    return Item(task, f"{number}-0", f"{task}{number}", {}, f"{task} {number}", "x", " ", OutputType.GENERATE_UNTIL)


def report(scores: dict[str, float], seed: int) -> EvalReport:
    """One run: each task's items right with this probability, items of their own difficulty."""
    rng = np.random.default_rng(seed)
    results = []
    for task, score in scores.items():
        hard = np.random.default_rng(len(task)).normal(0, 0.15, NUM_ITEMS)
        right = rng.random(NUM_ITEMS) < np.clip(score + hard, 0, 1)
        results += [
            ItemResult(item(task, k), "x", {"acc": float(r)}, "acc", float(r), not r) for k, r in enumerate(right)
        ]
    return EvalReport(ModelRef("m"), Split.SELECT, tuple(results), 0, 100)


def arm(name: str, jump: float, others: float, seed: int, num_seeds: int = 5) -> Arm:
    reports = tuple(report({"jump": jump, "others": others}, 100 * seed + k) for k in range(num_seeds))
    return Arm(name, reports, tokens=1000, flops=1e6, steps=10)


def plan() -> Plan:
    action = Action("retrieve", Slice((("skill", "jump"),)), FAILING, 400, 0, 0, 0.5, "it fails")
    return Plan((action,), "it fails", ())


def agreed(settings: Verify = SETTINGS) -> Promise:
    return promise(plan(), report({"jump": 0.5, "others": 0.9}, 1), (), ("others",), settings, 0.015)


def verdict(challenger: Arm, controls: list[Arm], settings: Verify = SETTINGS):  # type: ignore[no-untyped-def]
    return judge(agreed(settings), challenger, controls, report({"jump": 0.5, "others": 0.9}, 1), settings, ())


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
    made = promise(plan(), few, (), (), Verify(seeds=3), 0.015)
    assert "no possible gain in 80 % of runs" in made.warning
    assert "measure 416 items instead of 20; no number of seeds up to 20 would do" in made.warning
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
    result = judge(made, short[0], short[1:], few, Verify(seeds=3), ())
    assert result.decision is Decision.REJECTED
    assert result.reason.startswith("underpowered")


def test_a_slice_without_select_items_is_told() -> None:
    nothing = Plan((replace(plan().actions[0], items=Slice((("task", "no such task"),))),), "", ())
    with pytest.raises(ValueError, match="no `select` item matches the failing slice"):
        promise(nothing, report({"jump": 0.5}, 1), (), (), SETTINGS, 0.015)
