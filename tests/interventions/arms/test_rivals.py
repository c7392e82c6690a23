"""Mixes of rival repairs: what is in each, and that they differ from their control in one thing."""

from dataclasses import replace

import numpy as np
import pytest
from builders.findings import JUMP, NO_ITEMS, TASK, corpus, diagnosis, finding, kinds_of, pool
from builders.pools import train_pool

from controller.train.sampling import draw_order
from diagnose.finding.evidence import Evidence
from diagnose.finding.finding import Cause
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, row_members
from interventions.admission.gate import take_stock
from interventions.arms.rivals import OWN, RANDOM, RANDOM_REMOVAL, SAME, Rival, rivals
from interventions.plan.step import Resources
from interventions.planner import Auto

ALL = (Cause.WRONG_LABELS, Cause.SHORTCUT, Cause.DUPLICATES, Cause.UNDERWEIGHTED, Cause.MISSING_DATA)


def against(_finding: object, rows: np.ndarray) -> np.ndarray:
    """Every third row works against the failed items."""
    return np.where(rows % 3 == 0, -1.0, 1.0).astype(np.float32)


def made(*causes: Cause) -> dict[str, Rival]:
    found = diagnosis(finding(Cause.UNKNOWN))
    stock = take_stock(corpus(), pool(), NO_ITEMS)
    resources = Resources(stock, row_effects=against)
    return {one.name: one for one in rivals(Auto(num_examples=50), found, {TASK: causes}, resources)}


def test_each_repair_that_is_possible_has_a_mix_beside_its_control() -> None:
    assert set(made(*ALL)) == {SAME, "clean", RANDOM_REMOVAL, "raise", "add", OWN, RANDOM}
    assert made(Cause.SHORTCUT) == {}  # no row shows a cue


def test_a_control_takes_as_many_rows_of_the_slice_at_random_as_the_cleaning_and_adds_as_many_as_the_retrieval() -> (
    None
):
    of = made(*ALL)
    left_out = {name: np.flatnonzero(of[name].mix.weights == 0) for name in ("clean", RANDOM_REMOVAL)}
    assert len(left_out["clean"]) == len(left_out[RANDOM_REMOVAL]) > 0
    assert row_members(JUMP, corpus())[left_out[RANDOM_REMOVAL]].all()
    added = {name: of[name].mix.weights[kinds_of(of[name].mix) != "original"] for name in ("add", RANDOM)}
    assert len(added["add"]) == len(added[RANDOM]) == 50
    assert added["add"].sum() == np.float64(added[RANDOM].sum())


def test_a_control_draws_the_slices_own_rows_as_often_as_the_rows_that_are_added_and_those() -> None:
    of = made(*ALL)
    inside, added = row_members(JUMP, corpus()), kinds_of(of["add"].mix) != "original"
    weights = of["add"].mix.weights
    asked = weights[: len(corpus())][inside].sum() + weights[added].sum()
    own = of[OWN].mix.weights
    assert own[inside].sum() == pytest.approx(asked)
    assert own[~inside] == pytest.approx(weights[: len(corpus())][~inside])


def test_without_rows_of_the_slice_there_is_no_such_control() -> None:
    none_there = corpus().select(np.flatnonzero(~row_members(JUMP, corpus())))
    resources = Resources(take_stock(none_there, pool(), NO_ITEMS), row_effects=against)
    found = rivals(Auto(num_examples=50), diagnosis(finding(Cause.UNKNOWN)), {TASK: ALL}, resources)
    assert {one.name for one in found} >= {"add", SAME}
    assert OWN not in {one.name for one in found}


def test_what_is_done_at_random_is_drawn_anew_for_each_training_seed_and_repairs_are_not() -> None:
    resources = Resources(take_stock(corpus(), pool(), NO_ITEMS), row_effects=against)
    of = {
        one.name: one
        for one in rivals(Auto(num_examples=50), diagnosis(finding(Cause.UNKNOWN)), {TASK: ALL}, resources, 2)
    }
    assert {name: len(one.draws) for name, one in of.items() if one.draws} == {RANDOM_REMOVAL: 2, RANDOM: 2}
    left_out = [set(np.flatnonzero(mix.weights == 0).tolist()) for mix in of[RANDOM_REMOVAL].draws]
    assert len(left_out[0]) == len(left_out[1]) > 0
    assert left_out[0] != left_out[1]
    added = [set(mix.examples.rows["id"][len(corpus()) :]) for mix in of[RANDOM].draws]
    assert len(added[0]) == len(added[1]) == 50
    assert added[0] != added[1]
    assert of[RANDOM].mix is of[RANDOM].draws[0]


