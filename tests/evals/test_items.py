"""Which reports can be compared item by item."""

from dataclasses import replace

import pytest
from builders.items import answered, item, select_report

from evals.items import EvalReport, check_pairable


def report(num_items: int, version: str = "1.0", num_unscored: int = 0) -> EvalReport:
    made = select_report(answered(item(f"q{k}", "x", "gsm8k", id=str(k)), "x") for k in range(num_items))
    return replace(made, num_unscored=num_unscored, versions={"gsm8k": version})


def test_reports_of_different_items_are_refused_with_both_counts_and_the_first_missing_one() -> None:
    match = r"different items: base has 20, round-2 has 19 \(first missing: gsm8k/19\); measure both on the same items"
    with pytest.raises(ValueError, match=match):
        check_pairable({"base": report(20), "round-2": report(19)})
    other = replace(report(20), results=(*report(19).results, report(25).results[-1]))
    with pytest.raises(ValueError, match=r"first missing: gsm8k/(19|24)"):
        check_pairable({"base": report(20), "round-2": other})


def test_reports_of_different_task_versions_are_refused_with_both_versions_and_the_way_out() -> None:
    match = (
        "different task versions: gsm8k is version 3.0 in base, 2.0 in round-2; measure both with the same task files"
    )
    with pytest.raises(ValueError, match=match):
        check_pairable({"base": report(20, "3.0"), "round-2": report(20, "2.0")})


def test_items_that_a_report_left_unscored_are_no_different_items() -> None:
    with pytest.raises(ValueError, match="17"):
        check_pairable({"base": report(20), "round-2": report(17)})
    check_pairable({"base": report(20), "round-2": report(17, num_unscored=3), "round-3": report(20)})
    check_pairable({"base": report(20), "unknown versions": replace(report(20), versions={})})
