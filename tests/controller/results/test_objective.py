"""What a job of a sweep returns."""

import pytest
from builders.loop_results import accepted_round, idle_round, loop_result, rejected_round

from controller.results.objective import OBJECTIVES, objective_value, task_score
from controller.results.verdict_json import Decision

IDLE = idle_round(0, Decision.NOT_DATA, "the model is too small", ())


def test_the_gain_is_that_over_the_strongest_control_in_the_round_that_decides() -> None:
    result = loop_result(rejected_round(0), accepted_round(1), rejected_round(2))
    assert objective_value(result, "gain") == 0.051
    assert objective_value(result, "gain_low") == 0.012


def test_the_score_is_that_of_the_model_which_goes_on() -> None:
    # Three tenths of the items have `jump`; the guard has none of them.
    assert objective_value(loop_result(accepted_round()), "score") == pytest.approx(0.3 * 0.955 + 0.7 * 0.958)
    assert objective_value(loop_result(rejected_round()), "score") == pytest.approx(0.3 * 0.638 + 0.7 * 0.966)


def test_the_score_per_token_is_divided_by_all_tokens_of_the_loop() -> None:
    result = loop_result(accepted_round())
    tokens = sum(cost.tokens for cost in result.costs.values())
    assert objective_value(result, "score_per_token") * tokens == pytest.approx(objective_value(result, "score"))


def test_a_loop_that_changes_nothing_has_gained_nothing_and_has_a_score_all_the_same() -> None:
    result = loop_result(IDLE)
    assert [objective_value(result, name) for name in ("gain", "gain_low")] == [0.0, 0.0]
    assert 0 < objective_value(result, "score") < 1
    assert all(isinstance(objective_value(result, name), float) for name in OBJECTIVES)


def test_tasks_count_by_their_items_and_guards_do_not() -> None:
    scores = accepted_round().verdict.arms["before"].scores
    whole = {score.task: score for score in scores if not score.slice}
    scan, guard = whole["scan"], whole["starter_arithmetic"]
    both = (scan.score.mean * scan.num_items + guard.score.mean * guard.num_items) / (scan.num_items + guard.num_items)
    assert task_score(scores) == pytest.approx(both)
    assert task_score(scores, ["starter_arithmetic"]) == scan.score.mean
