"""Which causes are tried, and which a check has settled."""

from dataclasses import replace

import pytest
from builders.findings import finding

from diagnose.finding.causes import load_cause_model
from diagnose.finding.finding import Cause, Finding
from diagnose.finding.open_causes import is_settled, open_causes

TESTED = (Cause.WRONG_LABELS, Cause.SHORTCUT, Cause.MISSING_DATA)


def likely(cause: Cause, probability: float) -> Finding:
    return finding(cause).with_causes({cause: probability, Cause.UNKNOWN: 1 - probability})


@pytest.mark.parametrize("cause", [Cause.MISSING_DATA, Cause.CAPACITY, Cause.WRONG_GOLD])
def test_a_cause_that_is_only_likely_leaves_all_open(cause: Cause) -> None:
    assert open_causes(likely(cause, 0.8), TESTED) == TESTED


def test_sure_evidence_of_missing_rows_settles_their_lack_unless_all_is_doubted_for_a_verdict_judges_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    often_right = replace(load_cause_model(), sure={Cause.MISSING_DATA: 0.96})
    monkeypatch.setattr("diagnose.finding.open_causes.load_cause_model", lambda: often_right)
    assert open_causes(likely(Cause.MISSING_DATA, 0.95), TESTED) == ()
    assert open_causes(likely(Cause.MISSING_DATA, 0.95), TESTED, doubts_all=True) == TESTED


@pytest.mark.parametrize("cause", [Cause.WRONG_LABELS, Cause.DUPLICATES, Cause.CAPACITY, Cause.TRAINING_SETUP])
def test_before_rows_leave_or_a_loop_ends_with_advice_all_is_open_however_sure_evidence_is(cause: Cause) -> None:
    assert open_causes(likely(cause, 0.99), TESTED) == TESTED


def test_evidence_settles_nothing_where_it_was_seldom_sure_or_often_wrong_in_worlds_it_was_not_fitted_on() -> None:
    causes = {Cause.MISSING_DATA: 0.97, Cause.UNKNOWN: 0.03}
    assert is_settled(causes, {Cause.MISSING_DATA: 0.96})
    assert not is_settled(causes, {Cause.MISSING_DATA: 0.94})
    assert not is_settled(causes, {})


@pytest.mark.parametrize(
    ("cause", "value", "left"),
    [
        (Cause.TRAINING_SETUP, "end_masked", ()),
        (Cause.FORMAT, "mapped", ()),
        (Cause.FORMAT, "reprompted", ()),
        (Cause.FORMAT, "wrapped", ()),
        (Cause.SHORTCUT, "cue_flips", (Cause.SHORTCUT,)),
    ],
)
def test_a_check_that_explains_half_of_the_failures_settles_its_cause(
    cause: Cause, value: str, left: tuple[Cause, ...]
) -> None:
    for share, expected in ((0.9, left), (0.3, TESTED)):
        found = likely(cause, 0.8)
        found = replace(found, evidence={**found.evidence, value: share})
        assert open_causes(found, TESTED) == expected


def test_a_model_that_was_trained_for_too_short_is_no_setting_that_a_check_shows() -> None:
    found = replace(likely(Cause.TRAINING_SETUP, 0.8), evidence={"falling": 0.6, "learnt": 0.2})
    assert open_causes(found, TESTED) == TESTED
