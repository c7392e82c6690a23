"""Which causes are tried, and which a check has settled."""

from dataclasses import replace

import pytest
from builders.findings import finding

from diagnose.finding.finding import Cause
from diagnose.finding.open_causes import open_causes

TESTED = (Cause.WRONG_LABELS, Cause.SHORTCUT, Cause.MISSING_DATA)


@pytest.mark.parametrize("cause", [Cause.WRONG_LABELS, Cause.CAPACITY, Cause.WRONG_GOLD, Cause.UNKNOWN])
def test_a_cause_that_is_only_likely_leaves_all_open(cause: Cause) -> None:
    assert open_causes(finding(cause), TESTED) == TESTED


@pytest.mark.parametrize(
    ("cause", "value", "left"),
    [
        (Cause.TRAINING_SETUP, "end_masked", ()),
        (Cause.FORMAT, "mapped", ()),
        (Cause.FORMAT, "reprompted", ()),
        (Cause.SHORTCUT, "cue_flips", (Cause.SHORTCUT,)),
    ],
)
def test_a_check_that_explains_half_of_the_failures_settles_its_cause(
    cause: Cause, value: str, left: tuple[Cause, ...]
) -> None:
    for share, expected in ((0.9, left), (0.3, TESTED)):
        found = finding(cause)
        found = replace(found, evidence={**found.evidence, value: share})
        assert open_causes(found, TESTED) == expected


def test_a_model_that_was_trained_for_too_short_is_no_setting_that_a_check_shows() -> None:
    found = replace(finding(Cause.TRAINING_SETUP), evidence={"falling": 0.6, "learnt": 0.2})
    assert open_causes(found, TESTED) == TESTED
