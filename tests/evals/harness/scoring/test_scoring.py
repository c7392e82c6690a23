"""Raw metrics to scores, scores to failures, documents to ids: each against numbers written out."""

import math

import numpy as np
import pytest

from evals.harness.documents import digest, json_document, occurrence_ids
from evals.harness.scoring.metrics import Metric, MetricKind, failures, item_value, judged_metric, oriented
from evals.suite import EvalSuite

VALUE, LOG_LIKELIHOOD, LABEL_PAIR = MetricKind


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        (1, VALUE, 1.0),
        (True, VALUE, 1.0),
        (np.float64(0.25), VALUE, 0.25),
        (math.nan, VALUE, None),
        (math.inf, VALUE, None),
        ("0.5", VALUE, None),
        ([True, False], VALUE, None),
        (("the reference", "the answer"), VALUE, None),
        (-12.0, LOG_LIKELIHOOD, -12.0),
        ((-12.0, 4), LOG_LIKELIHOOD, -3.0),
        ((-12.0, 0), LOG_LIKELIHOOD, None),
        ((math.nan, 4), LOG_LIKELIHOOD, None),
        ((2, 2), LABEL_PAIR, 1.0),
        ((2, 1), LABEL_PAIR, 0.0),
        (([0, 2], 2), LABEL_PAIR, 1.0),
    ],
)
def test_each_kind_of_metric_becomes_one_number_or_none(raw: object, kind: MetricKind, value: float | None) -> None:
    assert item_value(raw, kind) == value


def test_higher_is_better_for_every_score() -> None:
    assert oriented(0.2, Metric("ter", VALUE, is_higher_better=False)) == 0.8
    assert oriented(0.2, Metric("acc", VALUE, is_higher_better=True)) == 0.2
    # lm-eval says that perplexity is better lower, but what it hands out is the log-likelihood.
    assert oriented(-3.0, Metric("perplexity", LOG_LIKELIHOOD, is_higher_better=False)) == -3.0


def test_the_first_metric_with_a_value_judges_unless_one_is_named() -> None:
    metrics = [Metric(name, VALUE, is_higher_better=True) for name in ("bleu", "acc", "acc_norm")]
    values = [{"acc": 1.0}, {"acc": 0.0, "acc_norm": 1.0}]
    judged = [
        judged_metric(EvalSuite(metric=wanted), metrics, values) for wanted in (None, "acc_norm", "bleu", "other")
    ]
    assert [metric and metric.name for metric in judged] == ["acc", "acc_norm", None, "acc"]
    assert judged_metric(EvalSuite(), metrics, [{}]) is None


def test_scores_in_0_1_fail_below_one_half_and_others_below_their_median() -> None:
    assert failures([0.0, 1.0, 0.0]) == [True, False, True]
    assert failures([1.0, 1.0]) == [False, False]
    assert failures([0.49, 0.5, 1.0]) == [True, False, False]
    assert failures([-5.0, -1.0, -2.0, -3.0]) == [True, False, False, True]
    assert failures([-2.0, -2.0, -2.0]) == [False, False, False]


def test_an_id_depends_on_the_content_alone() -> None:
    one, other = {"a": 1, "b": ["x", {"c": 2.5}]}, {"b": ["x", {"c": 2.5}], "a": 1}
    assert digest(one) == digest(other) != digest({"a": 2, "b": ["x", {"c": 2.5}]})
    assert occurrence_ids(["x", "y", "x", "x"]) == ["x-0", "y-0", "x-1", "x-2"]


def test_documents_become_json_values_that_still_tell_contents_apart() -> None:
    document = json_document({1: np.arange(2), "x": np.float32(0.5), "bytes": b"abc", "nan": math.nan, "t": (1, None)})
    assert document["1"] == [0, 1]
    assert document["x"] == 0.5
    assert document["bytes"] == "<3 bytes, sha256 ba7816bf8f01cfea>"
    assert (document["nan"], document["t"]) == ("nan", [1, None])
    assert json_document({"x": b"abc"}) != json_document({"x": b"abd"})
