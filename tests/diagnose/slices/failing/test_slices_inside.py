"""Slices inside a failing task: named before it, and none where failures are chance."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.items import made_items, report_of
from numpy.typing import NDArray
from scipy.stats import hypergeom

from diagnose.slices.failing.counts import Among, Thresholds, fisher
from diagnose.slices.failing.find import FailingSlice, find_failing_slices
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from evals.items import Item

FIELDS = ("color", "shape")


def find(items: list[Item], failed: NDArray[np.bool_], fields: tuple[str, ...] = FIELDS) -> tuple[FailingSlice, ...]:
    return find_failing_slices(report_of(items, failed), fields, (), Thresholds())


def drawn(items: list[Item], rate: Callable[[Item], float], seed: int) -> NDArray[np.bool_]:
    rates = np.array([rate(item) for item in items])
    return np.asarray(np.random.default_rng(seed).random(len(items)) < rates, bool)


def names(found: tuple[FailingSlice, ...]) -> list[str]:
    return [str(one.slice) for one in found]


def test_a_task_that_fails_by_half_is_explained_by_what_fails_inside_it() -> None:
    items = made_items(1000, 20)
    failed = drawn(items, lambda i: 0.8 if i.document["color"] == "red" else 0.4, 20)
    assert names(find(items, failed))[0] == "color = red"


def test_the_whole_task_comes_after_what_is_inside_it_and_only_if_most_of_it_is_left_to_explain() -> None:
    items = made_items(1200, 21)
    failed = drawn(items, lambda i: 0.9 if i.document["shape"] == "cube" else 0.3, 21)
    assert names(find(items, failed)) == ["shape = cube", "task = task"]
    failed = drawn(items, lambda i: 0.9 if i.document["shape"] == "cube" else 0.02, 21)
    assert names(find(items, failed)) == ["shape = cube"]


def test_a_value_is_not_named_for_standing_in_the_task_that_fails() -> None:
    # All failures are the first task's, where red items are frequent; inside each task color says nothing.
    items = made_items(1500, 22)
    items = [
        replace(i, task="bad" if (i.document["color"] == "red") == (k % 5 > 0) else "good") for k, i in enumerate(items)
    ]
    failed = drawn(items, lambda i: 0.6 if i.task == "bad" else 0.04, 22)
    assert names(find(items, failed)) == ["task = bad"]


def test_random_failures_of_a_failing_task_name_nothing_inside_it() -> None:
    # Of 40 runs more than 5 would have probability .014 at a true rate of 5 %.
    items = made_items(500, 23)
    runs = [names(find(items, drawn(items, lambda _: 0.5, seed))) for seed in range(40)]
    assert sum(found != ["task = task"] for found in runs) <= 5


def test_a_word_of_the_template_and_a_run_across_it_are_no_slices() -> None:
    items = made_items(900, 24)
    items = [replace(i, prompt=f"{i.prompt}{' ?' if i.document['color'] == 'red' else ' .'} Kind:") for i in items]
    failed = drawn(items, lambda i: 0.7 if i.document["color"] == "red" else 0.1, 24)
    (found,) = find(items, failed, ())
    assert found.slice == Slice((("prompt type", "question"),)) or found.slice == Slice(((PROMPT_CONTAINS, "?"),))


def test_a_gold_answer_fails_together_with_a_word() -> None:
    """The first finding whatever the luck of the items; a further one comes by chance at most as often as labels drawn
    at random give one."""
    further = 0
    for seed in range(20, 28):
        items = [replace(i, target=("yes", "no")[k % 2]) for k, i in enumerate(made_items(1600, seed))]
        items = [
            replace(i, prompt=f"{i.prompt}{' rare' if k // 2 % 5 == 0 else ' usual'}") for k, i in enumerate(items)
        ]
        failed = drawn(items, lambda i: 0.8 if i.target == "no" and "rare" in i.prompt.split() else 0.1, seed)
        first, *others = find(items, failed, ())
        assert first.slice.as_dict() == {"gold answer": "no", PROMPT_CONTAINS: "rare"}
        further += len(others)
    assert further <= 1


def test_the_p_of_two_tasks_is_that_of_the_sum_of_their_tables() -> None:
    group = np.array([0] * 12 + [1] * 9)
    rng = np.random.default_rng(0)
    failed, members = rng.random(21) < 0.5, rng.random(21) < 0.4
    counts = Among(failed, group, np.ones(21, bool)).count(members)
    tables = [hypergeom(n, f, i) for n, f, i in zip(counts.all_items, counts.all_failed, counts.items, strict=True)]
    seen = int(counts.failed.sum())
    slow = sum(tables[0].pmf(a) * tables[1].pmf(b) for a in range(13) for b in range(10) if a + b >= seen)
    assert len(tables) == 2
    assert fisher(counts) == pytest.approx(slow, rel=1e-9)
