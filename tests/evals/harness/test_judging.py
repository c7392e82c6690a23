"""By which metric and filter items are judged, and how their scores make those of a task."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lm_eval
import numpy as np
import pytest
from builders.four_tasks import WORDS, write_four_tasks
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from numpy.typing import NDArray

from evals.harness import LoadedSuite, evaluate, load_suite
from evals.harness.tasks import tell_filters
from evals.items import EvalReport, ItemKey, ItemResult
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite


@pytest.fixture
def four_tasks(task_dir: Callable[..., Path]) -> str:
    return write_four_tasks(task_dir)


@pytest.fixture
def model(tiny_model_dir: Callable[..., Path]) -> ModelRef:
    return ModelRef(str(tiny_model_dir(WORDS)))


def test_items_are_judged_by_the_named_metric_of_any_filter(four_tasks: str, model: ModelRef) -> None:
    suite = EvalSuite(
        tasks=["write"], guards=["choose"], include_path=four_tasks, metric="exact_match/all", max_gen_toks=1
    )
    report: EvalReport = evaluate(model, load_suite(suite), Split.PROBE)
    judged = {result.item.task: result.metric for result in report.results}
    assert judged == {"write": "exact_match/all", "choose": "acc"}
    assert all(result.answer.count(" ") == 0 for result in report.results if result.item.task == "write")


def test_a_filter_and_the_metric_that_names_it_are_one_thing(four_tasks: str, model: ModelRef) -> None:
    """Of two filters the first judges unless one is named, for all tasks that have it or for one."""
    named: list[dict[str, Any]] = [
        {"filter": "all"},
        {"metric": "exact_match/all"},
        {"metric": "exact_match", "filter": "all"},
        {"per_task": {"write": {"filter": "all"}}},
    ]
    first: list[dict[str, Any]] = [{}, {"filter": "first"}, {"metric": "exact_match/first"}, {"metric": "exact_match"}]
    tasks: dict[str, Any] = {"tasks": ["write"], "guards": ["choose"], "include_path": four_tasks}
    for judging, same in (("all", named), ("first", first)):
        loaded = [load_suite(EvalSuite(**tasks, **settings)) for settings in same]
        reports = [evaluate(model, suite, Split.PROBE).results for suite in loaded]
        assert all(report == reports[0] for report in reports)
        of_filter = {"all": "exact_match/all", "first": "exact_match"}[judging]
        assert {r.item.task: r.metric for r in reports[0]} == {"write": of_filter, "choose": "acc"}
        told = [list(tell_filters(suite.settings, suite.leaves)) for suite in loaded]
        assert all(len(lines) == 1 and f"write: judged by the filter {judging};" in lines[0] for lines in told)


def all_results(model: ModelRef, loaded: LoadedSuite) -> dict[ItemKey, ItemResult]:
    reports = [evaluate(model, loaded, split) for split in Split]
    return {r.item.key: r for report in reports for r in report.results}


def test_scores_of_items_and_their_weights_give_the_perplexities_of_the_whole_task(
    four_tasks: str, model: ModelRef
) -> None:
    """By the rules of docs/scores.md."""
    path = Path(four_tasks, "read.yaml")
    path.write_text(path.read_text().replace("- metric: word", "- metric: byte_perplexity\n- metric: word"))
    theirs = lm_eval.simple_evaluate(
        model=HFLM(pretrained=model.path, device="cpu", batch_size=64),
        tasks=["complete", "read"],
        task_manager=TaskManager(include_path=four_tasks, include_defaults=False),
        bootstrap_iters=0,
    )["results"]
    results = list(
        all_results(model, load_suite(EvalSuite(tasks=["complete", "read"], include_path=four_tasks))).values()
    )
    read = [result for result in results if result.item.task == "read"]
    words = np.array([len(result.item.target.split()) for result in read])
    num_bytes = np.array([len(result.item.target.encode()) for result in read])

    def mean_of(metric: str, weights: NDArray[np.int64]) -> float:
        values = np.array([result.metrics[metric] for result in read])
        return float((weights * values).sum() / weights.sum())

    assert math.exp(-mean_of("word_perplexity", words)) == pytest.approx(
        theirs["read"]["word_perplexity,none"], rel=1e-4
    )
    by_byte = mean_of("byte_perplexity", num_bytes)
    assert math.exp(-by_byte) == pytest.approx(theirs["read"]["byte_perplexity,none"], rel=1e-4)
    assert mean_of("bits_per_byte", num_bytes) == pytest.approx(by_byte)
    assert -by_byte / math.log(2) == pytest.approx(theirs["read"]["bits_per_byte,none"], rel=1e-4)
    complete = float(np.mean([result.score for result in results if result.item.task == "complete"]))
    assert math.exp(-complete) == pytest.approx(theirs["complete"]["perplexity,none"], rel=1e-4)
