"""Causes after small trainings: what repairs did beside what is known of the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from diagnose.finding.after_trials import (
    ALIKE,
    FEATURES,
    FEATURES_OF_MODES,
    TRIED,
    after_trials,
    also_true,
    features_of,
    load_trials_model,
    read_trials_model,
)
from diagnose.finding.causes import MIN_CONFIDENCE
from diagnose.finding.finding import Cause, Experiment
from diagnose.finding.fitted.forest import CauseForest, pooled
from diagnose.finding.outcome import settled
from diagnose.finding.readings import FEATURES_OF_VALUES
from evals.statistics.intervals import Estimate

BY_RULE = {Cause.MISSING_DATA: 0.9, Cause.UNKNOWN: 0.1}
LACKING = {"distinct_scarcity": 1.0}
PLENTY = {"distinct_scarcity": 0.0}


def tried(cause: Cause, works: float, effect: float = 0.2, length: float = 0.1) -> Experiment:
    return Experiment(cause, "r", "c", Estimate(effect, effect, effect), None, works, works, 50, 2, length)


HELPS = [tried(Cause.MISSING_DATA, 1.0)]


def forest_of(findings: Mapping[Cause, Mapping[str, float]], most: float = 1.0, trust: float = 0.0) -> CauseForest:
    """A forest of twenty findings of each cause, with these values of the evidence, whose right rows help."""
    rows = [(cause, values) for cause, values in findings.items() for _ in range(20)]
    return forest_of_rows(rows, most, trust)


def forest_of_rows(
    findings: Sequence[tuple[Cause, Mapping[str, float]]], most: float = 1.0, trust: float = 0.0
) -> CauseForest:
    causes = list(dict.fromkeys(cause for cause, _ in findings))
    rows = [features_of(values, HELPS) for _, values in findings]
    stored = {
        "names": FEATURES,
        "causes": [cause.value for cause in causes],
        "typical": [0.0] * len(FEATURES),
        "rows": [[row.get(name, 0.0) for name in FEATURES] for row in rows],
        "labels": [causes.index(cause) for cause, _ in findings],
        "weights": [1.0] * len(rows),
        "sharpness": 1.0,
        "trust": trust,
        "most": most,
        "reach": 0.5,
    }
    return read_trials_model(stored)


TWO = {Cause.MISSING_DATA: LACKING, Cause.WRONG_LABELS: PLENTY}


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


def test_how_items_fail_counts_where_it_is_known() -> None:
    found = features_of(LACKING, HELPS, {"truncated": 0.75, "wrong": 0.25})
    assert (found["mode truncated"], found["mode wrong"], found["mode refusal"]) == (0.75, 0.25, 0.0)
    assert not set(FEATURES_OF_MODES) & set(features_of(LACKING, HELPS))


def test_rows_that_help_name_missing_rows_only_where_some_are_missing() -> None:
    lacking, plenty = (after_trials(values, BY_RULE, HELPS, forest_of(TWO)) for values in (LACKING, PLENTY))
    assert max(lacking, key=lambda cause: lacking[cause]) is Cause.MISSING_DATA
    assert max(plenty, key=lambda cause: plenty[cause]) is Cause.WRONG_LABELS
    assert sum(lacking.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("most", "sure", "cap"),
    [
        (1.0, {Cause.MISSING_DATA: 0.97}, 0.97),
        (0.85, {Cause.MISSING_DATA: 0.97}, 0.97),  # other causes are wrong
        (0.97, {Cause.MISSING_DATA: 0.92}, 0.92),
        (0.97, {Cause.WRONG_LABELS: 0.97}, 0.89),  # how often it is right was not seen
        (0.85, {}, 0.85),
    ],
)
def test_no_probability_passes_what_was_right_in_worlds_left_out(
    most: float, sure: Mapping[Cause, float], cap: float
) -> None:
    found = after_trials(LACKING, BY_RULE, HELPS, replace(forest_of(TWO, most=most), sure=sure))
    assert found[Cause.MISSING_DATA] == cap
    assert found[Cause.UNKNOWN] + found[Cause.WRONG_LABELS] == pytest.approx(1 - cap)


def test_where_no_cause_is_likely_enough_the_first_is_unknown() -> None:
    alike = {Cause.MISSING_DATA: LACKING, Cause.WRONG_LABELS: LACKING, Cause.CAPACITY: LACKING}
    found = after_trials(LACKING, BY_RULE, HELPS, forest_of(alike))
    assert found[Cause.UNKNOWN] == MIN_CONFIDENCE
    assert found[Cause.CAPACITY] == pytest.approx(1 / 6, abs=0.05)


def test_causes_of_slices_that_have_both_are_true_at_once() -> None:
    """Half of the findings with such values have one cause, half the other; one with other values has one cause."""
    both = {"distinct_scarcity": 0.6, "denied": 0.5}
    rows = {Cause.WRONG_LABELS: PLENTY, Cause.MISSING_DATA: LACKING}
    stored = [(cause, values) for cause, own in rows.items() for values in [own] * 20 + [both] * 20]
    model = replace(forest_of_rows(stored), at_once=0.3)
    for values, cause, others in (
        (both, Cause.WRONG_LABELS, (Cause.MISSING_DATA,)),
        (both, Cause.MISSING_DATA, (Cause.WRONG_LABELS,)),
        (LACKING, Cause.MISSING_DATA, ()),
        (PLENTY, Cause.WRONG_LABELS, ()),
        (both, Cause.UNKNOWN, ()),
        (both, Cause.CAPACITY, ()),
    ):
        assert also_true(values, {cause: 0.8, Cause.FORMAT: 0.2}, HELPS, model) == others
    far = replace(model, seen=np.full((1, len(FEATURES)), 9.0))
    assert also_true(both, {Cause.WRONG_LABELS: 1.0}, HELPS, far) == ()


def test_a_finding_unlike_all_that_was_fitted_keeps_what_the_definitions_say() -> None:
    model = forest_of({Cause.WRONG_LABELS: LACKING, Cause.MISSING_DATA: PLENTY})
    assert after_trials(LACKING, BY_RULE, HELPS, model) != BY_RULE
    far = replace(model, seen=np.full((1, len(FEATURES)), 9.0))
    assert after_trials(LACKING, BY_RULE, HELPS, far) == BY_RULE


def test_distances_are_of_readings_and_trials_and_not_of_values_of_other_scales() -> None:
    model = forest_of(TWO)
    assert not model.is_far(features_of(LACKING | {"nearness": 40.0}, HELPS))
    assert model.is_far(features_of(LACKING | {"end_masked": 1.0}, HELPS))
    assert model.near.sum() == len(ALIKE) == len(FEATURES) - len(FEATURES_OF_VALUES) - len(FEATURES_OF_MODES)


def test_votes_are_sharpened_and_none_is_proof() -> None:
    def share(votes: float, sharpness: float, by_rule: float = 0.5, trust: float = 0.0) -> float:
        both = {Cause.MISSING_DATA: votes, Cause.WRONG_LABELS: 0.98 - votes}
        rule = {Cause.MISSING_DATA: by_rule, Cause.WRONG_LABELS: 0.96 - by_rule}
        found = pooled(both, rule, sharpness, trust)
        assert sum(found.values()) == pytest.approx(1)
        return found[Cause.MISSING_DATA]

    assert share(0.49, 2.0) == pytest.approx(0.5)
    assert share(0.74, 1.0) == pytest.approx(0.75)
    assert share(0.74, 2.0) == pytest.approx(0.9)  # odds of 3 to 1 become 9 to 1
    assert share(0.49, 1.0, by_rule=0.88, trust=1.0) == pytest.approx(0.9)
    assert share(0.49, 1.0, by_rule=0.88, trust=0.5) == pytest.approx(0.75)  # odds of 9 to 1 become 3 to 1
    assert 0.999 < share(0.98, 2.0) < 1


def test_where_votes_are_divided_a_repair_that_plainly_works_decides() -> None:
    alike = {Cause.MISSING_DATA: LACKING, Cause.WRONG_LABELS: LACKING, Cause.CAPACITY: LACKING}
    found = after_trials(LACKING, BY_RULE, HELPS, forest_of(alike, trust=0.5))
    assert max(found, key=lambda cause: found[cause]) is Cause.MISSING_DATA
    assert found[Cause.MISSING_DATA] > 0.7


def test_a_repair_that_could_not_be_tried_takes_no_cause_away() -> None:
    """Every finding that was fitted on had both repairs tried; a corpus without a pool has no rows to add."""
    helps, not_ = ([tried(Cause.WRONG_LABELS, works), tried(Cause.MISSING_DATA, 1 - works)] for works in (0.99, 0.01))
    rows = [features_of({}, made) for made in (helps, not_) for _ in range(20)]
    stored = {
        "names": FEATURES,
        "causes": ["wrong_labels", "missing_data"],
        "typical": [0.0] * len(FEATURES),
        "rows": [[row.get(name, 0.0) for name in FEATURES] for row in rows],
        "labels": np.repeat([0, 1], 20).tolist(),
        "weights": [1.0] * len(rows),
        "sharpness": 1.0,
        "trust": 0.0,
        "most": 1.0,
        "reach": 2.0,
    }
    found = after_trials({}, {Cause.UNKNOWN: 1.0}, helps[:1], read_trials_model(stored))
    assert found[Cause.WRONG_LABELS] == 0.89  # nothing was fitted on other worlds that would tell how often it is right


def test_the_forest_that_ships_is_the_same_each_time_and_knows_its_values() -> None:
    shipped, features = load_trials_model(), features_of(LACKING, HELPS)
    load_trials_model.cache_clear()
    again = load_trials_model()
    assert again is not shipped
    assert shipped.votes(features) == again.votes(features)
    assert {Cause.TRAINING_SETUP, Cause.CAPACITY, Cause.WRONG_LABELS, Cause.MISSING_DATA} <= set(shipped.causes)
    assert len(shipped.seen) >= 150
    assert 0.9 <= shipped.most <= 1
    assert {Cause.WRONG_LABELS, Cause.MISSING_DATA} <= set(shipped.sure)


def test_the_forest_that_ships_tells_a_slice_without_rows_that_new_rows_mend() -> None:
    copies = {"copies": 0.0, "own_copies": 0.0}
    learning = {"learnt": 0.9, "learnt_elsewhere": 0.95, "falling": 0.1, "beyond": 0.5}
    starved = {"distinct_scarcity": 0.95, "scarcity": 0.95, "distinct_rows": 4.0, "against": 0.05}
    made = [tried(cause, 0.01, 0.0) for cause in TRIED if cause not in (Cause.MISSING_DATA, Cause.SHORTCUT)]
    rows_help = tried(Cause.MISSING_DATA, 0.999, 0.5)
    by_rule = settled({Cause.UNKNOWN: 1.0}, [*made, rows_help])
    found = after_trials({**copies, **learning, **starved}, by_rule, [*made, rows_help])
    assert found[Cause.MISSING_DATA] >= 0.8


def test_a_cause_that_the_forest_has_never_seen_is_told_by_the_definitions() -> None:
    by_rule = {Cause.UNDERWEIGHTED: 0.9, Cause.UNKNOWN: 0.1}
    assert after_trials(LACKING, by_rule, HELPS, forest_of(TWO)) == by_rule
