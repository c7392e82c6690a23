"""Causes from evidence: what a strong reading says, what the model may not say, and that it is stored as it is used."""

import json
from dataclasses import replace

import numpy as np
import pytest

from diagnose.finding import causes
from diagnose.finding.causes import (
    EXPERIMENTS,
    MIN_CONFIDENCE,
    NO_LEAD,
    cause_probabilities,
    fair_share,
    is_unlike,
    load_cause_model,
    would_decide,
)
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.forest import EVIDENCE_FILE
from diagnose.finding.readings import EVIDENCE_FEATURES, evidence_features, readings_of, shown_by_check
from evals.fixtures.worlds import FIT_WORLDS

SOUND = {
    "end_masked": 0.0,
    "truncated": 0.0,
    "without_loss": 0.0,
    "runs_on": 0.0,
    "ends": 1.0,
    "mapped": 0.0,
    "reprompted": 0.0,
    "doubted": 0.0,
    "cue_flips": 0.0,
    "against": 0.02,
    "learnt": 1.0,
    "learnt_elsewhere": 1.0,
    "copies": 0.0,
    "own_copies": 0.0,
    "corpus_rows": 800.0,
    "distinct_rows": 800.0,
    "scarcity": 0.0,
    "distinct_scarcity": 0.0,
    "distinct_share": 0.25,
    "conflicts": 0.0,
    "coverage": 1.0,
    "nearness": 0.98,
    "beyond": 1.0,
    "falling": 0.1,
    "gold_against": 0.05,
    "sure": 0.2,
    "among_passing": 0.9,
}
"""Of a slice with its share of rows, which are learnt and agree."""
NO_ROWS = {name: value for name, value in SOUND.items() if name not in ("learnt", "against", "conflicts")} | {
    "corpus_rows": 0.0,
    "distinct_rows": 0.0,
    "scarcity": 1.0,
    "distinct_scarcity": 1.0,
    "distinct_share": 0.0,
    "nearness": 0.85,
}
"""Of one without any: nothing is known of how they are learnt, and the nearest rows are farther off."""


def named(**values: float) -> Cause:
    causes = cause_probabilities({**SOUND, **values})
    assert sum(causes.values()) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in causes.values())
    return max(Cause, key=lambda cause: causes.get(cause, 0.0))


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"end_masked": 1.0, "runs_on": 1.0, "ends": 0.0}, Cause.TRAINING_SETUP),
        ({"runs_on": 1.0, "ends": 0.01}, Cause.TRAINING_SETUP),
        ({"mapped": 1.0}, Cause.FORMAT),
        ({"reprompted": 0.9}, Cause.FORMAT),
        ({"wrapped": 1.0, "scarcity": 1.0, "distinct_scarcity": 1.0, "distinct_rows": 0.0}, Cause.FORMAT),
        ({"doubted": 0.9}, Cause.WRONG_GOLD),
        ({"wrong": 0.25}, Cause.WRONG_LABELS),
        ({"cue_flips": 0.9}, Cause.SHORTCUT),
        ({"copies": 0.97, "scarcity": 0.95, "learnt": 0.1}, Cause.DUPLICATES),
        ({"scarcity": 0.95, "distinct_scarcity": 0.95, "distinct_rows": 24.0}, Cause.MISSING_DATA),
        ({"learnt": 0.5, "learnt_elsewhere": 0.6, "falling": 0.3, "beyond": 0.6}, Cause.CAPACITY),
    ],
)
def test_a_strong_reading_names_its_cause(values: dict[str, float], cause: Cause) -> None:
    assert named(**values) is cause


def test_a_slice_without_rows_lacks_them() -> None:
    causes = cause_probabilities(NO_ROWS)
    assert causes[Cause.MISSING_DATA] > MIN_CONFIDENCE


def test_rows_that_are_too_few_are_not_taken_for_training_that_stopped_early() -> None:
    falling = {"learnt": 0.2, "falling": 0.7}
    assert named(**falling, learnt_elsewhere=0.5) is not Cause.MISSING_DATA
    few = cause_probabilities({**SOUND, **falling, "scarcity": 0.98, "distinct_scarcity": 0.98, "distinct_rows": 12.0})
    assert few[Cause.MISSING_DATA] > 2 * few[Cause.TRAINING_SETUP]


def test_many_rows_that_are_few_for_their_slice_are_rather_underweighted_than_missing() -> None:
    causes = cause_probabilities({**SOUND, "scarcity": 0.9, "distinct_scarcity": 0.9, "learnt": 0.1})
    assert causes[Cause.UNDERWEIGHTED] > 2 * causes[Cause.MISSING_DATA]


def test_where_nothing_is_amiss_the_cause_is_unknown() -> None:
    assert named() is Cause.UNKNOWN


def test_without_a_test_the_cause_is_unknown_for_certain() -> None:
    assert cause_probabilities({}) == {Cause.UNKNOWN: 1.0}


def test_unknown_is_named_exactly_where_no_cause_reaches_the_confidence() -> None:
    model = load_cause_model()
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = {**SOUND, "mapped": rng.random(), "cue_flips": rng.random(), "doubted": rng.random()}
        causes = cause_probabilities(values)
        shares = model.probabilities(evidence_features(values), shown_by_check(values))
        largest = max(share for cause, share in shares.items() if cause is not Cause.UNKNOWN)
        assert (max(causes, key=lambda cause: causes[cause]) is Cause.UNKNOWN) == (largest < MIN_CONFIDENCE)
        assert sum(causes.values()) == pytest.approx(1)


