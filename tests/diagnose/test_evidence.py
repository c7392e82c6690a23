"""Tests of a failing slice that ask no model, on planted faults, with the number that was planted."""

from collections.abc import Callable

import numpy as np
import pytest
from sample_subject import SLICE, result, sorted_rows, subject, train_pool, words

from diagnose.evidence.amounts import count_copies, count_rows, find_copies, find_near_rows
from diagnose.evidence.labels import check_effects, check_labels, label_doubts
from diagnose.evidence.mappings import map_answers
from diagnose.listed import NEAREST, content_digest
from diagnose.slices import Slice

# Mappings of answers


def mapped(answers: Callable[[str], str], passing: int = 0) -> float:
    rows = sorted_rows(80)
    results = [result(p, gold, gold if k < passing else answers(gold)) for k, (p, gold) in enumerate(rows)]
    return map_answers(subject(results, rows)).values["mapped"]


@pytest.mark.parametrize(
    "dress",
    [
        lambda gold: f"it is {gold} here",
        lambda gold: f"< {gold} >",
        lambda gold: gold.upper(),
        lambda gold: f"Let me think.\n{gold}",
        lambda gold: " ".join(f"I_{word}" for word in gold.split()),
        lambda gold: " ".join({"a": "one", "b": "two"}.get(word, f"{word}0") for word in gold.split()),
    ],
)
def test_answers_in_another_form_are_all_recovered(dress: Callable[[str], str]) -> None:
    assert mapped(dress) == 1.0


def test_classes_under_other_names_are_recovered_from_a_model_that_errs() -> None:
    names = {"HUM": "person", "LOC": "place", "NUM": "number"}
    rng = np.random.default_rng(0)
    golds = [list(names)[k] for k in rng.integers(3, size=200).tolist()]
    says = [names[gold if rng.random() < 0.7 else golds[k - 1]] for k, gold in enumerate(golds)]
    results = [result(f"sort {k}", gold, answer) for k, (gold, answer) in enumerate(zip(golds, says, strict=True))]
    right = np.mean([names[gold] == answer for gold, answer in zip(golds, says, strict=True)])
    mapped = map_answers(subject(results, [("sort x", "person")])).values["mapped"]
    assert mapped == pytest.approx(right, abs=0.06)


def test_a_last_number_stands_for_a_gold_that_is_a_number_and_for_no_other() -> None:
    numbers = [result(f"sort {k}", f"{k}", f"that makes {k} in all") for k in range(10, 50)]
    worked = [result(f"sort {k}", f"{k} by adding\n#### {k}", f"so {k}") for k in range(10, 50)]
    pairs = [result(f"sort {k}", f"{k} figs 7", f"{k + 1} figs 7") for k in range(10, 50)]
    rows = [("sort x", "7")]
    assert map_answers(subject(numbers, rows)).values["mapped"] == 1.0
    assert map_answers(subject(worked, rows)).values["mapped"] == 1.0
    assert map_answers(subject(pairs, rows)).values["mapped"] == 0.0


def test_a_gold_answer_in_a_form_of_its_own_is_recovered() -> None:
    rows = sorted_rows(80)
    results = [result(p, f"Answer: {gold}", gold) for p, gold in rows]
    assert map_answers(subject(results, rows)).values["mapped"] == 1.0


def test_wrong_answers_of_one_steady_misreading_are_not_a_form() -> None:
    assert mapped(lambda gold: " ".join(gold.split()[::-1])) == 0.0


def test_swapping_two_answers_is_no_cure_when_it_breaks_as_many() -> None:
    results = [
        result(
            f"sort {k}",
            "yes" if k % 2 else "no",
            ("yes" if k % 2 else "no") if k % 4 < 2 else "yes" if k % 2 == 0 else "no",
        )
        for k in range(80)
    ]
    assert map_answers(subject(results, [("sort x", "yes")])).values["mapped"] <= 0.05


# Amounts


def test_shares_are_those_of_the_corpus_with_and_without_copies() -> None:
    corpus = [*sorted_rows(30), *([("copy a b", "a b")] * 70)]
    one = subject([result("sort b a", "a b", "b a")], corpus, pool=sorted_rows(10, 1), fair_share=0.5)
    values = count_rows(one).values
    distinct = len({completion for _, completion in corpus}), len({prompt for prompt, _ in corpus})
    assert values["corpus_rows"] == 30
    assert values["pool_rows"] == 10
    assert values["corpus_share"] == pytest.approx(0.3)
    assert values["scarcity"] == pytest.approx(1 - 0.3 / 0.5)
    assert values["distinct_share"] == pytest.approx((distinct[1] - 1) / distinct[1])
    assert values["distinct_scarcity"] == 0


