"""Causes from counts, and failure modes from answers."""

import pytest

from diagnose.causes import DataCounts, cause_probabilities, fair_share
from diagnose.finding import Cause
from diagnose.modes import Mode, edit_distance, mode_of, mode_shares
from evals.items import Item, ItemResult, OutputType


def most_probable(corpus_rows: int, corpus_share: float, share: float) -> Cause:
    causes = cause_probabilities(DataCounts(corpus_rows, corpus_share, share, 100))
    assert sum(causes.values()) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in causes.values())
    return max(causes, key=lambda cause: causes[cause])


def test_no_rows_are_missing_data() -> None:
    assert most_probable(0, 0.0, 0.1) is Cause.MISSING_DATA
    assert most_probable(4, 0.0004, 0.1) is Cause.MISSING_DATA


@pytest.mark.parametrize("rows", [5, 80, 1000, 100_000])
def test_rows_well_below_their_fair_share_are_underweighted(rows: int) -> None:
    assert most_probable(rows, 0.01, 0.36) is Cause.UNDERWEIGHTED
    assert most_probable(rows, 0.179, 0.36) is Cause.UNDERWEIGHTED


def test_rows_with_their_fair_share_leave_the_cause_unknown() -> None:
    assert most_probable(1000, 0.125, 0.125) is Cause.UNKNOWN
    assert most_probable(1000, 0.5, 0.125) is Cause.UNKNOWN


def test_without_a_data_slice_the_cause_is_unknown_for_certain() -> None:
    assert cause_probabilities(None) == {Cause.UNKNOWN: 1.0}


def test_more_rows_make_missing_data_less_likely() -> None:
    few, many = (cause_probabilities(DataCounts(n, 0.01, 0.3, 0))[Cause.MISSING_DATA] for n in (10, 1000))
    assert few > 3 * many


def test_a_fair_share_is_bounded_by_siblings_and_by_half() -> None:
    assert fair_share(0.36, None) == 0.36
    assert fair_share(0.36, 8) == 0.125
    assert fair_share(1.0, None) == 0.5
    assert fair_share(0.1, 1) == 0.1


def failed(answer: str, target: str, output_type: OutputType = OutputType.GENERATE_UNTIL) -> ItemResult:
    item = Item("task", "id-0", "key", {}, "prompt", target, " ", output_type)
    return ItemResult(item, answer, {"exact_match": 0.0}, "exact_match", 0.0, True)


@pytest.mark.parametrize(
    ("answer", "target", "mode"),
    [
        ("", "42", Mode.NO_ANSWER),
        ("  \n", "42", Mode.NO_ANSWER),
        ("The answer is 42.", "42", Mode.FORMAT),
        ("Yes", "yes", Mode.FORMAT),
        ("1,000", "1000", Mode.FORMAT),
        ("a b c", "a b c d", Mode.TRUNCATED),
        ("a", "a b c d", Mode.WRONG),
        ("a b c b c b c b c b c", "a b c", Mode.REPETITION),
        ("jump jump jump jump", "jump jump jump", Mode.REPETITION),
        ("a b c x e f g h", "a b c d e f g h", Mode.NEAR_MISS),
        ("hose", "house", Mode.NEAR_MISS),
        ("seventeen", "42", Mode.WRONG),
        ("left jump", "jump", Mode.WRONG),
    ],
)
def test_modes_of_known_answers(answer: str, target: str, mode: Mode) -> None:
    assert mode_of(failed(answer, target), {"left", "jump"}) is mode


def test_only_generated_answers_have_a_mode_beyond_wrong() -> None:
    assert mode_of(failed("", "42", OutputType.MULTIPLE_CHOICE), ()) is Mode.WRONG


def test_shares_of_modes_sum_to_1() -> None:
    shares = mode_shares([failed("", "x"), failed("", "x"), failed("y z", "x"), failed("x.", "x")])
    assert shares == {"no_answer": 0.5, "wrong": 0.25, "format": 0.25}


def test_the_banded_edit_distance_is_the_full_one_up_to_its_limit() -> None:
    def full(a: str, b: str) -> int:
        row = list(range(len(b) + 1))
        for i, left in enumerate(a, 1):
            row, before = [i], row
            for j, right in enumerate(b, 1):
                row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right)))
        return row[-1]

    words = ["", "a", "kitten", "sitting", "saturday", "sunday", "abcabcabc", "bcabcabca"]
    for first in words:
        for second in words:
            for limit in range(6):
                assert edit_distance(first, second, limit) == min(full(first, second), limit + 1)