def test_rows_that_stay_are_drawn_in_the_same_order_from_every_mix() -> None:
    of = made(*ALL)
    number = len(corpus())
    gone = np.flatnonzero(of["clean"].mix.weights[:number] == 0)
    orders = {}
    for name in (SAME, "clean", "add"):
        order = draw_order(of[name].mix.weights, 4 * number, seed=3)
        first = list(dict.fromkeys(row for row in order.tolist() if row < number and row not in set(gone.tolist())))
        orders[name] = first[: number // 2]
    assert orders[SAME] == orders["clean"] == orders["add"]


def test_a_repair_counts_for_every_finding_whose_rows_it_acts_on() -> None:
    other = Slice((("task", "scan_jump"), ("length", "3")))
    found = diagnosis(finding(Cause.UNKNOWN), finding(Cause.UNKNOWN, items=other))
    resources = Resources(take_stock(corpus(), pool(), NO_ITEMS), row_effects=against)
    of = rivals(Auto(num_examples=50), found, {TASK: ALL, other: (Cause.MISSING_DATA,)}, resources)
    by_name = {one.name: one.items for one in of}
    assert by_name["add"] == (TASK, other)
    assert by_name["clean"] == (TASK,)
    assert by_name[SAME] == ()
    assert {one.name: one.parts for one in of}["add"] == (1.0, 1.0)  # the same rows for both


def test_a_repair_of_two_slices_with_rows_of_their_own_is_a_part_of_the_dose_for_each() -> None:
    walk = Slice(((PROMPT_CONTAINS, "walk"),))
    other = Slice((("task", "scan_walk"),))
    found = diagnosis(finding(Cause.UNKNOWN), finding(Cause.UNKNOWN, walk, other))
    resources = Resources(take_stock(corpus(), pool(), NO_ITEMS), row_effects=against)
    missing = (Cause.MISSING_DATA,)
    of = {one.name: one for one in rivals(Auto(num_examples=50), found, {TASK: missing, other: missing}, resources)}
    assert of["add"].items == (TASK, other)
    assert sum(of["add"].parts) == pytest.approx(1)
    assert all(0.2 < part < 0.8 for part in of["add"].parts)


def test_doubted_labels_are_changed_to_those_of_the_classifier_and_as_many_of_the_same_answers_at_random() -> None:
    rows = [(f"jump {k}", "yes" if k % 3 else "no") for k in range(60)]
    labelled = train_pool(rows, "train.jsonl")
    ids = labelled.rows["id"][:]
    doubted = tuple(ids[k] for k in range(60) if k % 3 == 0)  # all twenty that say no
    values = {"denied": 0.4, "denied_items": 0.0, "denied_elsewhere": 0.0, "wrong": 0.2}
    test = Evidence("labels", values, "", rows=doubted, guesses=("yes",) * len(doubted))
    found = diagnosis(replace(finding(Cause.UNKNOWN), tests=(test,)))
    resources = Resources(take_stock(labelled, None, NO_ITEMS), row_effects=against)
    of = {one.name: one for one in rivals(Auto(num_examples=50), found, {TASK: (Cause.WRONG_LABELS,)}, resources)}
    for name in ("clean", RANDOM_REMOVAL):
        mix = of[name].mix
        gone = np.flatnonzero(mix.weights[:60] == 0)
        assert len(gone) == 10  # as many as are wrong: .2 of the slice, where twenty are .4 of it
        assert {rows[k][1] for k in gone.tolist()} == {"no"}
        assert set(mix.examples.rows["completion"][60:]) == {"yes"}
        assert sorted(mix.examples.rows["prompt"][60:]) == sorted(rows[k][0] for k in gone.tolist())
        assert mix.weights[60:] == pytest.approx(1 / 60)
    assert set(np.flatnonzero(of["clean"].mix.weights[:60] == 0)) == {3 * k for k in range(10)}
    assert of["clean"].says == "10 rows with doubtful labels relabelled"
    assert of[RANDOM_REMOVAL].says == "10 rows relabelled at random"


def test_two_slices_with_doubted_labels_each_have_a_control_of_their_own_size() -> None:
    rows = [
        (f"{word} {k}", "yes" if k % 3 else "no")
        for word, number in (("jump", 60), ("walk", 90))
        for k in range(number)
    ]
    labelled = train_pool(rows, "train.jsonl")
    ids, values = labelled.rows["id"][:], {"denied": 0.4, "denied_items": 0.0, "denied_elsewhere": 0.0, "wrong": 0.4}
    found = []
    for word, items in (("jump", TASK), ("walk", Slice((("task", "scan_jump"), ("length", "3"))))):
        doubted = tuple(ids[k] for k, (prompt, answer) in enumerate(rows) if prompt.startswith(word) and answer == "no")
        test = Evidence("labels", values, "", rows=doubted, guesses=("yes",) * len(doubted))
        where = Slice((("prompt contains", word),))
        one = finding(Cause.UNKNOWN, items=items)
        found.append(
            replace(one, tests=(test,), data_slice=where, data_slices=(replace(one.data_slices[0], slice=where),))
        )
    resources = Resources(take_stock(labelled, None, NO_ITEMS), row_effects=against)
    wanted = {one.slice: (Cause.WRONG_LABELS,) for one in found}
    of = {one.name: one for one in rivals(Auto(num_examples=50), diagnosis(*found), wanted, resources)}
    for name in ("clean", RANDOM_REMOVAL):
        assert (of[name].mix.weights[:150] == 0).sum() == 50  # a third of sixty and of ninety
        assert of[name].mix.weights[150:] == pytest.approx(1 / 150)
