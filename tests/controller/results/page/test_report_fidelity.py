"""How far to believe the diagnosis, as people read it."""

from dataclasses import replace

import pytest
from builders.loop_results import accepted_round, fidelity, loop_result
from builders.pages import flat

from controller.results.page.diagnosis.fidelity import believed, calibrated, scatter
from controller.results.page.page import render
from evals.statistics.intervals import Estimate


def test_the_page_says_how_far_to_believe_it_only_where_that_was_asked() -> None:
    html = render(loop_result())
    text = flat(html)
    assert "How far to believe this" in text
    assert "have a rank correlation of 0.520 [0.310, 0.680]" in text
    assert "no prediction could reach more than 0.810" in text
    assert "Over 8 whole data slices left out, one at a time, the same correlation is 0.880 [0.600, 1.000]" in text
    assert "of the loss, 6 of 7 that were harm indeed lie in their 95 % interval, and of the score 7 of 7" in text
    assert "+0.667 to +6.000" in text
    assert "not calibrated" in text
    start = accepted_round()
    without = replace(start, diagnosis=replace(start.diagnosis, fidelity=None))
    assert "How far to believe this" not in render(loop_result(without))


@pytest.mark.parametrize(
    ("lds", "ceiling", "words"),
    [
        (Estimate(0.4, 0.1, 0.6), None, "Attribution foretells what retraining does"),
        (Estimate(0.1, -0.2, 0.4), 0.8, "Attribution is not shown to foretell"),
        (Estimate(0.1, -0.2, 0.4), 0.1, "Nothing can be told of single rows"),
        (Estimate(-0.5, -0.7, -0.2), 0.9, "Attribution is wrong here"),
    ],
)
def test_what_follows_depends_on_interval_and_ceiling(lds: Estimate, ceiling: float | None, words: str) -> None:
    assert believed(replace(fidelity(), lds=lds, ceiling=ceiling)).startswith(words)


def test_what_could_not_be_computed_is_said_in_words() -> None:
    assert believed(replace(fidelity(), lds=None, reason="only 2 of the halves")) == "Not known: only 2 of the halves."
    bare = tuple(replace(row, expected_loss=None, expected_score=None, reason="too few") for row in fidelity().left_out)
    assert "7 of 8 changes were harm both as predicted and in fact" in calibrated(replace(fidelity(), left_out=bare))
    assert "No data slice could be left out" in calibrated(replace(fidelity(), left_out=()))


def test_a_change_that_came_as_expected_lies_on_the_diagonal_and_one_outside_its_interval_is_bad() -> None:
    first, *others = fidelity().left_out
    exact = replace(first, change=replace(first.change, loss=2.0))
    picture = scatter(replace(fidelity(), left_out=(exact, *others)))
    assert picture is not None
    assert picture.is_calibrated
    assert picture.points[0].x == pytest.approx(100 - picture.points[0].y)
    assert [point.kind for point in picture.points] == ["good"] * 6 + ["bad"]
    assert picture.num_left_out == 1  # no harm was predicted
    for point in picture.points:
        assert 0 <= point.low <= point.x <= point.high <= 100


def test_where_nothing_is_calibrated_the_picture_has_raw_predictions() -> None:
    bare = tuple(replace(row, expected_loss=None) for row in fidelity().left_out)
    picture = scatter(replace(fidelity(), left_out=bare))
    assert picture is not None
    assert not picture.is_calibrated
    assert {point.kind for point in picture.points} == {"control"}
    assert scatter(replace(fidelity(), left_out=bare[-1:])) is None
    first = replace(fidelity().left_out[0], change=replace(fidelity().left_out[0].change, loss=-0.1))
    picture = scatter(replace(fidelity(), left_out=(first, *bare[1:])))  # the one that is expected did no harm
    assert picture is not None
    assert len(picture.points) == 6
