"""Folders that lm-eval wrote become the reports that measuring the same model makes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.sample_logs import lm_eval_log

from controller.data.named_corpora import StarterCorpus
from evals.harness import evaluate, load_suite
from evals.items import EvalReport
from evals.model_ref import ModelRef
from evals.samples.read import read_samples
from evals.samples.results import score_recording
from evals.splits import Split
from evals.suite import EvalSuite

ANIMALS = ("cat", "dog", "owl", "fox", "hen", "cow")
DOCUMENTS = [
    {"id": k, "question": f"{a} and {b}", "choices": [a, b], "gold": k % 2, "answer": (a, b)[k % 2]}
    for k, (a, b) in enumerate((a, b) for a in ANIMALS for b in ANIMALS if a != b)
]
REGEX = {"function": "regex", "regex_pattern": "(cat|dog|owl|fox|hen|cow)", "group_select": 0}
SETTINGS: dict[str, dict[str, Any]] = {
    "choose": {
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc_norm"}, {"metric": "acc"}],
    },
    "complete": {
        "output_type": "loglikelihood",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_target": " {{answer}}",
        "metric_list": [{"metric": "acc"}],
    },
    "read": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{question}} and {{answer}}",
        "metric_list": [{"metric": "word_perplexity"}],
    },
    "write": {
        "output_type": "generate_until",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["Q:"], "max_gen_toks": 3},
        "filter_list": [
            {"name": "first", "filter": [REGEX, {"function": "take_first"}]},
            {"name": "last", "filter": [{**REGEX, "group_select": -1}, {"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match"}],
    },
}
WORDS = ["Q: A: and", *ANIMALS]
ONE_FILTER = ("choose", "complete", "read")


@pytest.fixture
def tasks(task_dir: Callable[..., Path]) -> str:
    for task, settings in SETTINGS.items():
        folder = task_dir(task, DOCUMENTS, settings)
    return str(folder)


@pytest.fixture
def model(tiny_model_dir: Callable[..., Path]) -> str:
    return str(tiny_model_dir(WORDS))


@pytest.fixture
def log(tasks: str, model: str, tmp_path: Path) -> Path:
    return lm_eval_log(model, ["write"], tasks, tmp_path / "log")


def imported(folder: Path, split: Split = Split.PROBE, **settings: Any) -> EvalReport:
    suite = EvalSuite(samples=str(folder), **settings)
    return score_recording(read_samples(suite)[0], suite).report(split)


def outcome(report: EvalReport) -> dict[Any, tuple[Any, ...]]:
    """Everything of each item that a diagnosis can read."""
    return {
        r.item.key: (r.item, r.answer, r.metric, pytest.approx(r.score, abs=1e-4), r.is_failed, r.is_unparsed)
        for r in report.results
    }


def test_a_log_of_lm_eval_is_the_report_that_measuring_the_model_makes(tasks: str, model: str, tmp_path: Path) -> None:
    """All ways of asking; rolling scores have no threshold but a median, so failures are compared split by split."""
    suite = EvalSuite(tasks=list(ONE_FILTER), include_path=tasks)
    folder = lm_eval_log(model, ONE_FILTER, tasks, tmp_path / "log")
    loaded = load_suite(suite)
    for split in Split:
        measured = evaluate(ModelRef(model), loaded, split)
        recorded = imported(folder, split)
        assert outcome(recorded) == outcome(measured)
        assert [r.item.key for r in recorded.results] == [r.item.key for r in measured.results]
        assert recorded.versions == measured.versions


def test_the_starters_failed_items_are_the_same_as_measured(
    tiny_model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    corpus = StarterCorpus()
    corpus.materialise(tmp_path)
    tasks, names = str(corpus.task_folder(tmp_path)), ["starter_descend", "starter_largest"]
    items = load_suite(EvalSuite(tasks=names, include_path=tasks)).items
    model = str(tiny_model_dir([f"{item.prompt} {item.target}" for item in items]))
    folder = lm_eval_log(model, names, tasks, tmp_path / "log")
    measured = evaluate(ModelRef(model), load_suite(EvalSuite(tasks=names, include_path=tasks)), Split.PROBE)
    failed = {r.item.key: r.answer for r in measured.results if r.is_failed}
    assert failed
    assert {r.item.key: r.answer for r in imported(folder).results if r.is_failed} == failed


def test_items_keep_their_splits_under_another_number_of_shots(tasks: str, model: str, tmp_path: Path) -> None:
    folder = lm_eval_log(model, ["choose"], tasks, tmp_path / "log", num_fewshot=2)
    plain = load_suite(EvalSuite(tasks=["choose"], include_path=tasks))
    asked = imported(folder).results
    assert all(result.item.prompt.count("Q:") == 3 for result in asked)
    assert [r.item.key for r in asked] == [item.key for item in plain.items if item.split is Split.PROBE]


def test_older_files_say_the_same(log: Path, tmp_path: Path) -> None:
    """Before 0.4.5 a file was one array, before 0.4.3 it had no time in its name, and requests were lists."""
    expected = outcome(imported(log, filter="first"))
    path = next(log.glob("samples_*"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["arguments"] = [list(sent.values()) for sent in row["arguments"].values()]
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    (arrays / path.name.replace(".jsonl", ".json")).write_text(json.dumps(rows, indent=2))
    results = next(log.glob("results_*")).read_text()
    (arrays / next(log.glob("results_*")).name).write_text(results)
    assert outcome(imported(arrays, filter="first")) == expected
    oldest = tmp_path / "oldest"
    oldest.mkdir()
    (oldest / "pretrained__model_write.jsonl").write_text(json.dumps(rows, indent=2))
    (oldest / "results.json").write_text(results)
    assert outcome(imported(oldest, filter="first")) == expected


def test_a_filter_is_chosen_by_name_and_names_its_metric_as_in_measuring(log: Path, tasks: str, model: str) -> None:
    with pytest.raises(ValueError, match=r"2 filters; choose one with evals.filter=first or evals.filter=last"):
        imported(log)
    with pytest.raises(ValueError, match=r"got evals.filter=lst; choose one"):
        imported(log, filter="lst")
    by_name: list[dict[str, Any]] = [{"filter": "last"}, {"metric": "exact_match/last"}]
    for settings in (*by_name, {"per_task": {"write": {"filter": "last"}}}, {"filter": "first"}):
        recorded = imported(log, **settings)
        measured = evaluate(
            ModelRef(model), load_suite(EvalSuite(tasks=["write"], include_path=tasks, **settings)), Split.PROBE
        )
        assert {r.item.key: (r.answer, r.score, r.metric, r.is_unparsed) for r in recorded.results} == {
            r.item.key: (r.answer, r.score, r.metric, r.is_unparsed) for r in measured.results
        }
        assert {r.is_unparsed for r in measured.results} == {True, False}


def refusal(folder: Path, **settings: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the messages are what is compared
        imported(folder, **({"filter": "first"} | settings))
    return str(caught.value)


def test_a_file_of_samples_that_is_cut_off_doubled_or_unscored_is_refused(log: Path) -> None:
    samples = next(log.glob("samples_*"))
    text = samples.read_text()
    lines = text.splitlines(keepends=True)
    samples.write_text(text + lines[0])
    assert "holds item 0 of write twice" in refusal(log)
    samples.write_text("".join(lines[1:]))
    assert "holds 29 of the 30 samples" in refusal(log)
    samples.write_text(text[:-40])
    assert "the log is cut off" in refusal(log)
    row = json.loads(lines[3])
    samples.write_text("".join([*lines[:3], json.dumps(row | {"exact_match": float("nan")}) + "\n", *lines[4:]]))
    assert "item 3 of write" in refusal(log)
    assert "which is no finite number" in refusal(log)
    del row["exact_match"]
    samples.write_text("".join([*lines[:3], json.dumps(row) + "\n", *lines[4:]]))
    assert "has no score 'exact_match'" in refusal(log)
    samples.write_text("[1]")
    assert "is no JSON object" in refusal(log)


def test_files_of_several_runs_or_without_their_partner_are_refused(log: Path) -> None:
    samples, results = next(log.glob("samples_*")), next(log.glob("results_*"))
    text, told = samples.read_text(), results.read_text()
    again = [path.with_name(path.name.replace("_20", "_19")) for path in (samples, results)]
    again[0].write_text(text)
    assert "no results file of the same run" in refusal(log)
    again[1].write_text(told)
    assert "holds samples of write from two runs" in refusal(log)
    again[0].unlink()
    again[1].unlink()
    samples.unlink()
    assert "run lm_eval again with --log_samples" in refusal(log)
    samples.write_text(text)
    two = json.loads(told)
    two["configs"]["other"] = two["configs"]["write"]
    results.write_text(json.dumps(two))
    assert "no samples of other" in refusal(log)
    assert imported(log, filter="first", tasks=["write"]).results
    results.unlink()
    assert "put the file that lm-eval wrote beside them" in refusal(log)
    results.write_text(told)
    other = log.parent / "other"
    other.mkdir()
    (other / results.name).write_text(told)
    assert re.search(r"runs of 2 models .*other.*name the folder of one", refusal(log.parent))


def test_a_path_or_a_name_that_leads_nowhere_is_refused(log: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no logs that can be read (it is empty)" in refusal(empty)
    assert "does not exist; a relative path starts at the working directory" in refusal(tmp_path / "nowhere")
    assert "name the folder that lm_eval --output_path wrote" in refusal(next(log.glob("samples_*")))
    assert "did you mean 'write'" in refusal(log, tasks=["wrte"])
    assert "is a metric of no task that it is for (write); did you mean 'exact_match'" in refusal(
        log, metric="exact_mach"
    )
    with pytest.raises(ValueError, match=r"names answers of .* twice"):
        read_samples(EvalSuite(samples=[str(log), str(log)], filter="first"))


def test_answers_to_another_version_of_an_installed_task_are_refused(log: Path, tasks: str) -> None:
    results = next(log.glob("results_*"))
    results.write_text(json.dumps(json.loads(results.read_text()) | {"versions": {"write": 1.0}}))
    path = Path(tasks) / "write.yaml"
    path.write_text(path.read_text() + "metadata: {version: 2.0}\n")
    assert imported(log, filter="first").results  # the file lies in no folder that is named
    with pytest.raises(ValueError, match=r"holds answers to version 1.0 of write, the installed one is version 2.0"):
        imported(log, filter="first", include_path=tasks)
