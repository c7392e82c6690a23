"""Logs in the schema of Every Eval Ever (github.com/evaleval/every_eval_ever).

They are pairs of `<uuid>.json`, which names the model and the metrics, and `<uuid>_samples.jsonl` with a line for each
item and metric. Turns of agents are not read: their answer is no text that could be compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.harness.scoring.metrics import Metric, MetricKind
from evals.items import OutputType
from evals.samples.record import RecordedItem, RecordedTask, Recording, check_once, chosen, read_json, read_lines

SUFFIX = "_samples.jsonl"


def read_every_eval(source: Path, paths: Sequence[Path]) -> Recording:
    """Read the samples of one model from the `*_samples.jsonl` files of the folder that the user named.

    Raises:
        ValueError: the file of the whole is missing, lines are, or they are of several models.
    """
    parts: list[tuple[Path, Mapping[str, Any], list[dict[str, Any]]]] = []
    for path in paths:
        whole = path.with_name(path.name.removesuffix(SUFFIX) + ".json")
        if not whole.is_file():
            raise ValueError(f"evals.samples: {path} has no {whole.name} beside it, which names its model and metrics")
        log, rows = read_json(whole), read_lines(path)
        if (told := (log.get("detailed_evaluation_results") or {}).get("total_rows")) not in (None, len(rows)):
            raise ValueError(
                f"evals.samples: {path} has {len(rows)} of {told} lines; the file is cut off, fetch it again"
            )
        parts.append((path, log, rows))
    models = sorted({str(log["model_info"]["id"]) for _, log, _ in parts})
    if len(models) > 1:
        raise ValueError(
            f"evals.samples: {source} holds samples of {len(models)} models ({', '.join(models)}); name the folder of "
            "one, or several as evals.samples=[DIR1,DIR2]"
        )
    tasks: dict[str, RecordedTask] = {}
    for path, log, rows in parts:
        for task in _tasks(path, log, rows):
            if task.name in tasks:
                raise ValueError(
                    f"evals.samples: {source} holds samples of {task.name} from two runs; move one to another folder"
                )
            tasks[task.name] = task
    return Recording(str(source), models[0], tuple(tasks.values()))


def _tasks(path: Path, log: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[RecordedTask]:
    metrics = dict(map(_metric, log.get("evaluation_results", ())))
    grouped: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {}
    for row in rows:
        if row.get("interaction_type") != "single_turn":
            raise ValueError(
                f"evals.samples: {path} has a sample of kind '{row.get('interaction_type')}'; only single_turn has one "
                "answer that can be diagnosed: leave the others out"
            )
        result = str(row.get("evaluation_result_id") or row["evaluation_name"])
        metric = metrics.get(result, Metric("score", MetricKind.VALUE, is_higher_better=True)).name
        of_item = grouped.setdefault(str(row["evaluation_name"]), {}).setdefault(str(row["sample_id"]), {})
        if metric in of_item:
            raise ValueError(
                f"evals.samples: {path} holds item {row['sample_id']} of {row['evaluation_name']} twice; leave one "
                "answer for each item"
            )
        of_item[metric] = row
    made = []
    for name, by_item in grouped.items():
        items = tuple(_item(number, scored) for number, scored in by_item.items())
        check_once(path, name, items)
        own = dict.fromkeys(metric for item in items for metric in item.values)
        known = {metric.name: metric for metric in metrics.values()}
        chosen = tuple(known.get(one, Metric(one, MetricKind.VALUE, is_higher_better=True)) for one in own)
        made.append(RecordedTask(name, None, chosen, len(chosen) == 1, items))
    return made


def _metric(result: Mapping[str, Any]) -> tuple[str, Metric]:
    config = result.get("metric_config") or {}
    name = str(config.get("metric_id") or config.get("metric_name") or "score")
    key = str(result.get("evaluation_result_id") or result.get("evaluation_name"))
    return key, Metric(name, MetricKind.VALUE, not config.get("lower_is_better", False))


def _item(number: str, scored: Mapping[str, Mapping[str, Any]]) -> RecordedItem:
    row = next(iter(scored.values()))
    asked = row["input"]
    raw, formatted = str(asked["raw"]), str(asked.get("formatted") or asked["raw"])
    choices = tuple(str(choice) for choice in asked.get("choices") or ())
    references = [str(reference) for reference in asked.get("reference") or ()]
    identity = {"question": raw, "choices": list(choices), "reference": references}
    return RecordedItem(
        number=number,
        identity=identity,
        document={**(row.get("metadata") or {}), **identity},
        prompt=formatted,
        question="" if raw == formatted else raw,
        target=chosen(references[0], choices) if references else "",
        delimiter=" ",
        output_type=OutputType.MULTIPLE_CHOICE if choices else OutputType.GENERATE_UNTIL,
        choices=choices,
        answers={metric: chosen(_answer(one), choices) for metric, one in scored.items()},
        values={metric: (one.get("evaluation") or {}).get("score") for metric, one in scored.items()},
    )


def _answer(row: Mapping[str, Any]) -> str:
    """The answer that was extracted last, else all that was written."""
    extracted = [one.get("extracted_value") for one in row.get("answer_attribution") or () if one.get("is_terminal")]
    written = (row.get("output") or {}).get("raw") or [""]
    return str(extracted[-1] if extracted and extracted[-1] is not None else written[0])
