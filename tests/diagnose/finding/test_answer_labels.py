"""Which answers are labels, and how often each is right among the items of a classification."""

import numpy as np
from builders.items import answered, item

from diagnose.finding.answer_labels import label_golds
from evals.items import ItemResult


def of_task(task: str, gold: str, answer: str, number: int) -> ItemResult:
    return answered(item(f"q {number}", gold, task, id=str(number)), answer)


def test_answers_are_labels_where_many_items_of_the_task_share_them() -> None:
    results = [of_task("kind", "place", "person", k) for k in range(10)]
    results += [of_task("kind", "person", "person", 10 + k) for k in range(30)]
    results += [of_task("sums", str(k), str(k), 100 + k) for k in range(30)]
    inside = np.array([r.item.target == "place" for r in results])
    assert label_golds(results, inside) == {"place": 10, "person": 30}
    of_sums = np.array([r.item.task == "sums" for r in results])
    assert label_golds(results, of_sums) == {}


def test_one_task_for_each_class_is_one_classification() -> None:
    results = [of_task("places", "place", "person", k) for k in range(10)]
    results += [of_task("persons", "person", "person", 10 + k) for k in range(30)]
    results += [of_task("colours", "red", "red", 50 + k) for k in range(30)]
    inside = np.array([r.item.task == "places" for r in results])
    assert label_golds(results, inside) == {"place": 10, "person": 30}
