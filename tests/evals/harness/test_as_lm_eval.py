"""300 items of each output type, measured here and by lm-eval's command line in a process of its own, are alike."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from evals.harness import LoadedSuite, evaluate, load_suite
from evals.items import EvalReport, Item, ItemKey, ItemResult, OutputType
from evals.model_ref import ModelRef
from evals.samples.read import read_samples
from evals.samples.results import score_recording
from evals.splits import Split
from evals.suite import EvalSuite

ANIMALS = ("cat", "dog", "cow", "hen", "pig", "fox", "owl", "bee")
DOCUMENTS = [
    {"id": k, "question": f"{a} sees {b} {c}", "choices": [a, b, c], "gold": k % 3, "answer": b}
    for k, (a, b, c) in enumerate(permutations(ANIMALS, 3))
]
ASKED, SHOTS = DOCUMENTS[:300], DOCUMENTS[300:]
LONGER = {"function": "regex", "regex_pattern": "(cat|dog|cow)", "group_select": -1}
SETTINGS: dict[str, dict[str, Any]] = {
    "choose": {
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "complete": {
        "output_type": "loglikelihood",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_target": " {{answer}}",
        "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
    },
    "read": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{question}} and {{answer}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "byte_perplexity"}, {"metric": "bits_per_byte"}],
    },
    "write": {
        "output_type": "generate_until",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["Q:"], "max_gen_toks": 3},
        "filter_list": [
            {"name": "one", "filter": [LONGER, {"function": "take_first"}]},
            {"name": "all", "filter": [{"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match"}],
    },
}
TURNS = (
    "{% for m in messages %}{{ m.role ~ ' = ' ~ m.content ~ ' ; ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant = ' }}{% endif %}"
)
WORDS = ["Q: A: and sees = ; user assistant system", *ANIMALS]


def run_lm_eval(model: str, tasks: str, output: Path, cache: Path, words: list[str]) -> Path:
    """Run `lm_eval run --log_samples`; the folder that it writes for the model."""
    command = [
        *(sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={model}"),
        *("--tasks", *SETTINGS, "--include_path", tasks, "--output_path", str(output), "--log_samples"),
        *("--device", "cpu", "--batch_size", "1", *words),
    ]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(cache), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    ended = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return next(path for path in output.iterdir() if path.is_dir())


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def logged_values(sample: dict[str, Any], suffix: str) -> dict[str, float]:
    """What a log says of an item, by the names that measuring uses; of a pair the log-likelihood for each unit."""
    values = {name: sample[name] for name in sample["metrics"]}
    return {f"{n}{suffix}": v[0] / v[1] if isinstance(v, list) else v for n, v in values.items()}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (
            [
                *("--apply_chat_template", "--system_instruction", "cat and dog"),
                *("--num_fewshot", "2", "--fewshot_as_multiturn"),
            ],
            {"apply_chat_template": True, "system_instruction": "cat and dog", "num_fewshot": 2},
        ),
    ],
    ids=["plain", "chat"],
)
def test_metrics_prompts_and_hashes_are_those_of_lm_evals_command_line(
    task_dir: Callable[..., Path],
    tiny_model_dir: Callable[..., Path],
    tmp_path: Path,
    words: list[str],
    settings: dict[str, Any],
) -> None:
    """To the last digit: one request a batch on both sides, since a batch's padding moves it."""
    tasks = written_tasks(task_dir)
    model = ModelRef(str(tiny_model_dir(WORDS)))
    Path(model.path, "chat_template.jinja").write_text(TURNS)
    folder = run_lm_eval(model.path, tasks, tmp_path / "log", tmp_path / "cache", words)
    loaded = load_suite(EvalSuite(list(SETTINGS), tasks, batch_size=1, **settings), model)
    reports = {split: evaluate(model, loaded, split) for split in Split}
    ours = {result.item.key: result for report in reports.values() for result in report.results}
    items = {task: [item for item in loaded.items if item.task == task] for task in SETTINGS}
    assert {task: len(of_task) for task, of_task in items.items()} == dict.fromkeys(SETTINGS, 300)
    for task, of_task in items.items():
        lines = next(folder.glob(f"samples_{task}_*")).read_text().splitlines()
        check_samples(loaded, of_task, ours, [json.loads(line) for line in lines])
    for split, report in reports.items():
        assert failed(imported(folder, split)) == failed(report)
        assert 0 < len(failed(report)) < len(report.results)


def written_tasks(task_dir: Callable[..., Path]) -> str:
    """The four tasks, with examples from documents that are not asked."""
    for task, settings in SETTINGS.items():
        folder = task_dir(task, ASKED, settings)
        shots = folder / f"{task}.shots"
        shots.write_text("".join(json.dumps(document) + "\n" for document in SHOTS))
        path = folder / f"{task}.yaml"
        text = path.read_text().replace("data_files:", f"data_files:\n    train: {shots}")
        path.write_text(text + "training_split: train\nfewshot_split: train\n")
    return str(folder)


def check_samples(
    loaded: LoadedSuite, items: list[Item], ours: dict[ItemKey, ItemResult], samples: list[dict[str, Any]]
) -> None:
    """Compare what was sent, hashes, answers and metrics of one task with its log; it has a sample for each filter."""
    task = loaded.leaves[items[0].task]
    names = [chosen.name for chosen in task._filters]
    assert len(samples) == len(items) * len(names)
    for sample in samples:
        item = items[sample["doc_id"]]
        sent, result = loaded.requests[item.key], ours[item.key]
        assert [list(arguments.values()) for arguments in sample["arguments"].values()] == json_of(
            [list(instance.arguments) for instance in sent]
        )
        if item.output_type is not OutputType.LOGLIKELIHOOD_ROLLING:
            assert sample["prompt_hash"] == sha256(item.prompt)
        assert sample["prompt_hash"] == sha256(sent[0].arguments[0])
        assert sample["doc_hash"] == sha256(json.dumps(item.document, indent=2, ensure_ascii=False))
        suffix = "" if sample["filter"] == names[0] else f"/{sample['filter']}"
        values = logged_values(sample, suffix)
        assert values.items() <= result.metrics.items()
        if item.output_type is OutputType.GENERATE_UNTIL and not suffix:
            assert sample["filtered_resps"] == [result.answer]


def json_of(value: Any) -> Any:
    return json.loads(json.dumps(value))


def imported(folder: Path, split: Split) -> EvalReport:
    suite = EvalSuite(samples=str(folder), filter="one")
    return score_recording(read_samples(suite)[0], suite).report(split)


def failed(report: EvalReport) -> set[ItemKey]:
    return {result.item.key for result in report.results if result.is_failed}