def test_copies_are_counted_and_their_rows_named() -> None:
    corpus = [*sorted_rows(30), *([("copy a b", "a b")] * 70)]
    found = find_copies(subject([result("sort b a", "a b", "b a")], corpus))
    assert found.values["copies"] == pytest.approx(1 - len(set(corpus)) / len(corpus))
    assert found.rows == tuple(f"train-{k}" for k in range(30, 100))
    assert "70 times" in found.says


def test_near_copies_of_long_texts_are_copies_and_short_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    long = " ".join(f"w{k}" for k in rng.integers(0, 10_000, 60))
    other = " ".join(f"w{k}" for k in rng.integers(0, 10_000, 60))
    more = [(" ".join(f"w{k}" for k in rng.integers(0, 10_000, 60)), "x") for _ in range(10)]
    rows = [(long, "x"), (f"{long} indeed", "x"), (other, "x"), ("a b c d", "x"), ("a b c e", "x"), *more]
    counts = count_copies(train_pool(rows, "train"), np.arange(len(rows))).counts
    assert counts.tolist() == [2, 2, *([1] * 13)]


def test_long_texts_of_a_closed_grammar_are_copies_only_where_they_are_equal() -> None:
    rows = [(" ".join(["turn", "left"] * k), "x") for k in range(7, 20)]
    assert count_copies(train_pool(rows, "train"), np.arange(len(rows))).counts.max() == 1


def test_items_without_a_row_near_them_are_less_covered() -> None:
    passing = [result(f"add {k} and {k + 1}", "x", "x") for k in range(20)]
    failing = [result(f"sort p{k} q{k}", "x", "y") for k in range(20)]
    corpus = [(f"add {k} and {k + 2}", "x") for k in range(40)]
    assert find_near_rows(subject([*passing, *failing], corpus)).values["nearness"] < 0.1


# Labels


def test_rows_of_which_a_third_work_against_the_items_have_a_third_of_the_effect_against_them() -> None:
    corpus = sorted_rows(90)
    effect = [-1.0 if k % 3 == 0 else 1.0 for k in range(90)]
    found = check_effects(subject([result("sort b a", "a b", "b a")], corpus, effect=effect))
    assert found.values["against"] == pytest.approx(1 / 3)


def test_planted_wrong_labels_of_a_classification_are_denied_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(0)
    kinds = {"PLACE": "where is the", "PERSON": "who sort was the", "NUMBER": "how many of the"}
    rows = [
        (f"{kinds[label]} {words(2, rng)} n{rng.integers(50)}", label)
        for label in rng.choice(list(kinds), 900).tolist()
    ]
    is_wrong = np.array([label == "PERSON" and rng.random() < 0.3 for _, label in rows])
    given = [(p, "PLACE" if wrong else label) for (p, label), wrong in zip(rows, is_wrong.tolist(), strict=True)]
    failed = [result(f"who sort was the a {k}", "PERSON", "PLACE") for k in range(20)]
    found = check_labels(subject(failed, given, where=None))
    share = is_wrong.sum() / sum(label == "PERSON" for _, label in rows)
    assert found.values["denied"] == pytest.approx(share, abs=0.05)
    assert found.values["denied_elsewhere"] < 0.05
    named = [int(name.removeprefix("train-")) for name in found.rows]
    assert is_wrong[named[: int(is_wrong.sum())]].mean() >= 0.95


def test_open_answers_are_no_labels() -> None:
    rows = sorted_rows(300)
    assert label_doubts([p for p, _ in rows], np.array([c for _, c in rows], object)) is None


def test_one_prompt_with_two_answers_is_a_conflict() -> None:
    corpus = [("sort b a", "a b"), ("sort b a", "b a"), ("sort c a", "a c"), ("sort d a", "a d")]
    assert check_labels(subject([result("sort b a", "a b", "b a")], corpus)).values["conflicts"] == 0.5


def test_rows_that_are_listed_as_the_nearest_are_counted_like_those_of_a_predicate() -> None:
    rows = [*sorted_rows(30), *((f"copy {k}", str(k)) for k in range(70))]
    near = Slice(((NEAREST, "task = task"),), tuple(content_digest(prompt, answer) for prompt, answer in rows[:30]))
    failed = [result("sort b a", "a b", "b a")]
    by_list, by_words = (count_rows(subject(failed, rows, where=where)) for where in (near, SLICE))
    assert by_list.values == by_words.values
    assert by_list.values["corpus_rows"] == 30
    assert "have nearness to failed items of task = task" in by_list.says
