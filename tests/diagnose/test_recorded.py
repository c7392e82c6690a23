"""Answers without a model: the same slices fail, rows are set beside them, and nothing is said that nobody knows."""

from dataclasses import fields, is_dataclass
from itertools import product
from typing import Any

import pytest
from builders.items import answered, probe_item, probe_report
from builders.pools import train_pool

from diagnose.case import Case
from diagnose.diagnoser import Diagnoser
from diagnose.evidence.examine import TESTS, Needs
from diagnose.evidence.golds.doubts import doubt_golds
from diagnose.evidence.golds.votes import AskedItem
from diagnose.finding.finding import Cause, Diagnosis
from diagnose.recorded import RecordedCase, diagnose_recorded
from evals.items import ItemResult, ProbeReport
from evals.leaks.item_index import index_items

LETTERS = "abcdefghijkl"
DIAGNOSER = Diagnoser(min_items=10)


def result(skill: str, first: str, second: str) -> ItemResult:
    """Sorting fails, reversing does not."""
    item = probe_item(f"{skill} {first} {second}", f"{second} {first}", f"task_{skill}")
    return answered(item, item.target if skill == "reverse" else f"{first} {second}")


@pytest.fixture(scope="module")
def probe() -> ProbeReport:
    return probe_report(result(skill, x, y) for skill in ("reverse", "sort") for x, y in product(LETTERS, LETTERS))


@pytest.fixture(scope="module")
def beside_rows(probe: ProbeReport) -> Diagnosis:
    """A corpus with three items of the failing task, each row of it twice."""
    asked = [r.item for r in probe.results]
    rows = [(item.prompt, item.target) for item in asked if item.task == "task_sort"][:3]
    rows += [(f"reverse {x} {y} {z}", f"{z} {y} {x}") for x, y, z in product("abc", "def", "gh")]
    case = Case(probe, train_pool([*rows, *rows]), None, [], [], [], index_items(asked), 0)
    return diagnose_recorded(DIAGNOSER, case, None)


@pytest.fixture(scope="module")
def alone(probe: ProbeReport) -> Diagnosis:
    return diagnose_recorded(DIAGNOSER, RecordedCase(probe, [], [], 0), None)


def sentences(value: Any) -> list[str]:
    """Every text in a diagnosis."""
    if isinstance(value, str):
        return [value]
    if is_dataclass(value):
        return [text for one in fields(value) for text in sentences(getattr(value, one.name))]
    if isinstance(value, dict):
        return [text for pair in value.items() for text in sentences(pair)]
    return [text for each in value for text in sentences(each)] if isinstance(value, (tuple, list)) else []


def test_the_slices_that_fail_are_the_same_with_and_without_rows(
    probe: ProbeReport, beside_rows: Diagnosis, alone: Diagnosis
) -> None:
    measured = DIAGNOSER.find(probe, [], [])
    assert [found.slice for found in measured] == [finding.slice for finding in alone.findings]
    failing = [finding for finding in beside_rows.findings if finding.cause is not Cause.CONTAMINATION]
    assert [(f.slice, f.num_failed, f.ci) for f in failing] == [(f.slice, f.num_failed, f.ci) for f in alone.findings]
    assert [f.modes for f in failing] == [f.modes for f in alone.findings]
    assert alone.num_failed == len(LETTERS) ** 2 - len(LETTERS)


def test_each_test_is_made_or_left_out_with_a_reason(beside_rows: Diagnosis, alone: Diagnosis) -> None:
    for found, made in ((alone, set()), (beside_rows, {test.name for test in TESTS if test.needs is Needs.ROWS})):
        left = {one.test: one.reason for one in found.left_out}
        failing = [finding for finding in found.findings if finding.cause is Cause.UNKNOWN]
        assert failing
        assert all({test.test for test in finding.tests} == made for finding in failing)
        assert {test.name for test in TESTS} - made <= left.keys()
        assert not made & left.keys()
        assert all("name " in reason for reason in left.values())
    assert {"attribution", "profiles", "causes", "recorded_golds"} <= {one.test for one in beside_rows.left_out}


def test_copies_and_repeated_items_are_told_from_the_rows_alone(beside_rows: Diagnosis) -> None:
    """Three items stand among 42 rows, of which half are copies."""
    (repeated,) = (f for f in beside_rows.findings if f.cause is Cause.CONTAMINATION)
    assert repeated.num_items == 3
    assert repeated.evidence["contaminated_rows"] == 6
    (failing, *_) = (f for f in beside_rows.findings if f.cause is Cause.UNKNOWN)
    assert failing.evidence["copies"] == pytest.approx(0.5)
    assert failing.examples.nearest[0].prompt.startswith("sort")


def test_no_sentence_says_that_the_model_was_trained_on_the_rows(beside_rows: Diagnosis) -> None:
    said = [text.lower() for text in sentences(beside_rows)]
    assert any("whether the model has seen them is not known" in text for text in said)
    for claim in ("learned", "learnt", "training row", "trained on these", "by heart"):
        assert not [text for text in said if claim in text]
    assert all(
        finding.causes == {Cause.UNKNOWN: 1.0} for finding in beside_rows.findings if finding.tests[0].test != "overlap"
    )
    assert not [finding for finding in beside_rows.findings if finding.data_slices]


def test_failed_items_that_other_models_answer_alike_are_pointed_at(probe: ProbeReport) -> None:
    """All models answer the failing task as the first does."""
    asked = [AskedItem(r.item.key, r.item.target, (), r.item.task) for r in probe.results]
    answers = {name: {r.item.key: r.answer for r in probe.results} for name in ("one", "two", "three")}
    found = diagnose_recorded(DIAGNOSER, RecordedCase(probe, [], [], 0), doubt_golds(asked, answers))
    failing = found.findings[0]
    (evidence,) = failing.tests
    assert evidence.values == {"gold_outvoted": 1.0}
    assert len(evidence.items) == failing.num_failed
    assert "recorded_golds" not in {one.test for one in found.left_out}
