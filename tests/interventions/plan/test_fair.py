"""The share of the draws that added rows get where their answers are labels: told from the measured items' golds."""

from dataclasses import replace

import numpy as np
import pytest
from builders.findings import diagnosis, finding, kinds_of, pool_of, proposed, share_of
from builders.pools import train_pool
from datasets import concatenate_datasets

from diagnose.finding.finding import Cause
from diagnose.rows.pool import TrainPool
from interventions.fixes.retrieve import Retrieve
from interventions.plan.fair import fair_shares


def labelled(source: str, **counts: int) -> TrainPool:
    """Rows with these completions."""
    rows = [(f"{source} {label} {k}", label) for label, number in counts.items() for k in range(number)]
    return train_pool(rows, source)


def test_a_class_gets_what_it_lacks_of_its_share_among_the_items() -> None:
    corpus, added = labelled("old", place=20, person=580, number=400), labelled("new", place=300)
    golds = {"place": 150, "person": 510, "number": 340}
    [share] = fair_shares(golds, corpus, [added], [0.5])
    assert share + (1 - share) * 0.02 == pytest.approx(0.15, abs=1e-3)


def test_rows_of_other_tasks_in_the_corpus_leave_less_to_a_class() -> None:
    """A tenth of the corpus is the classification: the class is to have 15 % of that, and 1.7 % of the draws."""
    corpus, added = labelled("old", person=60, number=40, essay=900), labelled("new", place=300)
    [share] = fair_shares({"place": 150, "person": 510, "number": 340}, corpus, [added], [0.5])
    assert share / (share + (1 - share) * 0.1) == pytest.approx(0.15, abs=1e-3)


def test_two_classes_get_theirs_at_once() -> None:
    corpus = labelled("old", person=1000)
    added = [labelled("new", place=300), labelled("more", number=100)]
    shares = fair_shares({"place": 100, "person": 700, "number": 200}, corpus, added, [0.375, 0.125])
    assert shares == pytest.approx([0.1, 0.125], abs=1e-3)  # the second may have no more than its part


def test_the_largest_share_stays_where_the_golds_do_not_speak_against_it() -> None:
    corpus = labelled("old", yes=500, no=500)
    golds = {"yes": 52, "no": 48}
    assert fair_shares(golds, corpus, [labelled("new", yes=49, no=51)], [0.5]) == [0.5]
    assert fair_shares({}, corpus, [labelled("new", yes=100)], [0.5]) is None
    assert fair_shares(golds, corpus, [pool_of(["written out 1"], "new")], [0.5]) is None
    assert fair_shares(golds, labelled("old", essay=9), [labelled("new", yes=100)], [0.5]) is None


def test_a_user_s_share_is_kept_and_the_default_is_fair() -> None:
    found = replace(finding(Cause.MISSING_DATA), golds={"yes": 20, "no": 80})
    old = labelled("train", no=500)
    new = labelled("jump", yes=300)
    fair = proposed(Retrieve(num_examples=100), diagnosis(found), old=old, new=new)
    assert share_of(fair.mix, "retrieve") == pytest.approx(0.2, abs=1e-3)
    assert "20.0% of the draws, with which its answers come as often as among the items" in fair.plan.reason
    asked = proposed(Retrieve(num_examples=100, share=0.5), diagnosis(found), old=old, new=new)
    assert share_of(asked.mix, "retrieve") == pytest.approx(0.5)


@pytest.mark.parametrize("prompt", ["jump", "walk"])
def test_a_label_that_has_its_share_divides_it_between_old_and_new_rows(prompt: str) -> None:
    """Whether the old ones are in the data slice or not."""
    found = replace(finding(Cause.MISSING_DATA), golds={"yes": 20, "no": 80})
    old = labelled(prompt, yes=100)
    rest = labelled("train", no=400)
    old = TrainPool(concatenate_datasets([old.rows, rest.rows]), old.rendering)
    done = proposed(Retrieve(num_examples=100), diagnosis(found), old=old, new=labelled("jump new", yes=300))
    answers = np.array(done.mix.examples.rows["completion"][:])
    assert done.mix.weights[answers == "yes"] == pytest.approx(0.2 / 200, abs=1e-4)
    assert done.mix.weights[answers == "no"].sum() == pytest.approx(0.8, abs=1e-3)
    assert done.plan.taken == pytest.approx(0.0, abs=1e-3)


