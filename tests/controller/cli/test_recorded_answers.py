"""`evalmend diagnose evals.samples=...` on the command line: without a model, with a corpus, with a model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.sample_logs import every_eval_log, lm_eval_log

from controller.cli.compose import composed
from controller.main import run
from controller.train.settings import RecordedModel

WORDS = ("red", "blue", "grey", "pink", "gold")
QUESTIONS = [
    (f"{kind} {a} {b} {c}", f"{c} {b} {a}") for kind in ("turn", "swap") for a in WORDS for b in WORDS for c in WORDS
]
SHARED = [question for question, _ in QUESTIONS if question.startswith("swap")][:10]
"""Questions to which all models give the same wrong answer."""


def log(folder: Path, model: str) -> Path:
    """Fails where it should swap, by an answer of its own or, on the first ten of these, that of all models."""
    answers = [
        (q, gold, gold if q.startswith("turn") else "nothing" if q in SHARED else f"{model} {q}")
        for q, gold in QUESTIONS
    ]
    return every_eval_log(folder / model, model, answers)


def test_without_a_model_and_a_corpus_slices_modes_and_doubtful_golds_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = ",".join(str(log(tmp_path, model)) for model in ("m1", "m2", "m3"))
    assert run(["diagnose", f"evals.samples=[{folders}]", "run_dir=run", "diagnose.min_items=10"]) == 0
    out = capfd.readouterr().out
    assert "recorded answers of m1" in out
    assert "left out: learning: it reads the model's weights" in out
    assert "left out: labels: it reads rows, and there is no corpus; name one with corpus.train" in out
    lines = [json.loads(line) for line in Path("run/errata.jsonl").read_text().splitlines()]
    # A model's own wrong answers are no evidence against a gold.
    assert {line["document"]["question"] for line in lines} == set(SHARED)
    assert all(line["models_for_suggested"] == ["m1", "m2", "m3"] for line in lines)
    assert all(line["recorded_gold"] == " ".join(line["document"]["question"].split()[:0:-1]) for line in lines)
    (path,) = Path("run/stages").glob("diagnose-samples-*/diagnosis.json")
    found = json.loads(path.read_text())
    assert found["findings"]
    assert found["num_tokens"] == 0


def test_with_a_corpus_its_rows_are_set_beside_the_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": question, "completion": answer} for question, answer in QUESTIONS[::5]]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [f"evals.samples={log(tmp_path, 'm1')}", "corpus.train=rows.jsonl", "run_dir=run", "diagnose.min_items=10"]
    assert run(["diagnose", *words]) == 0
    out = capfd.readouterr().out
    assert f"{len(rows)} rows of the corpus repeat evaluation items" in out
    assert "left out: effects: it reads the model's weights" in out
    assert "left out: labels" not in out
    assert not Path("run/errata.jsonl").exists()


def test_with_the_model_the_recorded_scores_are_explained_as_measured_ones(
    tmp_path: Path,
    tiny_model_dir: Callable[..., Path],
    task_dir: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": question, "completion": answer} for question, answer in QUESTIONS]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[::3]))
    settings = {
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_choice": list(WORDS),
        "doc_to_target": "{{completion.split()[0]}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    tasks = str(task_dir("colours", rows, settings))
    model = str(tiny_model_dir([question for question, _ in QUESTIONS]))
    folder = lm_eval_log(model, ["colours"], tasks, tmp_path / "log")
    words = [
        "corpus.train=rows.jsonl",
        "evals.tasks=[colours]",
        f"evals.include_path={tasks}",
        "model=pretrained",
        f"model.name={model}",
        "train.max_length=16",
        "diagnose.min_items=10",
        "diagnose.influence.fisher_examples=32",
        "diagnose.token_steps=0",
    ]
    assert run(["diagnose", *words, f"evals.samples={folder}", "run_dir=recorded"]) == 0
    told = capfd.readouterr().out
    assert run(["diagnose", *words, "run_dir=measured"]) == 0
    measured = [line for line in capfd.readouterr().out.splitlines() if " fail; " in line]
    assert measured
    assert [line for line in told.splitlines() if " fail; " in line] == measured
    assert not list(Path("recorded/stages").glob("measure-*"))


def test_the_experiment_of_recorded_answers_has_neither_model_nor_corpus() -> None:
    settings = composed(["experiment=imported_mmlu", "evals.samples=[one,two]"])
    assert isinstance(settings.model, RecordedModel)
    assert not settings.corpus.is_given
    assert settings.evals.samples == ["one", "two"]
