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
    READINGS,
    cause_probabilities,
    fair_share,
    is_unlike,
    load_cause_model,
    readings_of,
    would_decide,
)
from diagnose.finding.finding import Cause
from diagnose.finding.fitted.regression import EVIDENCE_FILE
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
}
"""Of a slice with its share of rows, which are learnt and agree."""


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
        ({"doubted": 0.9}, Cause.WRONG_GOLD),
        ({"against": 0.45, "learnt": 0.6, "falling": 0.37}, Cause.WRONG_LABELS),
        ({"wrong": 0.25}, Cause.WRONG_LABELS),
        ({"cue_flips": 0.9}, Cause.SHORTCUT),
        ({"copies": 0.97, "scarcity": 0.95, "learnt": 0.1}, Cause.DUPLICATES),
        ({"scarcity": 0.9, "distinct_scarcity": 0.9, "learnt": 0.1}, Cause.UNDERWEIGHTED),
        ({"scarcity": 1.0, "distinct_scarcity": 1.0, "distinct_rows": 0.0}, Cause.MISSING_DATA),
        ({"scarcity": 0.95, "distinct_scarcity": 0.95, "distinct_rows": 24.0}, Cause.MISSING_DATA),
        ({"learnt": 0.1, "learnt_elsewhere": 0.2}, Cause.CAPACITY),
    ],
)
def test_a_strong_reading_names_its_cause(values: dict[str, float], cause: Cause) -> None:
    assert named(**values) is cause


def test_rows_that_are_too_few_are_not_taken_for_training_that_stopped_early() -> None:
    falling = {"learnt": 0.2, "falling": 0.7}
    assert named(**falling, learnt_elsewhere=0.5) is Cause.TRAINING_SETUP
    assert named(**falling, scarcity=0.98, distinct_scarcity=0.98, distinct_rows=12.0) is Cause.MISSING_DATA


def test_rows_that_were_never_drawn_are_no_sign_of_a_model_that_is_too_small() -> None:
    unlearnt = {"learnt": 0.0, "learnt_elsewhere": 0.0, "falling": 0.08}
    assert named(**unlearnt, passes=6.0) is Cause.CAPACITY
    assert named(**unlearnt, passes=0.27) is Cause.TRAINING_SETUP


def test_a_model_that_has_hardly_begun_to_learn_is_as_likely_trained_too_little_as_too_small() -> None:
    stuck = {**SOUND, "learnt": 0.04, "learnt_elsewhere": 0.04, "falling": 0.15, "passes": 10.0}
    small, begun = cause_probabilities({**stuck, "beyond": 0.5}), cause_probabilities({**stuck, "beyond": 0.04})
    assert small[Cause.CAPACITY] > 0.9
    assert begun[Cause.CAPACITY] == pytest.approx(begun[Cause.TRAINING_SETUP])
    assert max(begun, key=lambda cause: begun[cause]) is Cause.UNKNOWN
    drawn = {**stuck, "passes": 0.3, "falling": 0.6}
    assert cause_probabilities({**drawn, "beyond": 0.04}) == cause_probabilities({**drawn, "beyond": 0.5})


def test_where_nothing_is_amiss_the_cause_is_unknown() -> None:
    assert named() is Cause.UNKNOWN


def test_without_a_test_the_cause_is_unknown_for_certain() -> None:
    assert cause_probabilities({}) == {Cause.UNKNOWN: 1.0}


def test_unknown_is_named_exactly_where_no_cause_reaches_the_confidence() -> None:
    model = load_cause_model()
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = {**SOUND, "mapped": rng.random(), "cue_flips": rng.random(), "doubted": rng.random()}
        causes = cause_probabilities(values)
        shares = dict(zip(model.causes, model.probabilities(readings_of(values)).tolist(), strict=True))
        largest = max(share for cause, share in shares.items() if cause is not Cause.UNKNOWN)
        assert (max(causes, key=lambda cause: causes[cause]) is Cause.UNKNOWN) == (largest < MIN_CONFIDENCE)
        assert sum(causes.values()) == pytest.approx(1)


def test_more_of_a_reading_never_makes_its_cause_less_likely() -> None:
    for name, cause in (("mapped", Cause.FORMAT), ("doubted", Cause.WRONG_GOLD), ("cue_flips", Cause.SHORTCUT)):
        model = load_cause_model()
        place = model.causes.index(cause)
        shares = [model.probabilities(readings_of({**SOUND, name: k / 10}))[place] for k in range(11)]
        assert shares == sorted(shares)


def test_rows_that_are_all_learnt_do_not_contradict_each_other() -> None:
    assert readings_of({**SOUND, "against": 0.8})["disagreement"] == 0.0
    assert readings_of({**SOUND, "against": 0.4, "learnt": 0.5})["disagreement"] == pytest.approx(0.8)


def test_copies_count_as_far_as_they_crowd_the_slice_out_or_are_its_rows() -> None:
    assert readings_of({**SOUND, "copies": 0.9})["copies"] == 0.0
    assert readings_of({**SOUND, "copies": 0.9, "scarcity": 0.8})["copies"] == pytest.approx(0.72)
    assert readings_of({**SOUND, "copies": 0.9, "own_copies": 1.0})["copies"] == pytest.approx(0.9)
    assert readings_of({"copies": 0.9})["copies"] == pytest.approx(0.9)  # no slice to tell


def test_the_stored_model_has_a_coefficient_for_every_reading_and_no_worlds_kept_for_judging() -> None:
    stored = json.loads(EVIDENCE_FILE.read_text())
    assert tuple(stored["readings"]) == READINGS
    assert all(set(row) == set(READINGS) for row in stored["coefficients"])
    assert set(stored["worlds"]) <= set(FIT_WORLDS)
    assert not {"grammar", "tables"} & set(stored["worlds"])


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
    near = np.zeros((1, len(READINGS)))
    model = replace(load_cause_model(), seen=near, reach=0.5)
    zeros = dict.fromkeys(READINGS, 0.0)
    assert not model.is_far(zeros | {"form": 0.3, "gold": 0.4})  # 3, 4, 5
    assert model.is_far(zeros | {"form": 0.31, "gold": 0.4})
    assert not replace(model, seen=near[:0]).is_far(zeros | {"form": 1.0})


def test_no_cause_is_named_where_the_evidence_is_unlike_all_that_was_fitted_and_a_check_names_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = replace(load_cause_model(), seen=np.full((1, len(READINGS)), 9.0), reach=0.5)
    starved = SOUND | {"corpus_rows": 0.0, "distinct_rows": 0.0, "scarcity": 1.0, "distinct_scarcity": 1.0}
    masked = SOUND | {"end_masked": 1.0}
    before = cause_probabilities(starved)
    monkeypatch.setattr(causes, "load_cause_model", lambda: nowhere)
    after = cause_probabilities(starved)
    assert is_unlike(starved)
    assert before[Cause.MISSING_DATA] > MIN_CONFIDENCE
    assert after[Cause.UNKNOWN] == MIN_CONFIDENCE
    assert max((c for c in after if c is not Cause.UNKNOWN), key=lambda c: after[c]) is Cause.MISSING_DATA
    assert not is_unlike(masked)
    assert cause_probabilities(masked)[Cause.TRAINING_SETUP] > MIN_CONFIDENCE
