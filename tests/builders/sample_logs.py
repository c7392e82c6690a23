"""Logs of evaluations: lm-eval writes its own, those of Inspect and in the schema of Every Eval Ever are made here."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager


def lm_eval_log(
    model: str, tasks: Sequence[str], include_path: str, folder: Path, num_fewshot: int | None = None
) -> Path:
    """What `lm_eval --log_samples --output_path folder` leaves; the model's folder in it."""
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.log_experiment_args("hf", {"pretrained": model}, "", "", False)
    results = lm_eval.simple_evaluate(
        model=HFLM(pretrained=model, device="cpu", batch_size=64),
        tasks=list(tasks),
        num_fewshot=num_fewshot,
        task_manager=TaskManager(include_path=include_path, include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    return next(path for path in folder.iterdir() if path.is_dir())


def inspect_sample(number: int, target: str, answer: str, grade: Any, **more: Any) -> dict[str, Any]:
    """One sample of an Inspect log, of a question with the choices north and south."""
    return {
        "id": number,
        "epoch": 1,
        "input": f"Where does bird {number} fly?",
        "choices": ["north", "south"],
        "target": target,
        "output": {"completion": f"ANSWER: {answer}"},
        "scores": {"choice": {"value": grade, "answer": answer}},
        "metadata": {"kind": "bird"},
        **more,
    }


def inspect_log(
    path: Path, samples: Sequence[Mapping[str, Any]], status: str = "success", model: str = "m/one"
) -> Path:
    """An Inspect log, as JSON or, where the name ends in `.eval`, as an archive; returns its path."""
    header = {"version": 2, "status": status, "eval": {"task": "birds", "task_version": 1, "model": model}}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps({**header, "samples": list(samples)}))
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(header))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
    return path


def every_eval_log(
    folder: Path,
    model: str,
    answers: Sequence[tuple[str, str, str]],
    choices: Sequence[str] = (),
    task: str = "birds",
    metrics: Sequence[str] = ("accuracy",),
) -> Path:
    """A pair of files in the schema of Every Eval Ever, of question, gold and answer; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    results = [
        {"evaluation_result_id": metric, "evaluation_name": task, "metric_config": {"metric_id": metric}}
        for metric in metrics
    ]
    rows = [
        {
            "schema_version": "0.3.0",
            "evaluation_id": "e",
            "model_id": model,
            "evaluation_name": task,
            "evaluation_result_id": metric,
            "sample_id": str(number),
            "interaction_type": "single_turn",
            "input": {"raw": question, "reference": [gold], "choices": list(choices) or None},
            "output": {"raw": [answer]},
            "answer_attribution": [
                {"turn_idx": 0, "source": "output.raw", "extracted_value": answer, "is_terminal": True}
            ],
            "evaluation": {"score": float(answer == gold), "is_correct": answer == gold},
        }
        for number, (question, gold, answer) in enumerate(answers)
        for metric in metrics
    ]
    whole = {
        "model_info": {"id": model},
        "evaluation_results": results,
        "detailed_evaluation_results": {"total_rows": len(rows)},
    }
    (folder / "run.json").write_text(json.dumps(whole))
    (folder / "run_samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
