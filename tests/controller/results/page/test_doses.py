"""The dose curve, as people read it."""

import pytest
from builders.loop_results import dosed_round, loop_result

from controller.results.page.page import render
from controller.results.page.pictures.doses import dose_summary, doses_view
from controller.results.verdict_json import DosePoint

NO_GUARDS: dict[str, float] = {}


def point(dose: float, num_added: int, score: float, half: float = 0.02) -> DosePoint:
    return DosePoint(dose, num_added, score, (score - half, score + half), 1000, NO_GUARDS)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ((0.5, 0.7, 0.9, 0.96), "Less would not have done: 50 rows score 0.700"),
        ((0.5, 0.89, 0.9, 0.96), "Less may have done: 50 rows score 0.890"),
        ((0.89, 0.89, 0.9, 0.96), "Less may have done: 25 rows score 0.890"),
        ((0.89, 0.7, 0.9, 0.96), "Less would not have done: 50 rows"),
        ((0.5, 0.7, 0.9, 0.96), "More does more: 200 rows score 0.960"),
        ((0.5, 0.7, 0.9, 0.91), "More is not shown to do more: 200 rows"),
        ((0.5, 0.7, 0.9, 0.8), "More does worse: 200 rows"),
    ],
)
def test_the_page_says_whether_less_would_have_done_and_more_does_more(scores: tuple[float, ...], said: str) -> None:
    assert said in dose_summary([point(d, round(100 * d), s) for d, s in zip((0.25, 0.5, 1, 2), scores, strict=True)])


def test_points_lie_at_their_rows_and_the_fix_is_marked() -> None:
    near = doses_view([point(0.5, 100, 0.7), point(1, 200, 0.8), point(2, 400, 0.9)])
    assert [mark.x for mark in near.marks] == [25, 50, 100]  # from no rows to 400
    assert [mark.kind for mark in near.marks] == ["control", "after", "control"]
    wide = doses_view([point(0.1, 10, 0.7), point(1, 100, 0.8), point(10, 1000, 0.9)])
    few, fix, many = (mark.x for mark in wide.marks)
    assert fix - few == pytest.approx(many - fix, abs=0.02)  # ten times as many, ten times as many
    assert not near.is_log
    assert wide.is_log


def test_the_curve_stands_on_the_page_where_doses_were_tried() -> None:
    text = render(loop_result(dosed_round()))
    assert "200 rows score 0.912 [0.880, 0.938]" in text
    assert "1, the fix" in text
    assert "does more do more" not in render(loop_result())
