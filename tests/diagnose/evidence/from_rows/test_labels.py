"""Labels of a failing slice: wrong ones that were planted are told, as many as there are, and right ones are not."""

import numpy as np
import pytest
from builders.items import result
from builders.subjects import SLICE, sorted_rows, subject, words
from numpy.typing import NDArray

from diagnose.evidence.from_rows.label_doubts import Doubts, Labelled, doubt_labels
from diagnose.evidence.from_rows.labels import check_effects, check_labels
from diagnose.evidence.from_rows.wrong_labels import Sides, leaving, right_beyond, standardised
from diagnose.slices.predicate import Slice
from diagnose.slices.tags import GOLD_ANSWER


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


def with_likenesses(of_persons: int, of_places: int, first: int) -> list[tuple[str, str]]:
    """Persons and places, all labels right: one in fifty places is asked for as persons are."""
    names = iter(range(first, first + of_persons + of_places))
    persons = [(f"who sort was n{next(names)}", "PERSON") for _ in range(of_persons)]
    asked = ["who sort was" if k % 50 == 0 else "where is the" for k in range(of_places)]
    return persons + [(f"{start} n{next(names)}", "PLACE") for start in asked]


def test_an_answer_that_few_rows_and_many_items_have_is_not_taken_for_wrong_labels() -> None:
    # Half of the rows that are said to be persons are places, as are 4 % of the items.
    rows, items = with_likenesses(40, 2000, 0), with_likenesses(240, 500, 5000)
    found = check_labels(subject([result(p, label, "PLACE") for p, label in items], rows, where=PERSONS))
    assert found.values["denied"] == pytest.approx(0.5, abs=0.05)
    assert found.values["denied_items"] == pytest.approx(0.04, abs=0.01)
    assert (found.values["wrong"], found.denied) == (0, ())


def test_wrong_labels_of_an_answer_are_told_beside_rows_that_are_like_it() -> None:
    rows, items = with_likenesses(400, 2000, 0), with_likenesses(240, 500, 5000)
    given = [(p, "PLACE" if label == "PERSON" and k % 10 < 3 else label) for k, (p, label) in enumerate(rows)]
    found = check_labels(subject([result(p, label, "PLACE") for p, label in items], given, where=PERSONS))
    # 120 wrong ones and 40 likenesses among 440.
    assert found.values["denied"] == pytest.approx(160 / 440, abs=0.01)
    assert 0.15 < found.values["wrong"] < 120 / 440


def test_items_beyond_a_cut_count_as_if_labels_were_as_frequent_as_among_rows() -> None:
    # A tenth of the items of label 0 and a half of those of label 1 are beyond it; of the rows 90 % have label 1.
    items, rows = np.array([0] * 80 + [1] * 20), np.array([0] * 100 + [1] * 900)
    above = np.array([0] * 8 + [1] * 10)
    assert standardised(above, rows, items) == round((0.1 * 0.1 + 0.9 * 0.5) * 100)
    assert standardised(above, items, items) == len(above)
    assert standardised(above, np.array([0] * 50 + [2] * 50), items) == round(0.1 * 100)


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


def test_labels_that_many_rare_words_tell_are_learnt_too() -> None:
    rng = np.random.default_rng(0)

    def draw(number: int) -> list[tuple[str, str]]:
        things = rng.integers(400, size=number).tolist()
        return [(f"sort the {words(2, rng)} thing{thing}", f"kind {thing % 4}") for thing in things]

    doubts = doubt_labels(Labelled(*zip(*draw(1600), strict=True)), Labelled(*zip(*draw(200), strict=True)))
    assert doubts is not None
    assert doubts.items.is_denied.mean() < 0.2
