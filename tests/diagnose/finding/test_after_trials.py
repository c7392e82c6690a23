"""Causes after small trainings: what repairs did beside what is known of the rows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diagnose.finding import after_trials as module
from diagnose.finding.after_trials import FEATURES, TRIED, after_trials, features_of, load_trials_model
from diagnose.finding.cause_model import CauseModel
from diagnose.finding.causes import MIN_CONFIDENCE
from diagnose.finding.finding import Cause, Experiment
from evals.statistics.intervals import Estimate

BY_RULE = {Cause.MISSING_DATA: 0.9, Cause.UNKNOWN: 0.1}
LACKING = {"distinct_scarcity": 1.0}


def tried(cause: Cause, works: float, effect: float = 0.2, length: float = 0.1) -> Experiment:
    return Experiment(cause, "r", "c", Estimate(effect, effect, effect), None, works, works, 50, 2, length)


def made_model(causes: Sequence[Cause], weights: dict[str, tuple[float, ...]], most: float = 1.0) -> CauseModel:
    """A regression with these coefficients of each cause by feature."""
    coefficients = np.array(
        [[weights.get(name, (0.0,) * len(causes))[k] for name in FEATURES] for k in range(len(causes))]
    )
    none = np.zeros(len(FEATURES))
    return CauseModel(FEATURES, tuple(causes), coefficients, none[: len(causes)], none, most, np.zeros((0, 1)), 1.0, {})


def test_what_a_repair_did_is_told_alike_whatever_the_length_it_was_tried_for() -> None:
    for length in (0.05, 0.1, 0.3, 1.0):
        closed = 1 - (1 - 0.2) ** (length / 0.1)
        found = features_of({}, [tried(Cause.MISSING_DATA, 0.5, closed, length)])
        assert found["missing_data closes"] == pytest.approx(0.2)
        assert found["missing_data works"] == 0.0
    assert features_of({}, [tried(Cause.MISSING_DATA, 1.0)])["missing_data works"] == pytest.approx(1.0)
    assert features_of({}, [tried(Cause.MISSING_DATA, 0.0)])["missing_data works"] == pytest.approx(-1.0)


def test_a_repair_that_was_not_tried_says_nothing_for_or_against() -> None:
    found = features_of(LACKING, [tried(Cause.MISSING_DATA, 1.0)])
    assert {cause for cause in TRIED if found[f"{cause.value} untried"]} == set(TRIED) - {Cause.MISSING_DATA}
    assert all(found[f"{cause.value} works"] == 0 for cause in TRIED if cause is not Cause.MISSING_DATA)
    assert found["scarcity"] == 1.0
    assert set(found) <= set(FEATURES)


def test_rows_that_help_name_missing_rows_only_where_some_are_missing() -> None:
    weights = {"missing_data works": (2.0, 2.0), "scarcity": (6.0, 0.0), "few_rows": (-3.0, 3.0)}
    model = made_model((Cause.MISSING_DATA, Cause.WRONG_LABELS), weights)
    helps = [tried(Cause.MISSING_DATA, 1.0)]
    lacking = after_trials(LACKING | {"distinct_rows": 100.0}, BY_RULE, helps, model)
    plenty = after_trials({"distinct_scarcity": 0.0, "distinct_rows": 100.0}, BY_RULE, helps, model)
    assert max(lacking, key=lambda cause: lacking[cause]) is Cause.MISSING_DATA
    assert max(plenty, key=lambda cause: plenty[cause]) is Cause.WRONG_LABELS
    assert sum(lacking.values()) == pytest.approx(1)


def test_no_probability_passes_what_was_right_in_worlds_left_out() -> None:
    model = made_model((Cause.MISSING_DATA, Cause.WRONG_LABELS), {"scarcity": (20.0, 0.0)}, most=0.95)
    found = after_trials(LACKING, BY_RULE, [tried(Cause.MISSING_DATA, 1.0)], model)
    assert found[Cause.MISSING_DATA] == 0.95
    assert found[Cause.UNKNOWN] == pytest.approx(0.05, abs=1e-6)


def test_where_no_cause_is_likely_enough_the_first_is_unknown() -> None:
    three = (Cause.MISSING_DATA, Cause.WRONG_LABELS, Cause.CAPACITY)
    found = after_trials(LACKING, BY_RULE, [tried(Cause.MISSING_DATA, 0.5)], made_model(three, {}))
    assert found[Cause.UNKNOWN] == MIN_CONFIDENCE


def test_a_finding_unlike_all_that_was_fitted_keeps_what_the_definitions_say() -> None:
    model = made_model((Cause.MISSING_DATA, Cause.WRONG_LABELS), {"scarcity": (0.0, 20.0)})
    far = replace(model, seen=np.full((1, len(FEATURES)), 9.0), reach=0.5)
    assert after_trials(LACKING, BY_RULE, [tried(Cause.MISSING_DATA, 1.0)], far) == BY_RULE
    assert after_trials(LACKING, BY_RULE, [tried(Cause.MISSING_DATA, 1.0)], model) != BY_RULE


def test_a_model_file_without_trials_leaves_what_the_definitions_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"causes": []}))
    monkeypatch.setattr(module, "MODEL_FILE", tmp_path / "model.json")
    load_trials_model.cache_clear()
    try:
        assert after_trials(LACKING, BY_RULE, [tried(Cause.MISSING_DATA, 1.0)]) == BY_RULE
    finally:
        load_trials_model.cache_clear()
