"""The dose curve: which doses are points of it, what it is measured on, and that it is no judgement."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.arms import agreed, arm

from controller.engine.artifacts import Data
from controller.loop.studies.dose_curve import Dose, DosedArm, dose_points, further
from controller.verdict.settings import Verify


@pytest.mark.parametrize(
    ("doses", "message"),
    [
        ([0.5, -2.0], r"verify.doses must be positive and finite, got -2 in \[0.5, -2\]"),
        ([0.0], "verify.doses must be positive and finite, got 0"),
        ([float("inf")], "verify.doses must be positive and finite, got inf"),
        ([float("nan")], "verify.doses must be positive and finite, got nan"),
        ([0.5, 1.0], r"verify.doses must not hold 1, got \[0.5, 1\]; the fix itself is that point"),
        ([2.0, 0.5, 2.0], r"verify.doses must be distinct, got 2 twice in \[2, 0.5, 2\]"),
    ],
)
def test_doses_that_make_no_points_are_refused(doses: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Verify(doses=doses)


def test_a_run_with_doses_is_the_run_without_them_and_a_verdict_does_not_depend_on_any() -> None:
    assert Verify(doses=[0.5, 2]).determining == Verify().determining
    assert Verify(doses=[0.5], alpha=0.01).determining != Verify().determining


def made(dose: float, num_added: int) -> Dose:
    return Dose(dose, num_added, Data(Path("mix"), "digest", 100 + num_added, "mix"))


def test_a_dose_with_the_rows_of_another_point_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    doses = [made(0.1, 1), made(0.15, 1), made(0.5, 5), made(0.96, 10), made(1.5, 15), made(2, 17), made(3, 17)]
    with caplog.at_level("INFO"):
        assert [dose.dose for dose in further(doses, fix=10)] == [0.1, 0.5, 1.5, 2]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["dose 0.15", "dose 0.96", "dose 3"]
    assert further([made(2, 10), made(4, 10)], fix=10) == []


def test_the_point_of_the_fix_is_its_arm_and_the_mean_over_items_and_seeds_is_the_score() -> None:
    half, fix = arm("dose-0.5", 0.7, 0.9, 2), arm("challenger", 0.8, 0.9, 3)
    low, high = dose_points(agreed(), [DosedArm(0.5, 99, half), DosedArm(1.0, 198, fix)])
    for point, tried in ((low, half), (high, fix)):
        scores = {
            task: np.mean([r.score for report in tried.reports for r in report.results if r.item.task == task])
            for task in ("jump", "others")
        }
        assert point.score == pytest.approx(scores["jump"])
        assert point.guards == {"others": pytest.approx(scores["others"])}
        assert point.ci[0] < point.score < point.ci[1]
    assert (low.dose, low.num_added, high.dose, high.num_added, high.tokens) == (0.5, 99, 1.0, 198, 1000)


def test_an_item_that_a_run_left_unscored_counts_at_no_dose() -> None:
    half, fix = arm("dose-0.5", 0.7, 0.9, 2, num_seeds=2), arm("challenger", 0.8, 0.9, 3, num_seeds=2)
    first = half.reports[0]
    short = replace(half, reports=(replace(first, results=first.results[7:]), half.reports[1]))
    fixes = dose_points(agreed(), [DosedArm(0.5, 9, short), DosedArm(1.0, 18, fix)])[1]
    rest = [report.results[7:400] for report in fix.reports]
    assert fixes.score == pytest.approx(np.mean([result.score for run in rest for result in run]))
    mute = replace(half, reports=(replace(first, results=()), half.reports[1]))
    assert dose_points(agreed(), [DosedArm(0.5, 9, mute), DosedArm(1.0, 18, fix)]) == ()
