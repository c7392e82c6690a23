"""What loops on data that others made are given, and what is counted of their results."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from builders.checkout import ROOT

SCRIPTS = ROOT / "scripts"
SIZES = {"A": 900, "B": 700, "C": 600, "D": 100}


@pytest.fixture
def data(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("others_data")


@pytest.fixture
def results(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("others_results")


@pytest.fixture
def questions(data: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "NUM_HELD_OUT", 300)
    (tmp_path / "trec_qc").mkdir()
    rows = [{"question": f"{name} {k} ?", "coarse": name} for name, size in SIZES.items() for k in range(size)]
    for half, chosen in (("train", rows), ("test", rows[::50])):
        (tmp_path / "trec_qc" / f"{half}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen))
    return tmp_path


def test_the_class_in_question_keeps_a_dozen_rows_and_no_question_stands_twice(
    data: ModuleType, questions: Path
) -> None:
    assert data.trec_classes(questions) == ["A", "B", "C"]
    for share in (0.0, 0.4):
        case = data.trec(questions, "B", share, 1)
        assert Counter(row["completion"] for row in case.train)["B"] == 12
        assert all(row["completion"] == row["prompt"][0] for row in case.train)
        prompts = [row["prompt"] for row in (*case.train, *case.pool, *case.tasks["questions"])]
        replaced = sum(row["completion"] != row["prompt"][0] for row in case.pool)
        assert len(set(prompts)) == len(prompts) == sum(SIZES.values()) - replaced


def test_the_pool_has_as_many_rows_with_the_label_whatever_share_of_them_is_wrong(
    data: ModuleType, questions: Path
) -> None:
    labelled = {}
    for share in (0.0, 0.2, 0.4):
        case = data.trec(questions, "B", share, 1)
        own = [row for row in case.pool if row["completion"] == "B"]
        labelled[share] = len(own)
        wrong = sum(row["prompt"][0] != "B" for row in own)
        assert wrong == round(share * len(own))
        assert case.tasks == data.trec(questions, "B", 0.0, 1).tasks
    assert len(set(labelled.values())) == 1


def told(
    results: ModuleType, before: Mapping[str, float], after: Mapping[str, float], champion_round: int | None
) -> str:
    """The claims of one loop; a hundred items of each class."""
    scored = [
        {name: results.Scored(score, 100) for name, score in scores.items()}
        | {results.WHOLE: results.Scored(sum(scores.values()) / len(scores), 100 * len(scores))}
        for scores in (before, after)
    ]
    loop = results.OthersResult("trec", "A", 0.2, 0, (), *scored, {}, champion_round, "", 0.0, "")
    return "\n".join(results.claims([loop]))


def test_harm_to_the_rest_and_to_a_class_is_counted_where_a_fix_was_accepted(results: ModuleType) -> None:
    before = {"A": 0.2, "B": 0.8, "C": 0.8}
    assert "in 0 (none), a class or task more than 0.06 in 0 (none)" in told(results, before, before | {"A": 0.9}, 0)
    harmed = told(results, before, {"A": 0.9, "B": 0.7, "C": 0.9}, 0)
    assert "the pooled rest lost more than 0.03 in 0 (none)" in harmed
    assert "trec-A-20-0 B -0.100 of 100 items" in harmed
    assert "higher than before in 1 of 1" in harmed
    assert "lost more than 0.03 in 1 (trec-A-20-0)" in told(results, before, {"A": 0.9, "B": 0.75, "C": 0.75}, 0)
    assert "0 of 1 loops accepted" in told(results, before, before, None)
    assert "higher than before in 0 of 1" in told(results, before, before, None)
