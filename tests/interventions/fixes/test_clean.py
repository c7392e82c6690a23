"""Cleaning: which rows leave the corpus, which stay, and what a control of the same size removes."""

from dataclasses import replace

import numpy as np
import pytest
from builders.findings import (
    JUMP,
    NO_ITEMS,
    corpus,
    diagnosis,
    experiment,
    finding,
    labelled,
    planned,
    pool,
    pool_of,
    proposed,
    share_of,
)
from builders.pools import train_pool
from numpy.typing import NDArray

from diagnose.finding.evidence import DeniedRow, Evidence
from diagnose.finding.finding import Cause, Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from interventions.admission.gate import take_stock
from interventions.fixes.clean import Clean, cleaned, clearly_harmful
from interventions.plan.allocate import allocate
from interventions.plan.step import Declined, Resources
from interventions.planner import Auto
from interventions.proposal import NothingToDo

WRONG = np.array([0, 3, 4])


def effects(asked: Finding, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Three of the ten rows with `jump` work against its items; those of others have nothing to do with them."""
    if rows.tolist() != list(range(10)):
        return np.where(rows % 2, 0.01, -0.01).astype(np.float32)
    return np.where(np.isin(rows, WRONG), -1.0, 2.0).astype(np.float32)


def test_rows_that_work_against_the_failed_items_leave_and_no_others() -> None:
    done = proposed(Clean(), diagnosis(finding(Cause.WRONG_LABELS)), row_effects=effects)
    (action,) = done.plan.actions
    assert (action.kind, action.num_removed, action.num_added, action.share) == ("clean", 3, 0, 0)
    assert len(done.mix.weights) == 497
    assert np.allclose(done.mix.weights, 1 / 497)
    assert not {f"jump old {k}" for k in WRONG} & set(done.mix.examples.rows["prompt"][:])


def test_of_rows_with_noise_alone_none_does_clear_harm_and_of_planted_ones_nearly_all() -> None:
    rng = np.random.default_rng(0)
    elsewhere = rng.standard_normal(500).astype(np.float32)
    noise = rng.standard_normal((200, 100)).astype(np.float32)
    assert np.mean([clearly_harmful(one, elsewhere).any() for one in noise]) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 200)
    noise[:, :40] -= 6
    told = np.array([clearly_harmful(one, elsewhere) for one in noise])
    assert told[:, :40].mean() >= 0.95
    assert told[:, 40:].sum() / told.sum() <= 0.1


def test_right_rows_that_are_hard_stay_where_wrong_ones_do_far_more_harm() -> None:
    wrong, hard, helping = np.full(20, -1.0), np.full(20, -0.1), np.full(60, 0.8)
    effects_of = np.concatenate([wrong, hard, helping, [np.nan]]).astype(np.float32)
    told = clearly_harmful(effects_of, np.linspace(-0.01, 0.01, 500, dtype=np.float32))
    assert told.tolist() == [True] * 20 + [False] * 81


def test_a_slice_that_is_the_whole_corpus_is_told_by_its_own_rows() -> None:
    effects_of = np.array([-1.0, -0.1, 0.8, 0.8], np.float32)
    assert clearly_harmful(effects_of, np.zeros(0, np.float32)).tolist() == [True, False, False, False]
    assert clearly_harmful(np.array([-1.0, -0.1], np.float32), np.zeros(0, np.float32)).tolist() == [True, True]


def test_the_planner_puts_rows_of_the_pool_in_the_place_of_wrong_ones() -> None:
    done = proposed(
        Auto(num_examples=50, share=0.4), diagnosis(finding(Cause.WRONG_LABELS)), new=pool(), row_effects=effects
    )
    assert [action.kind for action in done.plan.actions] == ["clean", "retrieve"]
    assert len(done.mix.weights) == 497 + 50
    assert share_of(done.mix, "retrieve") == pytest.approx(0.4)


@pytest.mark.parametrize("cause", [Cause.WRONG_LABELS, Cause.DUPLICATES, Cause.SHORTCUT])
def test_the_planner_lets_no_row_leave_or_change_that_no_small_training_spoke_against(cause: Cause) -> None:
    unproven = finding(cause, is_shown=False)
    tried = replace(unproven, experiments=(experiment(cause, works=0.6),))
    for found in (unproven, tried):
        done = proposed(Auto(num_examples=50), diagnosis(found), new=pool(), row_effects=effects)
        assert [action.kind for action in done.plan.actions] == ["retrieve"]
        assert len(done.mix.weights) == len(corpus()) + 50


def test_the_planner_changes_nothing_where_no_repair_of_an_unknown_cause_helped() -> None:
    tried = replace(finding(Cause.UNKNOWN), experiments=(experiment(Cause.MISSING_DATA, works=0.02, effect=0.01),))
    done = planned(Auto(num_examples=50), diagnosis(tried), new=pool(), row_effects=effects)
    assert not done.plan.actions
    assert "+0.01 of the gap" in done.plan.reason
    helped = replace(tried, experiments=(experiment(Cause.MISSING_DATA),))
    done = planned(Auto(num_examples=50), diagnosis(helped), new=pool(), row_effects=effects)
    assert [action.kind for action in done.plan.actions] == ["retrieve"]


def with_denied(where: Slice, denied: dict[int, str]) -> Finding:
    """Its test of the labels says that these rows may leave, and the label that they may have instead."""
    rows = tuple(DeniedRow(f"row-{k}", label) for k, label in denied.items())
    test = Evidence("labels", {"wrong": 0.3}, "", denied=rows)
    return replace(finding(Cause.WRONG_LABELS, where), tests=(test,))


def test_denied_rows_leave_and_come_back_with_the_label_that_is_known() -> None:
    denied = {2: "class2", 6: "class2", 10: ""}
    old = labelled(800, np.array(list(denied)))
    done = proposed(Clean(), diagnosis(with_denied(Slice(((PROMPT_CONTAINS, "k2a"),)), denied)), old=old)
    assert [(a.kind, a.num_removed, a.num_added) for a in done.plan.actions] == [("clean", 3, 0), ("relabel", 0, 2)]
    rows = done.mix.examples.rows
    assert {name for name in old.rows["id"][:] if name not in rows["id"][:]} == {"row-2", "row-6", "row-10"}
    back = {parent: rows[place]["completion"] for place, parent in done.mix.parents.items()}
    assert back == {"row-2": "class2", "row-6": "class2"}
    assert done.mix.weights.max() == pytest.approx(done.mix.weights.min())


def test_steps_that_remove_and_steps_that_relabel_can_each_be_left_out() -> None:
    found = with_denied(Slice(((PROMPT_CONTAINS, "k2a"),)), {2: "class2", 6: "class2", 10: ""})
    stock = take_stock(labelled(800, np.array([2, 6, 10])), None, NO_ITEMS)
    steps = cleaned(found, Resources(stock))
    assert not isinstance(steps, Declined)
    without = {
        kind: allocate([step for step in steps if step.kind != kind], stock, Clean().limits())
        for kind in ("clean", "relabel")
    }
    gone = {kind: np.setdiff1d(stock.kept, one.kept).tolist() for kind, one in without.items()}
    assert gone == {"clean": [2, 6], "relabel": [2, 6, 10]}
    assert [draw.rows.tolist() for draw in without["clean"].draws] == [[0, 1]]
    assert without["relabel"].draws == ()


def test_where_no_label_is_shown_to_be_wrong_nothing_leaves() -> None:
    found = with_denied(Slice(((PROMPT_CONTAINS, "k2a"),)), {})
    done = planned(Clean(), diagnosis(found), old=labelled(800, np.array([2])), row_effects=effects)
    assert isinstance(done, NothingToDo)
    assert "nine in ten" in done.plan.reason


@pytest.mark.parametrize(("denied_items", "num_removed"), [(0.4, 0), (0.6, 3)])
def test_where_a_classifier_cannot_do_the_task_rows_that_work_against_its_items_leave(
    denied_items: float, num_removed: int
) -> None:
    """Sums are few answers that many items share, and no labels."""
    test = Evidence("labels", {"wrong": 0.0, "denied": 0.7, "denied_items": denied_items}, "")
    found = replace(finding(Cause.WRONG_LABELS), tests=(test,))
    done = planned(Clean(), diagnosis(found), row_effects=effects)
    assert sum(action.num_removed for action in done.plan.actions) == num_removed


def test_where_nearly_all_rows_seem_wrong_none_is_removed() -> None:
    found = diagnosis(finding(Cause.WRONG_LABELS))
    against = lambda asked, rows: np.where(rows < 10, -1.0, 0.0).astype(np.float32)  # noqa: E731
    done = planned(Clean(), found, row_effects=against)
    assert isinstance(done, NothingToDo)
    assert "10 of 10 rows" in done.plan.reason
    everywhere = planned(Clean(), found, row_effects=lambda asked, rows: np.full(len(rows), -1.0, np.float32))
    assert "no row with prompt contains 'jump' could be told to be wrong" in everywhere.plan.reason
    blind = planned(Clean(), found)
    assert "without influence functions" in blind.plan.reason


FILLING = [f"run {k}" for k in range(30)]


def test_of_rows_that_say_the_same_the_first_stays() -> None:
    old = pool_of(["jump a", "walk b", "Jump,  a", "walk c", "walk b", "jump a", *FILLING], "train")
    old = TrainPool(old.rows.map(lambda row: {"completion": row["completion"].casefold().replace(",  ", " ")}))
    done = proposed(Clean(), diagnosis(finding(Cause.DUPLICATES)), old=old)
    assert done.mix.examples.rows["id"][:4] == ["train-0", "train-1", "train-3", "train-6"]
    assert done.plan.actions[0].num_removed == 3
    assert "3 copies" in done.plan.reason


def test_two_findings_of_copies_remove_them_once() -> None:
    other = finding(Cause.DUPLICATES, Slice(((PROMPT_CONTAINS, "walk"),)), Slice((("task", "walk"),)))
    old = pool_of(["jump a", "walk b", "walk b", "walk b", "jump c", *FILLING], "train")
    done = proposed(Clean(), diagnosis(finding(Cause.DUPLICATES), other), old=old)
    assert [action.num_removed for action in done.plan.actions] == [2]


def test_near_copies_of_long_texts_leave_too_unless_they_are_asked_something_else() -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(f"w{k}" for k in rng.integers(900, size=120)) for _ in range(60)]
    near = [text.replace(text.split()[20], "changed", 1) for text in texts[:15]]
    other = [text.replace(text.split()[40], "otherwise", 1) for text in texts[:15]]
    answers = [*(f"a{k}" for k in range(60)), *(f"a{k}" for k in range(15)), *(f"b{k}" for k in range(15))]
    old = train_pool(zip([*texts, *near, *other], answers, strict=True))
    done = proposed(Clean(), diagnosis(finding(Cause.DUPLICATES)), old=old)
    assert done.mix.examples.rows["id"][:] == [f"train-{k}" for k in (*range(60), *range(75, 90))]


def with_answers(prompts: list[str], answers: dict[int, str], **metadata: list[object]) -> TrainPool:
    """Each row says what it did, but for these."""
    return train_pool([(prompt, answers.get(k, f"did {prompt}")) for k, prompt in enumerate(prompts)], **metadata)


def test_rows_that_the_gate_would_not_let_in_leave_by_rule() -> None:
    prompts = [f"jump old {i}" for i in range(20)] + [f"walk old {i}" for i in range(980)]
    wrong = {3: " ", 70: "идти вперёд налево"} | dict.fromkeys(range(100, 110), "")
    old = with_answers(prompts, wrong)
    gated = proposed(Clean(), diagnosis(finding(Cause.MISSING_DATA)), old=old)
    left = set(prompts) - set(gated.mix.examples.rows["prompt"][:])
    assert left == {prompts[k] for k in wrong}
    told = (
        "12 of 1000 rows of the corpus leave it by rule: 11 has no answer, 1 in a script that the corpus does not have"
    )
    assert told in gated.plan.reason


def test_a_blank_row_alone_is_not_worth_a_training() -> None:
    prompts = [f"jump old {i}" for i in range(20)] + [f"walk old {i}" for i in range(430)]
    old = with_answers(prompts, {3: ""})
    assert isinstance(planned(Clean(), diagnosis(finding(Cause.MISSING_DATA)), old=old), NothingToDo)
    done = proposed(Auto(), diagnosis(finding(Cause.DUPLICATES)), old=old, new=pool())
    assert [action.kind for action in done.plan.actions] == ["retrieve"]


def test_of_a_content_whose_first_row_leaves_by_rule_another_one_stays() -> None:
    prompts = [f"jump old {i}" for i in range(40)] * 2
    licences: list[object] = ["nc"] * 40 + ["mit"] * 40
    old = with_answers([*prompts, *(f"walk {i}" for i in range(40))], {}, license=[*licences, *["mit"] * 40])
    done = proposed(Clean(licences=["mit"]), diagnosis(finding(Cause.DUPLICATES)), old=old)
    assert sorted(done.mix.examples.rows["prompt"][:]) == sorted({*prompts, *(f"walk {i}" for i in range(40))})


def test_without_anything_to_clean_it_says_so() -> None:
    done = planned(Clean(), diagnosis(finding(Cause.MISSING_DATA)))
    assert isinstance(done, NothingToDo)
    assert "nothing to clean" in done.plan.reason
    same = planned(Clean(), diagnosis(finding(Cause.DUPLICATES)))
    assert "no row of the corpus stands there twice" in same.plan.reason


def test_a_cleaning_that_was_judged_is_not_proposed_again() -> None:
    done = planned(Clean(), diagnosis(finding(Cause.WRONG_LABELS)), judged=[f"clean: {JUMP}"], row_effects=effects)
    assert "judged already" in done.plan.reason