def test_a_check_shows_its_cause_from_half_of_the_failures_on_and_explains_later_ones_away() -> None:
    assert shown_by_check({"mapped": 0.5}) == {Cause.FORMAT: 0.5}
    assert shown_by_check({"mapped": 0.49, "cue_flips": 0.49}) == {}
    assert shown_by_check({"mapped": 0.6, "wrong": 0.2}) == {Cause.FORMAT: 0.6}
    assert shown_by_check({"cue_flips": 0.4, "wrong": 0.2}) == {Cause.WRONG_LABELS: pytest.approx(0.6)}


@pytest.mark.parametrize(
    ("name", "cause"),
    [("mapped", Cause.FORMAT), ("cue_flips", Cause.SHORTCUT), ("end_masked", Cause.TRAINING_SETUP)],
)
def test_where_a_check_shows_a_cause_it_is_more_likely_than_where_it_falls_short(name: str, cause: Cause) -> None:
    model = load_cause_model()
    short, shown = (
        model.probabilities(evidence_features(values), shown_by_check(values))[cause]
        for values in ({**SOUND, name: 0.49}, {**SOUND, name: 0.51})
    )
    assert shown / (1 - shown) > 2 * short / (1 - short)


def test_rows_that_are_all_learnt_do_not_contradict_each_other() -> None:
    assert readings_of({**SOUND, "against": 0.8})["disagreement"] == 0.0
    assert readings_of({**SOUND, "against": 0.4, "learnt": 0.5})["disagreement"] == pytest.approx(0.8)


def test_copies_count_as_far_as_they_crowd_the_slice_out_or_are_its_rows() -> None:
    assert readings_of({**SOUND, "copies": 0.9})["copies"] == 0.0
    assert readings_of({**SOUND, "copies": 0.9, "scarcity": 0.8})["copies"] == pytest.approx(0.72)
    assert readings_of({**SOUND, "copies": 0.9, "own_copies": 1.0})["copies"] == pytest.approx(0.9)
    assert readings_of({"copies": 0.9})["copies"] == pytest.approx(0.9)  # no slice to tell


def test_the_stored_findings_have_every_value_and_are_of_no_world_kept_for_judging() -> None:
    stored = json.loads(EVIDENCE_FILE.read_text())
    assert tuple(stored["names"]) == EVIDENCE_FEATURES
    assert all(len(row) == len(EVIDENCE_FEATURES) for row in stored["rows"])
    assert set(stored["worlds"]) == set(FIT_WORLDS)
    assert all(0.9 <= share <= 1 for share in stored["sure"].values())


def test_every_cause_that_can_be_open_has_an_experiment_that_would_decide() -> None:
    assert set(EXPERIMENTS) == set(Cause) - {Cause.CONTAMINATION, Cause.UNKNOWN}
    assert would_decide({Cause.UNKNOWN: 0.5, Cause.FORMAT: 0.3, Cause.CAPACITY: 0.2}) == EXPERIMENTS[Cause.FORMAT]
    assert would_decide({Cause.CONTAMINATION: 1.0}) == ""
    assert would_decide({Cause.UNKNOWN: 0.99, Cause.FORMAT: 0.01}) == NO_LEAD


def test_a_fair_share_is_bounded_by_siblings_and_by_half() -> None:
    assert fair_share(0.36, None) == 0.36
    assert fair_share(0.36, 8) == 0.125
    assert fair_share(1.0, None) == 0.5
    assert fair_share(0.1, 1) == 0.1


def test_what_another_form_explains_is_no_evidence_of_missing_data() -> None:
    """Prompts of another form have no training row like them."""
    assert named(reprompted=1.0, scarcity=1.0, distinct_scarcity=1.0, distinct_rows=0.0) is Cause.FORMAT
    assert named(end_masked=1.0, mapped=1.0) is Cause.TRAINING_SETUP
    assert named(cue_flips=0.9, against=0.8, learnt=0.7) is Cause.SHORTCUT


def test_readings_farther_than_the_reach_from_all_that_was_fitted_are_far() -> None:
    model = replace(load_cause_model(), seen=np.zeros((1, len(EVIDENCE_FEATURES))), reach=0.5)
    zeros = dict.fromkeys(EVIDENCE_FEATURES, 0.0)
    assert not model.is_far(zeros | {"form": 0.3, "gold": 0.4})  # 3, 4, 5
    assert model.is_far(zeros | {"form": 0.31, "gold": 0.4})
    assert not model.is_far(zeros | {"value of sure": 1.0})


def test_no_cause_is_named_where_the_evidence_is_unlike_all_that_was_fitted_and_a_check_names_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = replace(load_cause_model(), seen=np.full((1, len(EVIDENCE_FEATURES)), 9.0), reach=0.5)
    masked = SOUND | {"end_masked": 1.0}
    before = cause_probabilities(NO_ROWS)
    monkeypatch.setattr(causes, "load_cause_model", lambda: nowhere)
    after = cause_probabilities(NO_ROWS)
    assert is_unlike(NO_ROWS)
    assert before[Cause.MISSING_DATA] > MIN_CONFIDENCE
    assert after[Cause.UNKNOWN] == MIN_CONFIDENCE
    assert max((c for c in after if c is not Cause.UNKNOWN), key=lambda c: after[c]) is Cause.MISSING_DATA
    assert not is_unlike(masked)
    assert cause_probabilities(masked)[Cause.TRAINING_SETUP] > MIN_CONFIDENCE
