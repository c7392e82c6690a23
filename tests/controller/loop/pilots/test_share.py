"""Pilots: the largest part of the draws that costs no guard more than its margin, and what is settled without any."""

import pytest
from builders.arms import arm

from controller.loop.pilots.share import Pilot, chosen_scale, pilot_records
from controller.settings import Pilots
from controller.verdict.guards import TaskGuard

OTHERS = TaskGuard("others")


def pilots(**rest: float) -> list[Pilot]:
    """By scale in percent, the score of the guard."""
    scales = {float(name.removeprefix("of")) / 100: score for name, score in rest.items()}
    return [Pilot(scale, arm(f"pilot-{scale:g}", 0.9, score, 1)) for scale, score in scales.items()]


@pytest.mark.parametrize(
    ("rest", "chosen"),
    [
        ({"of25": 0.9, "of50": 0.89, "of100": 0.4}, 0.5),
        ({"of25": 0.9, "of50": 0.7, "of100": 0.4}, 0.25),
        ({"of25": 0.9, "of50": 0.9, "of100": 0.89}, 1.0),
        ({"of25": 0.5, "of50": 0.9, "of100": 0.5}, 0.5),
    ],
)
def test_the_largest_part_is_chosen_that_costs_a_guard_no_more_than_its_margin(
    rest: dict[str, float], chosen: float
) -> None:
    assert chosen_scale(pilots(**rest), [OTHERS], margin=0.03) == chosen
    records = pilot_records(pilots(**rest), TaskGuard("jump").chosen, [OTHERS], chosen)
    assert [record.scale for record in records if record.is_chosen] == [chosen]
    assert [record.rest for record in records] == pytest.approx(list(rest.values()), abs=0.03)


def test_every_guard_counts_by_itself() -> None:
    """What one gains does not pay for what another loses."""
    kept = [Pilot(scale, arm(f"pilot-{scale:g}", 0.9, 0.9, 1)) for scale in (0.5, 1.0)]
    traded = [kept[0], Pilot(1.0, arm("pilot-1", 0.99, 0.8, 1))]
    guards = [TaskGuard("jump"), OTHERS]
    assert chosen_scale(kept, guards, margin=0.03) == 1.0
    assert chosen_scale(traded, guards, margin=0.03) == 0.5


@pytest.mark.parametrize(("scales", "length"), [([0.5, 0.0], 0.3), ([1.5], 0.3), ([1.0, 0.5], 0.0), ([1.0, 0.5], 1.5)])
def test_parts_that_are_none_are_refused(scales: list[float], length: float) -> None:
    with pytest.raises(ValueError, match=r"pilots\.(scales|length) must be above 0 and at most 1, got"):
        Pilots(scales=scales, length=length)


@pytest.mark.parametrize("scales", [[0.5], [1.0], [0.5, 0.25], [1.0, 1.0]])
def test_parts_among_which_there_is_nothing_to_choose_are_refused(scales: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pilots\.scales must be at least two, 1 among them, got"):
        Pilots(scales=scales)
