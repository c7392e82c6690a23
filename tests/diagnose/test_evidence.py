"""Tests of a failing slice that ask no model, on planted faults, with the number that was planted."""

from collections.abc import Callable

import numpy as np
import pytest
from builders.subjects import SLICE, result, sorted_rows, subject, train_pool, words
from numpy.typing import NDArray

from diagnose.evidence.from_asking.mappings import map_answers
from diagnose.evidence.from_rows.amounts import count_copies, count_rows, find_copies, find_near_rows
from diagnose.evidence.from_rows.labels import check_effects, check_labels
from diagnose.evidence.label_doubts import Doubts, Labelled, doubt_labels
from diagnose.evidence.wrong_labels import Sides, leaving, right_beyond
from diagnose.slices.listed import NEAREST, content_digest
from diagnose.slices.predicate import Slice
from diagnose.slices.tags import GOLD_ANSWER

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


KINDS = {"PLACE": "where is the", "PERSON": "who sort was the", "NUMBER": "how many of the"}


def questions(number: int, seed: int) -> list[tuple[str, str]]:
    """Of three kinds, each told by its first words."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(KINDS), number).tolist()
    return [(f"{KINDS[label]} {words(2, rng)} n{rng.integers(50)}", label) for label in labels]


def mislabelled(rows: list[tuple[str, str]], share: float) -> tuple[list[tuple[str, str]], NDArray[np.bool_]]:
    """Some of the persons are places, and which."""
    persons = np.flatnonzero([label == "PERSON" for _, label in rows])
    chosen = np.random.default_rng(1).choice(persons, round(share * len(persons)), replace=False)
    is_wrong = np.isin(np.arange(len(rows)), chosen)
    return [
        (p, "PLACE" if wrong else label) for (p, label), wrong in zip(rows, is_wrong.tolist(), strict=True)
    ], is_wrong


PERSONS = Slice(((GOLD_ANSWER, "PERSON"),))


@pytest.mark.parametrize("where", [SLICE, PERSONS])
def test_planted_wrong_labels_of_a_slice_are_denied_leave_and_get_the_right_label(where: Slice) -> None:
    rows = questions(900, 0)
    given, is_wrong = mislabelled(rows, 0.3)
    found = check_labels(subject([result(p, label, "PLACE") for p, label in questions(1200, 1)], given, where=where))
    assert found.values["denied"] == pytest.approx(0.3, abs=0.02)
    assert found.values["denied_items"] == 0
    assert found.values["denied_elsewhere"] < 0.01
    assert 0.2 < found.values["wrong"] < 0.3
    places = [int(row.id.removeprefix("train-")) for row in found.denied]
    assert is_wrong[places].all()
    assert len(places) >= 0.95 * is_wrong.sum()
    assert {row.label for row in found.denied} == {"PERSON"}
    assert {int(name.removeprefix("train-")) for name in found.rows} == set(places)


def test_right_labels_are_not_shown_to_be_wrong() -> None:
    items = [result(p, label, "PLACE") for p, label in questions(600, 1)]
    found = check_labels(subject(items, questions(900, 0)))
    assert (found.values["denied"], found.values["wrong"], found.denied) == (0, 0, ())


def test_a_classifier_that_cannot_do_the_task_shows_nothing() -> None:
    rng = np.random.default_rng(0)
    draw = lambda number: [(f"sort {words(4, rng)}", str(rng.integers(4))) for _ in range(number)]  # noqa: E731
    found = check_labels(subject([result(p, label, "x") for p, label in draw(300)], draw(900)))
    assert found.values["denied"] > 0.6
    assert (found.values["wrong"], found.denied) == (0, ())


def test_a_slice_whose_right_labels_are_hard_to_tell_is_not_taken_for_wrong() -> None:
    rng = np.random.default_rng(0)

    def draw(number: int) -> list[tuple[str, str]]:
        easy = [(f"{words(3, rng)} {label}", label) for label in rng.choice(["up", "down"], number).tolist()]
        return [*easy, *((f"sort {words(3, rng)} up", str(rng.choice(["up", "down"]))) for _ in range(number // 3))]

    found = check_labels(subject([result(p, label, "x") for p, label in draw(300)], draw(900)))
    assert found.values["denied"] > 0.3
    assert found.values["denied_elsewhere"] < 0.05
    assert (found.values["wrong"], found.denied) == (0, ())


def test_where_few_labels_are_wrong_it_is_told_and_no_row_leaves() -> None:
    given, _ = mislabelled(questions(900, 0), 0.05)
    found = check_labels(subject([result(p, label, "PLACE") for p, label in questions(60, 1)], given))
    assert 0.03 < found.values["denied"] < 0.07
    assert found.denied == ()


def test_right_rows_beyond_a_cut_are_as_many_as_chance_puts_there() -> None:
    # Of r rows x come before the first of n items with probability r (r - 1) ... / (r + n) (r + n - 1) ...
    def chance(x: int) -> float:
        return float(np.prod([(200 - k) / (300 - k) for k in range(x)]))

    found = int(right_beyond(200, 0, 100, 0.05))
    assert chance(found) > 0.05 >= chance(found + 1)
    assert right_beyond(200, 5, 100, 0.05) > found
    assert right_beyond(200, 100, 100, 0.05) == 200


def test_of_right_labels_rows_are_said_to_leave_in_at_most_one_of_twenty_cases() -> None:
    rng = np.random.default_rng(0)

    def drawn(number: int) -> Doubts:
        log_odds = rng.normal(-1, 2, number)
        share = 1 / (1 + np.exp(log_odds))
        return Doubts(np.arange(number), np.zeros(number, np.int64), np.stack([share, 1 - share], axis=1))

    cases = [Sides(drawn(300), drawn(60), drawn(0), drawn(0)) for _ in range(300)]
    assert sum(bool(leaving(case).rows.any()) for case in cases) <= 15


def test_open_answers_are_no_labels() -> None:
    rows = sorted_rows(300)
    given = Labelled([p for p, _ in rows], [c for _, c in rows])
    assert doubt_labels(given, given) is None


def test_copies_of_a_few_prompts_cannot_be_held_out() -> None:
    given = Labelled(["sort a b", "sort b a", "sort c a"] * 100, ["up", "down", "down"] * 100)
    assert doubt_labels(given, given) is None


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
