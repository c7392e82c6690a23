"""Arms of a trial that answer the items of two tasks, the failing one and a guard, and the promise they are held to."""

import numpy as np

from builders.items import item, scored, select_report
from controller.verdict.arm_scores import Arm
from controller.verdict.promise import Guarded, Promise, promise
from controller.verdict.settings import Verify
from diagnose.slices.predicate import Slice
from evals.items import EvalReport, Item
from interventions.plan.plan import Action, Plan

NUM_ITEMS = 400
"""Of each task."""
SETTINGS = Verify(seeds=5, max_seeds=5, margin=0.05)
FAILING = Slice((("task", "jump"),))
GUARDED = Guarded(("jump",), ("others",), True)


def task_item(task: str, number: int) -> Item:
    """One of a task's items."""
    return item(f"{task} {number}", "x", task, id=f"{number}-0", split_key=f"{task}{number}")


def report(scores: dict[str, float], seed: int) -> EvalReport:
    """One run: each task's items right with this probability, items of their own difficulty."""
    rng = np.random.default_rng(seed)
    results = []
    for task, score in scores.items():
        hard = np.random.default_rng(len(task)).normal(0, 0.15, NUM_ITEMS)
        right = rng.random(NUM_ITEMS) < np.clip(score + hard, 0, 1)
        results += [scored(task_item(task, k), float(is_right), "x") for k, is_right in enumerate(right.tolist())]
    return select_report(results)


def arm(name: str, jump: float, others: float, seed: int, num_seeds: int = 5) -> Arm:
    """With these scores on the two tasks."""
    reports = tuple(report({"jump": jump, "others": others}, 100 * seed + k) for k in range(num_seeds))
    return Arm(name, reports, tokens=1000, flops=1e6, steps=10)


def plan() -> Plan:
    """A retrieval for the failing task."""
    action = Action("retrieve", Slice((("skill", "jump"),)), FAILING, 400, 0, 0, 0.5, "it fails")
    return Plan((action,), "it fails", {})


def agreed(settings: Verify = SETTINGS) -> Promise:
    """What that plan promises of a model that scores .5 and .9."""
    return promise(plan(), report({"jump": 0.5, "others": 0.9}, 1), (), GUARDED, settings, 0.015)
