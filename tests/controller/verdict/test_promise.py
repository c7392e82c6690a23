"""The promise: how much is expected, what would be seen, and what is missing."""

from dataclasses import replace

import numpy as np
import pytest
from builders.arms import task_item
from builders.items import scored, select_report

from controller.verdict.guards import TaskGuard
from controller.verdict.promise import Guarded, Promise, by_chance, endpoint_name, guard_name, promise
from controller.verdict.settings import Verify
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from evals.statistics.power import Judgement, MeasuredOn, power_at
from evals.statistics.run_variance import RunNoise, RunVariance
from interventions.plan.plan import Action, Plan

FAILING = Slice((("task", "jump"),))
PLAN = Plan((Action("retrieve", FAILING, FAILING, 400, 0, 0, 0.5, "it fails"),), "it fails", ())
LEVEL = 0.0152
NOTHING = Guarded(("jump",), (), True)
ONE_LOOK = Verify(max_seeds=3)


def report(counts: dict[str, tuple[int, int]]) -> EvalReport:
    """Right answers and items of each task."""
    return select_report(
        scored(task_item(task, k), float(k < num_right), "x")
        for task, (num_right, num_items) in counts.items()
        for k in range(num_items)
    )


def made(
    num_right: int, num_items: int, settings: Verify, guards: dict[str, tuple[int, int]], **known: RunNoise
) -> Promise:
    noises = {
        endpoint_name([FAILING]) if name == "endpoint" else guard_name(TaskGuard(name)): n for name, n in known.items()
    }
    before = report({"jump": (num_right, num_items)} | guards)
    return promise(PLAN, before, (), Guarded(("jump",), tuple(guards), True), settings, LEVEL, noises)


def noise(run_sd: float, df: int = 60, noise_share: float = 0.4) -> RunNoise:
    return RunNoise(RunVariance(run_sd**2, df), 0.0, noise_share)


def test_a_promise_has_80_percent_power_with_its_guards_and_two_controls() -> None:
    agreed = made(200, 400, ONE_LOOK, {"others": (950, 1000)}, endpoint=noise(0.01), others=noise(0.003))
    gain = agreed.endpoint.detectable_gain
    assert gain is not None
    assert agreed.warning == ""
    guard = MeasuredOn(0.95, 1000, 0.003, 60, 0.4)
    judgement = Judgement(MeasuredOn(0.5, 400, 0.01, 60, 0.4), 3, LEVEL, 2, (guard,), 0.03, num_by_chance=1)
    assert power_at(judgement, gain) == pytest.approx(0.8, abs=0.005)


def test_measured_variances_replace_the_assumed_one() -> None:
    # A seed deviation of .03 is twice the default, one of .002 a seventh.
    loose, assumed, tight = (
        made(200, 400, ONE_LOOK, {}, **known).endpoint.detectable_gain
        for known in ({"endpoint": noise(0.03)}, {}, {"endpoint": noise(0.002)})
    )
    assert loose is not None
    assert assumed is not None
    assert tight is not None
    assert tight < assumed < loose


def test_too_few_seeds_or_items_are_named_with_the_number_that_would_do() -> None:
    agreed = made(630, 700, ONE_LOOK, {}, endpoint=noise(0.015))
    seeds = int(agreed.warning.split("raise verify.seeds to ")[1].split(",")[0].split(";")[0])
    assert 3 < seeds <= 20
    enough = made(630, 700, Verify(seeds=seeds, max_seeds=seeds), {}, endpoint=noise(0.015))
    assert enough.warning == ""
    assert made(630, 700, Verify(seeds=seeds - 1, max_seeds=seeds - 1), {}, endpoint=noise(0.015)).warning != ""


def test_items_are_asked_for_where_they_are_what_is_missing() -> None:
    agreed = made(30, 40, replace(ONE_LOOK, min_gain=0.1), {}, endpoint=noise(0.001, noise_share=0.8))
    num_items = int(agreed.warning.split("measure ")[1].split(" items instead of 40")[0])
    num_items += -num_items % 4  # of which three quarters are right, as of the 40
    settings = replace(ONE_LOOK, min_gain=0.1)
    enough = made(num_items * 3 // 4, num_items, settings, {}, endpoint=noise(0.001, noise_share=0.8))
    assert enough.warning == ""


def test_a_warning_says_when_no_number_of_seeds_would_do() -> None:
    agreed = made(15, 30, ONE_LOOK, {"others": (28, 30)})
    assert agreed.endpoint.detectable_gain is None
    assert "no possible gain in 80 % of runs" in agreed.warning
    assert "no number of seeds up to 20 would do" in agreed.warning
    assert "unharmed guards are shown to be so in" in agreed.warning


def test_a_guard_without_select_items_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match="guard 'others' has no scored `select` item; measure more items"):
        promise(PLAN, report({"jump": (20, 40)}), (), Guarded(("jump",), ("others",), True), ONE_LOOK, LEVEL)


def test_a_promise_on_a_few_items_of_equal_scores_is_finite() -> None:
    for num_right, num_items in ((0, 1), (1, 1), (0, 30), (30, 30)):
        endpoint = made(num_right, num_items, ONE_LOOK, {}).endpoint
        assert endpoint.detectable_gain is None or np.isfinite(endpoint.detectable_gain)
        assert np.isfinite(endpoint.expected_gain)


def test_what_earlier_judgements_know_of_draws_is_for_the_gate_and_for_what_it_can_see() -> None:
    before = report({"jump": (200, 400)})
    name = endpoint_name([FAILING])
    wild = {by_chance(name): noise(0.06, df=2), name: noise(0.015)}
    known = {by_chance(name): noise(0.06, df=20), name: noise(0.015)}
    first, later = (promise(PLAN, before, (), NOTHING, ONE_LOOK, LEVEL, noises) for noises in (wild, known))
    assert first.of_chance == RunVariance(0.06**2, 2)
    assert later.of_chance == RunVariance(0.06**2, 20)
    assert later.endpoint.detectable_gain is not None
    assert first.endpoint.detectable_gain is None or first.endpoint.detectable_gain > later.endpoint.detectable_gain
    assert promise(PLAN, before, (), NOTHING, ONE_LOOK, LEVEL).of_chance is None


def test_earlier_rounds_of_the_same_endpoint_make_smaller_gains_visible() -> None:
    before = report({"jump": (200, 400)})
    alone = promise(PLAN, before, (), NOTHING, ONE_LOOK, LEVEL).endpoint.detectable_gain
    later = promise(PLAN, before, (), NOTHING, ONE_LOOK, LEVEL, earlier_df=12).endpoint.detectable_gain
    assert alone is not None
    assert later is not None
    assert later < alone
