"""Pictures of the page: marks, scales and the order of rows."""

import pytest
from builders.loop_results import accepted_round, rejected_round

from controller.results.page.pictures import marks


def test_marks_lie_at_their_values_on_the_scale() -> None:
    scale = marks.scale_over([0.58, 0.98])
    assert (scale.low, scale.high) == (0.5, 1.0)
    assert [(tick.at, tick.label) for tick in scale.ticks(is_signed=False)][:2] == [
        (0.0, "0.5"),
        (20.0, "0.6"),
    ]
    assert (scale.at(0.75), scale.at(0.5), scale.at(2.0)) == (50.0, 0.0, 100.0)
    quarters = marks.scale_over([0.876, 0.982])
    assert [tick.label for tick in quarters.ticks(is_signed=False)] == [
        "0.875",
        "0.900",
        "0.925",
        "0.950",
        "0.975",
        "1.000",
    ]


@pytest.mark.parametrize(
    "values",
    [[0.0], [1.0, 1.0], [0.3, 0.3], [-0.03, 0.0], [0, 1], [-5000.0, -12.0], [0.951, 0.9512], [0.02, 0.99]],
)
def test_a_scale_holds_all_its_values_in_a_few_round_steps(values: list[float]) -> None:
    scale = marks.scale_over(values)
    assert scale.low <= min(values) + 1e-9
    assert scale.high >= max(values) - 1e-9
    labels = [tick.label for tick in scale.ticks(is_signed=False)]
    assert 2 <= len(labels) <= 9
    assert len(set(labels)) == len(labels)
    if min(values) >= 0 and max(values) <= 1:
        assert scale.low >= 0
        assert scale.high <= 1 + 1e-9


def test_the_guard_margin_is_drawn_where_it_is() -> None:
    picture = marks.guards(rejected_round().verdict.guards)
    assert picture.limit is not None
    assert picture.zero is not None
    # -.05 to +.02 in steps of .02 or so: the margin lies as far left of zero as it is large.
    low = picture.rows[1].marks[0].low
    assert (picture.zero - picture.limit.at) / (picture.zero - low) == pytest.approx(0.03 / 0.049, abs=1e-3)


def test_before_and_after_pairs_the_same_slice_and_puts_the_largest_change_first() -> None:
    picture = marks.before_after(accepted_round().verdict)
    assert picture is not None
    labels = [row.label for row in picture.rows]
    assert labels[:3] == ["scan", "starter_arithmetic", "scan: verb = jump"]
    assert picture.rows[2].value == "0.638 → 0.955"
