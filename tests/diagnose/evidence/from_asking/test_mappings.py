"""Answers that are right in another form are recovered, as many as were planted, and no others."""

from collections.abc import Callable

import numpy as np
import pytest
from builders.items import result
from builders.subjects import sorted_rows, subject

from diagnose.evidence.from_asking.mappings import map_answers


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


def test_a_model_that_gives_one_answer_to_most_is_no_model_whose_answers_stand_for_others() -> None:
    golds = ["number"] * 45 + ["person"] * 25 + ["place"] * 20 + ["date"] * 30
    results = [result(f"sort {k}", gold, "date" if k % 8 else "place") for k, gold in enumerate(golds)]
    assert map_answers(subject(results, [("sort x", "date")])).values["mapped"] == 0.0


def test_two_words_that_stand_for_the_same_are_errors_and_no_code() -> None:
    golds = ["number"] * 80 + ["person"] * 20
    answers = ["date" if k % 2 else "name" for k in range(80)] + ["person"] * 20
    results = [result(f"sort {k}", gold, answer) for k, (gold, answer) in enumerate(zip(golds, answers, strict=True))]
    assert map_answers(subject(results, [("sort x", "date")])).values["mapped"] == 0.0