def test_a_fix_that_broke_a_guard_gets_half_of_its_fair_share() -> None:
    found = replace(finding(Cause.MISSING_DATA), golds={"yes": 20, "no": 80})
    old, new = labelled("train", no=500), labelled("jump", yes=300)
    half = proposed(Retrieve(num_examples=100), diagnosis(found), old=old, new=new, scale=0.5)
    assert share_of(half.mix, "retrieve") == pytest.approx(0.1, abs=1e-3)


def test_new_rows_of_a_label_have_companions_of_the_others_in_the_items_proportions() -> None:
    found = replace(finding(Cause.MISSING_DATA), golds={"yes": 200, "no": 600, "both": 200})
    old, new = labelled("train", no=300, both=100), labelled("jump", yes=300)
    others = labelled("more", no=300, both=300, essay=50)
    pool = TrainPool(concatenate_datasets([new.rows, others.rows]), new.rendering)
    done = proposed(Retrieve(num_examples=160), diagnosis(found), old=old, new=pool)
    is_new = kinds_of(done.mix) == "retrieve"
    answers = np.array(done.mix.examples.rows["completion"][:])[is_new]
    assert [int((answers == label).sum()) for label in ("yes", "no", "both", "essay")] == [80, 60, 20, 0]
    assert done.num_added == 160
    weights = done.mix.weights[is_new]
    assert weights[answers == "yes"].sum() == pytest.approx(0.2, abs=1e-3)
    asked = proposed(Retrieve(num_examples=160, share=0.5), diagnosis(found), old=old, new=pool)
    assert set(np.array(asked.mix.examples.rows["completion"][:])[kinds_of(asked.mix) == "retrieve"]) == {"yes"}


def test_labels_of_corpus_pool_and_items_in_any_proportions_leave_no_row_less_than_nothing() -> None:
    rng = np.random.default_rng(0)
    names = ("yes", "no", "both")
    for _ in range(30):
        counts = rng.integers(5, 300, (3, 3)).tolist()
        golds, of_corpus, of_pool = (dict(zip(names, row, strict=True)) for row in counts)
        findings = [replace(finding(Cause.MISSING_DATA), golds=golds) for _ in range(2)]
        old = labelled("jump", **of_corpus)
        done = proposed(Retrieve(num_examples=200), diagnosis(*findings), old=old, new=labelled("jump new", **of_pool))
        assert done.mix.weights.min() >= 0
        assert done.mix.weights.sum() == pytest.approx(1.0)


def test_rows_of_many_answers_are_drawn_no_less_often_than_old_ones_though_few_golds_speak_against_them() -> None:
    """By chance: the added rows say pink in a fourth, the golds in a seventh, and all were drawn evenly."""
    golds = {"blue": 29, "gold": 32, "green": 28, "pink": 19, "red": 25}
    counts = {"blue": 60, "gold": 45, "green": 42, "pink": 72, "red": 67}
    old, new = labelled("train", **dict.fromkeys(golds, 124)), labelled("jump", **counts)
    [share] = fair_shares(golds, old, [new], [0.5])
    assert share < 0.01
    found = replace(finding(Cause.MISSING_DATA), golds=golds)
    done = proposed(Retrieve(num_examples=286), diagnosis(found), old=old, new=new)
    assert share_of(done.mix, "retrieve") == pytest.approx(286 / (286 + 620), abs=1e-3)
    assert "31.6% of the draws, with which its rows come as often as the corpus's" in done.plan.reason
