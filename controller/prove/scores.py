"""Scores of a world's skills: which items are a skill's, and in what unit they count.

Scores count as the loop gives them, of plain text as nats of a whole entry and not of a word: an entry is one exercise,
and a tenth of its likelihood lost (.1 nats) weighs as much as a tenth of answers lost elsewhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from controller.prove.planting import OTHERS
from evals.fixtures.worlds.world import World
from evals.items import ItemResult

ALL = "all"
"""Name of the task with the items of all skills, in a world of plain text."""


def tasks_of(world: World) -> list[str]:
    """Tasks of the world, without the guard: one for each skill, or one for all where nothing is asked."""
    names = [ALL] if world.asking is None else [skill.name for skill in world.skills]
    return [f"{world.name}_{name}" for name in names]


def guard_of(world: World) -> str:
    return f"{world.name}_{OTHERS}"


def skill_of(world: World, task: str, document: Mapping[str, Any]) -> str | None:
    """Skill of an item; None for the guard's."""
    if task == guard_of(world):
        return None
    return str(document["skill"]) if world.asking is None else task.removeprefix(f"{world.name}_")


def unit_of(world: World, target: str) -> int:
    """What an item's score is multiplied with: the number of words of a plain text, else 1."""
    return len(target.split()) if world.asking is None else 1


def scores_by_skill(world: World, results: Iterable[ItemResult]) -> dict[str, float]:
    """Mean score of each skill that has items among the results."""
    scores: dict[str, list[float]] = defaultdict(list)
    for one in results:
        skill = skill_of(world, one.item.task, one.item.document)
        if skill is not None:
            scores[skill].append(one.score * unit_of(world, one.item.target))
    return {skill.name: float(np.mean(scores[skill.name])) for skill in world.skills if skill.name in scores}


def mean_score(world: World, skills: Sequence[str], results: Iterable[ItemResult]) -> float:
    """Mean score of all items of these skills."""
    return float(
        np.mean(
            [
                one.score * unit_of(world, one.item.target)
                for one in results
                if skill_of(world, one.item.task, one.item.document) in skills
            ]
        )
    )
