"""Plans without one of their steps: which steps are optional, and what is left of the plan."""

from dataclasses import replace

import numpy as np
from builders.findings import TASK, diagnosis, finding, kinds_of, labelled, pool, pool_of, proposed
from numpy.typing import NDArray

from diagnose.finding.evidence import DeniedRow, Evidence
from diagnose.finding.finding import Cause, Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from diagnose.slices.tree import SliceNode
from evals.statistics.intervals import Interval
from interventions.arms.reductions import optional_steps, reductions
from interventions.fixes.clean import Clean
from interventions.fixes.retrieve import Retrieve
from interventions.planner import Auto

HOP, HOPS = Slice(((PROMPT_CONTAINS, "hop"),)), Slice((("task", "hop"),))


def effects(asked: Finding, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The first three rows of every slice work against its items."""
    return np.where(np.arange(len(rows)) < 3, -1.0, 2.0).astype(np.float32)


def two_skills() -> TrainPool:
    prompts = [f"{verb} old {k}" for verb, number in (("jump", 10), ("hop", 10), ("walk", 480)) for k in range(number)]
    return pool_of(prompts, "train")


def test_a_plan_that_only_adds_has_no_optional_step() -> None:
    done = proposed(Retrieve(), diagnosis(finding(Cause.MISSING_DATA)), new=pool())
    assert optional_steps(done) == ()
    assert reductions(done, ()) == ()


def test_a_cleaning_alone_is_not_optional_for_the_gate_asks_whether_it_helps() -> None:
    done = proposed(Clean(), diagnosis(finding(Cause.WRONG_LABELS)), row_effects=effects)
    assert optional_steps(done) == ()


def test_the_plan_without_its_cleaning_adds_the_same_rows_and_keeps_the_whole_corpus() -> None:
    done = proposed(Auto(num_examples=50), diagnosis(finding(Cause.WRONG_LABELS)), new=pool(), row_effects=effects)
    (step,) = optional_steps(done)
    assert (step.kind, step.items, step.what) == ("clean", TASK, f"clean for {TASK}")
    (reduced,) = reductions(done, (step,))
    assert [action.kind for action in reduced.proposal.plan.actions] == ["retrieve"]
    kinds = kinds_of(done.mix)
    whole, left = done.mix.examples.rows["id"][:], reduced.proposal.mix.examples.rows["id"][:]
    assert len(left) == len(whole) + 3
    added = {row for row, kind in zip(whole, kinds.tolist(), strict=True) if kind == "retrieve"}
    assert added <= set(left)


def test_cleanings_of_two_findings_are_left_out_one_by_one_and_together() -> None:
    found = diagnosis(
        finding(Cause.WRONG_LABELS), finding(Cause.WRONG_LABELS, HOP, HOPS), finding(Cause.MISSING_DATA, items=HOPS)
    )
    done = proposed(Auto(num_examples=50), found, old=two_skills(), new=pool(), row_effects=effects)
    optional = optional_steps(done)
    assert [step.items for step in optional] == [TASK, HOPS]
    removed = {
        one.left_out: sum(action.num_removed for action in one.proposal.plan.actions)
        for one in reductions(done, optional)
    }
    assert removed == {(0,): 3, (1,): 3, (0, 1): 0}


def test_rows_that_come_back_with_another_label_go_with_the_removal_and_can_be_left_out_alone() -> None:
    wrong = np.flatnonzero(np.arange(800) % 4 == 2)[::3]
    where = Slice(((PROMPT_CONTAINS, "k2a"),))
    denied = tuple(DeniedRow(f"row-{k}", "class2") for k in wrong.tolist())
    test = Evidence("labels", {"wrong": 0.3}, "a third is wrong", denied=denied)
    found = replace(finding(Cause.WRONG_LABELS, where), tests=(test,))
    done = proposed(Clean(), diagnosis(found), old=labelled(800, wrong))
    optional = optional_steps(done)
    assert [step.kind for step in optional] == ["clean", "relabel"]
    # Without the cleaning the wrong rows are still exchanged for right ones; without the relabelling they are gone.
    # Without both nothing would be left, so that is no reduction.
    exchanged, gone = reductions(done, optional)
    assert len(exchanged.proposal.mix.examples) == 800
    assert len(gone.proposal.mix.examples) == 800 - len(wrong)
    labels = np.array(exchanged.proposal.mix.examples.rows["completion"][:])
    assert (labels == "class2").sum() == 200


def test_a_whole_task_is_left_alone_where_most_of_its_failures_are_mended_inside() -> None:
    whole = finding(Cause.MISSING_DATA, HOP, HOPS, num_failed=60)
    inside = finding(Cause.MISSING_DATA, num_failed=50)

    def kinds(num_inside: int) -> list[Slice]:
        root = SliceNode(HOPS, None, 0, 200, 60, Interval(0.2, 0.4), is_finding=True)
        node = SliceNode(TASK, HOPS, 1, 100, num_inside, Interval(0.4, 0.6), is_finding=True)
        found = replace(diagnosis(inside, whole), tree=(root, node))
        new = pool_of([*(f"jump new {k}" for k in range(90)), *(f"hop new {k}" for k in range(90))], "pool")
        done = proposed(Retrieve(num_examples=50), found, old=two_skills(), new=new)
        return [action.items for action in done.plan.actions]

    assert kinds(30) == [TASK]
    assert kinds(29) == [TASK, HOPS]


def test_rows_that_mend_a_whole_task_are_held_to_all_of_it_and_not_to_a_slice_inside() -> None:
    whole, inside = finding(Cause.MISSING_DATA, items=HOPS, num_failed=60), finding(Cause.MISSING_DATA, num_failed=50)
    root = SliceNode(HOPS, None, 0, 200, 60, Interval(0.2, 0.4), is_finding=True)
    node = SliceNode(TASK, HOPS, 1, 100, 50, Interval(0.4, 0.6), is_finding=True)
    done = proposed(Retrieve(num_examples=50), replace(diagnosis(inside, whole), tree=(root, node)), new=pool())
    assert [action.items for action in done.plan.actions] == [HOPS]
