"""Scores by skill: of a task for each skill, or of one for all where items are plain text."""

import pytest

from controller.prove.scores import guard_of, mean_score, scores_by_skill, tasks_of
from evals.fixtures.worlds import WORLDS, World
from evals.items import Item, ItemResult, OutputType


def result(world: World, task: str, skill: str, target: str, score: float) -> ItemResult:
    kind = OutputType.GENERATE_UNTIL if world.asking is not None else OutputType.LOGLIKELIHOOD_ROLLING
    item = Item(task, target, target, {"skill": skill}, "", target, "", kind)
    return ItemResult(item, "", {}, "", score, False)


def test_where_nothing_is_asked_a_score_is_of_a_whole_text_and_its_skill_is_a_field() -> None:
    world = WORLDS["diary"]
    (task,) = tasks_of(world)
    results = [
        result(world, task, "market", "two words", -1.5),
        result(world, task, "market", "four words of text", -0.5),
        result(world, task, "health", "one", -4.0),
        result(world, guard_of(world), "market", "two words", -9.0),
    ]
    assert scores_by_skill(world, results) == {"market": pytest.approx(-2.5), "health": -4.0}
    assert mean_score(world, ["market", "health"], results) == pytest.approx(-9 / 3)


def test_where_answers_are_asked_a_score_is_the_item_s_and_the_task_tells_the_skill() -> None:
    world = WORLDS["chains"]
    assert tasks_of(world) == [f"chains_{skill.name}" for skill in world.skills]
    results = [
        result(world, "chains_dig", "no field of it", "1 2 3", 1.0),
        result(world, "chains_dig", "no field of it", "1 2 4", 0.0),
        result(world, "chains_zig", "no field of it", "3 2 4", 1.0),
        result(world, guard_of(world), "dig", "3 2 4", 0.0),
    ]
    assert scores_by_skill(world, results) == {"dig": 0.5, "zig": 1.0}
