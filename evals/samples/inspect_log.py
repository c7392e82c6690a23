"""Logs of Inspect (inspect.aisi.org.uk): one `.json` file for each task, or `.eval`, a ZIP archive of the same parts.

An archive holds `header.json` and `samples/<id>_epoch_<number>.json`; the package itself is not needed.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.harness.scoring.metrics import Metric, MetricKind
from evals.items import OutputType
from evals.samples.record import RecordedItem, RecordedTask, Recording, check_once, chosen, read_json

_GRADES: Mapping[str, float] = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Inspect's grades: correct, partly, incorrect, no answer."""


def is_inspect(path: Path) -> bool:
    """Whether a file is one of Inspect's logs."""
    if path.suffix == ".eval":
        return True
    if path.suffix != ".json":
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return '"eval"' in (head := file.read(4096)) and '"status"' in head


def read_inspect(source: Path, paths: Sequence[Path]) -> Recording:
    """Read logs of one model, one for each task.

    Raises:
        ValueError: a log is unfinished or without samples, two are of one task, or they are of several models.
    """
    logs = [(path, _log(path)) for path in paths]
    models = sorted({str(log["eval"].get("model")) for _, log in logs})
    if len(models) > 1:
        raise ValueError(
            f"evals.samples: {source} holds logs of {len(models)} models ({', '.join(models)}); put each model's in a "
            "folder of its own, and name one or several as evals.samples=[DIR1,DIR2]"
        )
    tasks: dict[str, tuple[Path, RecordedTask]] = {}
    for path, log in logs:
        task = _task(path, log)
        if task.name in tasks:
            raise ValueError(
                f"evals.samples: {source} holds two logs of {task.name} ({tasks[task.name][0].name}, {path.name}); "
                "move one to another folder"
            )
        tasks[task.name] = path, task
    return Recording(str(source), models[0], tuple(task for _, task in tasks.values()))


def _log(path: Path) -> dict[str, Any]:
    log: dict[str, Any] = _unpacked(path) if path.suffix == ".eval" else read_json(path)
    if (status := log.get("status")) != "success":
        raise ValueError(
            f"evals.samples: {path} is a log with status '{status}', not of a finished evaluation; finish it with "
            "`inspect eval-retry`"
        )
    if not log.get("samples"):
        raise ValueError(f"evals.samples: {path} has no samples; evaluate again without --no-log-samples")
    return log


def _unpacked(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "header.json" not in names:
                raise ValueError(
                    f"evals.samples: {path} has no header.json, so its evaluation did not finish; finish it with "
                    "`inspect eval-retry`"
                )
            log: dict[str, Any] = json.loads(archive.read("header.json"))
            of_samples = [name for name in names if name.startswith("samples/") and name.endswith(".json")]
            log["samples"] = [json.loads(archive.read(name)) for name in of_samples]
    except (zipfile.BadZipFile, NotImplementedError, json.JSONDecodeError) as error:
        raise ValueError(
            f"evals.samples: {path} cannot be unpacked ({error}); `inspect log convert --to json` writes it as JSON"
        ) from error
    return log


def _task(path: Path, log: Mapping[str, Any]) -> RecordedTask:
    name = str(log["eval"]["task"])
    items = tuple(_item(path, sample) for sample in log["samples"])
    check_once(path, name, items)
    metrics = dict.fromkeys(metric for item in items for metric in item.values)
    made = tuple(Metric(metric, MetricKind.VALUE, is_higher_better=True) for metric in metrics)
    version = log["eval"].get("task_version")
    return RecordedTask(name, None if version is None else str(version), made, len(made) == 1, items)


def _item(path: Path, sample: Mapping[str, Any]) -> RecordedItem:
    if sample.get("error"):
        raise ValueError(
            f"evals.samples: sample {sample.get('id')} in {path} ended with an error; finish the log with "
            "`inspect eval-retry`"
        )
    choices = tuple(str(choice) for choice in sample.get("choices") or ())
    question = _text(sample["input"])
    target = sample["target"]
    targets = [str(one) for one in (target if isinstance(target, list) else [target])]
    values, answers = _scores(sample, choices)
    identity = {"input": question, "choices": list(choices), "target": targets}
    return RecordedItem(
        number=str(sample["id"]),
        identity=identity,
        document={**(sample.get("metadata") or {}), **identity},
        prompt=question,
        question="",
        target=chosen(targets[0], choices) if targets else "",
        delimiter="\n",
        output_type=OutputType.MULTIPLE_CHOICE if choices else OutputType.GENERATE_UNTIL,
        choices=choices,
        answers=answers,
        values=values,
    )


def _scores(sample: Mapping[str, Any], choices: Sequence[str]) -> tuple[dict[str, object], dict[str, str]]:
    """Values and answers by metric: the scorer's name, with `/<part>` where its score has parts."""
    written = str((sample.get("output") or {}).get("completion") or "")
    values: dict[str, object] = {}
    answers: dict[str, str] = {}
    for scorer, score in (sample.get("scores") or {}).items():
        value = score.get("value")
        parts = {f"{scorer}/{part}": one for part, one in value.items()} if isinstance(value, dict) else {scorer: value}
        for name, one in parts.items():
            values[name] = _GRADES.get(one, one) if isinstance(one, str) else one
            answers[name] = chosen(str(score.get("answer") or written), choices)
    return values, answers


def _text(content: Any) -> str:
    """Join the texts of an input, which may be messages in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return _text(content.get("content") if "content" in content else content.get("text", ""))
    return "\n".join(text for text in (_text(part) for part in content or ()) if text)
