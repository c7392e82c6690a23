"""Plans without one of their steps: which steps are optional, and what is left of the plan."""

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from planted import TASK, diagnosis, finding, pool, pool_of, proposed

from diagnose.finding import Cause, Finding
from diagnose.pool import TrainPool
from diagnose.slices import PROMPT_CONTAINS, Slice
from interventions.clean import Clean
from interventions.planner import Auto
from interventions.reductions import optional_steps, reductions
from interventions.retrieve import Retrieve

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
    kinds = np.array(done.mix.kinds)
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


def labelled(wrong: NDArray[np.int64]) -> TrainPool:
    """Four classes told by words of their own; `wrong` rows have the next class's label."""
    rng = np.random.default_rng(0)
    kinds = np.arange(800) % 4
    shown = np.where(np.isin(np.arange(800), wrong), (kinds + 1) % 4, kinds)
    rows = {
        "id": [f"row-{k}" for k in range(800)],
        "source": ["train"] * 800,
        "prompt": [f"n{rng.integers(9)} k{kind}a k{kind}b q{k}" for k, kind in enumerate(kinds)],
        "completion": [f"class{kind}" for kind in shown],
    }
    return TrainPool(Dataset.from_dict(rows), " ")


def test_rows_that_come_back_with_another_label_go_with_the_removal_and_can_be_left_out_alone() -> None:
    wrong = np.flatnonzero(np.arange(800) % 4 == 2)[::3]
    where = Slice(((PROMPT_CONTAINS, "k2a"),))
    done = proposed(Clean(), diagnosis(finding(Cause.WRONG_LABELS, where)), old=labelled(wrong))
    # Without the removal nothing would be left, so it is not optional; what comes back is.
    (step,) = optional_steps(done)
    assert step.kind == "relabel"
    (reduced,) = reductions(done, (step,))
    assert [action.kind for action in reduced.proposal.plan.actions] == ["clean"]
