"""Folders that `lm_eval --log_samples --output_path DIR` writes: samples of each task beside results of the run.

They are named `samples_<task>_<time>.jsonl` and `results_<time>.json`; a sample stands there once for each filter of
its task. Older versions wrote one JSON array in the place of lines, requests as lists, and, before times were in names,
`results.json` beside `<anything>_<task>.jsonl`; all are read.
"""

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from evals.harness.scoring.metrics import Metric, MetricKind
from evals.harness.tasks import installed_version
from evals.items import OutputType
from evals.samples.record import RecordedItem, RecordedTask, Recording, check_once, read_json, read_lines
from evals.suite import EvalSuite

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl?")
# The functions of whole tasks whose values for one item are pairs, and the metrics that have them by default.
_KINDS = {
    **dict.fromkeys(
        ("perplexity", "weighted_perplexity", "bits_per_byte", "word_perplexity", "byte_perplexity"),
        MetricKind.LOG_LIKELIHOOD,
    ),
    **dict.fromkeys(("f1", "mcc", "matthews_corrcoef"), MetricKind.LABEL_PAIR),
}
_UNSTATED = "Yaml"
"""Version that lm-eval gives a task whose file states none."""


@dataclass(frozen=True, slots=True)
class _Logged:
    """The file of one task's samples with the results of its run."""

    task: str
    samples: Path
    results: Mapping[str, Any]


def is_lm_eval(folder: Path) -> bool:
    """Whether results or samples of lm-eval lie in the folder or below it."""
    return bool(_samples(folder)) or any("n-shot" in (read_json(path) or {}) for path in folder.rglob("results*.json"))


def read_lm_eval(folder: Path, suite: EvalSuite) -> Recording:
    """Read what a folder holds of one model: one run, or several of other tasks each.

    Args:
        folder: Value of `--output_path`, or the model's folder in it.
        suite: Settings that say which filter's answers are read, which tasks, and where tasks are installed.

    Raises:
        ValueError: a task was run twice or has no samples, runs are of several models, a task has several filters or
            not this one, or the installed task has another version.
    """
    samples = _samples(folder)
    place = _one_place(folder, samples)
    times = sorted({match["time"] for match in samples.values()})
    found = {*place.glob("results*.json"), *(path for time in times for path in place.glob(f"*_{time}.json"))}
    of_runs = {path: read_json(path) for path in sorted(found) if not _SAMPLES.fullmatch(path.name)}
    if not of_runs:
        raise ValueError(
            f"evals.samples: {place} has samples and no results_<time>.json, which tells what its tasks are; put the "
            "file that lm-eval wrote beside them"
        )
    logged = _by_task(place, samples, of_runs) if times else _without_times(place, of_runs)
    for path, results in of_runs.items():
        named = {*suite.tasks, *suite.guards} if suite.tasks else set(results.get("configs", {}))
        if missing := [task for task in results.get("configs", {}) if task in named and task not in logged]:
            raise _without_samples(path, missing)
    if not logged:
        raise _without_samples(next(iter(of_runs)))
    models = list({_model(of_run): of_run for of_run in of_runs.values()})
    if len(models) > 1:
        raise ValueError(
            f"evals.samples: {place} holds runs of {len(models)} models ({'; '.join(models)}); move the files of one "
            "to a folder of their own"
        )
    order = [task for results in of_runs.values() for task in results.get("configs", {})]
    tasks = sorted((_task(one, suite) for one in logged.values()), key=lambda task: order.index(task.name))
    for task in tasks:
        installed = installed_version(task.name, suite.include_path)
        if installed is not None and task.version not in (None, _UNSTATED, installed):
            raise ValueError(
                f"evals.samples: {place} holds answers to version {task.version} of {task.name}, the installed one is "
                f"version {installed}; run lm_eval again with it, or name a folder with the other version's file in "
                "evals.include_path"
            )
    name = next(iter(of_runs.values())).get("model_name")
    return Recording(str(folder), str(name or place.name), tuple(tasks))


def _samples(folder: Path) -> dict[Path, re.Match[str]]:
    """Files of samples in the folder or below it, sorted, with task and time of each."""
    return {path: match for path in sorted(folder.rglob("samples_*")) if (match := _SAMPLES.fullmatch(path.name))}


def _one_place(folder: Path, samples: Iterable[Path]) -> Path:
    """Folder of the one model whose runs lie in the folder or below it."""
    places = sorted({path.parent for path in (*folder.rglob("results*.json"), *samples)})
    if len(places) > 1:
        names = ", ".join(str(place.relative_to(folder)) for place in places)
        raise ValueError(
            f"evals.samples: {folder} holds runs of {len(places)} models ({names}); name the folder of one, or "
            "several as evals.samples=[DIR1,DIR2]"
        )
    return places[0]


def _by_task(
    place: Path, samples: Mapping[Path, re.Match[str]], of_runs: Mapping[Path, Mapping[str, Any]]
) -> dict[str, _Logged]:
    """Find the samples of each task, with the results that have the same time in their name."""
    logged: dict[str, _Logged] = {}
    for path, match in samples.items():
        task, time = match["task"], match["time"]
        if task in logged:
            raise ValueError(
                f"evals.samples: {place} holds samples of {task} from two runs ({logged[task].samples.name}, "
                f"{path.name}); move the files of one run to a folder of their own and name it"
            )
        own = [results for of_run, results in of_runs.items() if of_run.stem.endswith(f"_{time}")]
        if not own or task not in own[0].get("configs", {}):
            raise ValueError(
                f"evals.samples: {path} has no results file of the same run that names {task}; put the "
                f"results_{time}.json that lm-eval wrote beside it"
            )
        logged[task] = _Logged(task, path, own[0])
    return logged


def _without_times(place: Path, of_runs: Mapping[Path, Mapping[str, Any]]) -> dict[str, _Logged]:
    """Find the samples of each task as versions before 0.4.3 name them."""
    logged: dict[str, _Logged] = {}
    for results in of_runs.values():
        for task in results.get("configs", {}):
            if paths := sorted(place.glob(f"*_{task}.jsonl"), key=lambda path: len(path.name)):
                logged[task] = _Logged(task, paths[0], results)  # a longer name may be that of a longer task
    return logged


def _model(results: Mapping[str, Any]) -> str:
    config = results.get("config", {})
    return f"{config.get('model')} with {config.get('model_args')}"


def _without_samples(results: Path, missing: Sequence[str] = ()) -> ValueError:
    of = f" of {', '.join(missing[:3])}" if missing else ""
    return ValueError(
        f"evals.samples: {results} has scores and no samples{of}; a diagnosis needs the answers: run lm_eval again "
        "with --log_samples, or name the tasks that have samples in evals.tasks"
    )


def _task(logged: _Logged, suite: EvalSuite) -> RecordedTask:
    path, name, results = logged.samples, logged.task, logged.results
    config = results["configs"][name]
    own = suite.of_task(name)
    wanted = own.filter or (own.metric or "").partition("/")[2] or None
    rows, chosen, suffix = _of_one_filter(path, name, read_lines(path), wanted)
    fallbacks = _fallbacks(config, chosen)
    items = tuple(_item(path, name, row, config, suffix, fallbacks) for row in rows)
    check_once(path, name, items)
    asked = results.get("n-samples", {}).get(name, {}).get("effective")
    if asked is not None and asked != len(items):
        raise ValueError(
            f"evals.samples: {path} holds {len(items)} of the {asked} samples that {name} was asked; the log is cut "
            "off or two were joined: run it again"
        )
    version = results.get("versions", {}).get(name)
    return RecordedTask(
        name, None if version is None else str(version), _metrics(rows, config, chosen, suffix), True, items
    )


def _of_one_filter(
    path: Path, name: str, rows: Sequence[dict[str, Any]], wanted: str | None
) -> tuple[list[dict[str, Any]], str, str]:
    """Samples as one filter left them, its name, and what it appends to names of metrics, nothing for the first."""
    filters = list(dict.fromkeys(str(row.get("filter", "none")) for row in rows))
    if len(filters) <= 1:
        return list(rows), (filters or ["none"])[0], ""
    if wanted not in filters:
        got = "" if wanted is None else f", got evals.filter={wanted}"
        raise ValueError(
            f"evals.samples: {path} has answers of {name} by {len(filters)} filters{got}; choose one with "
            f"evals.filter={' or evals.filter='.join(filters)}"
        )
    chosen = [row for row in rows if str(row.get("filter", "none")) == wanted]
    return chosen, str(wanted), "" if wanted == filters[0] else f"/{wanted}"


def _metrics(
    rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any], chosen: str, suffix: str
) -> tuple[Metric, ...]:
    listed = {
        entry["metric"]: entry for entry in config.get("metric_list") or () if isinstance(entry.get("metric"), str)
    }
    names = dict.fromkeys([*listed, *(name for row in rows for name in row.get("metrics", ()))])
    made = []
    for name in names:
        entry = listed.get(name, {})
        kind = _KINDS.get(str(entry.get("aggregation", name)), MetricKind.VALUE)
        made.append(Metric(f"{name}{suffix}", kind, bool(entry.get("higher_is_better", True)), chosen))
    return tuple(made)


def _fallbacks(config: Mapping[str, Any], chosen: str) -> list[str]:
    """What a filter leaves of an answer that it cannot read; nothing where it extracts nothing, as in measuring."""
    steps = [
        step for one in config.get("filter_list") or () if one.get("name") == chosen for step in one.get("filter", ())
    ]
    extracting = [step for step in steps if "regex" in str(step.get("function")).lower()]
    return [str(step.get("fallback", "[invalid]")) for step in extracting]


def _item(
    path: Path,
    task: str,
    row: Mapping[str, Any],
    config: Mapping[str, Any],
    suffix: str,
    fallbacks: Sequence[str],
) -> RecordedItem:
    lacks = [key for key in ("doc_id", "doc", "target", "arguments", "filtered_resps") if key not in row]
    if lacks:
        raise ValueError(
            f"evals.samples: a sample in {path} has no '{lacks[0]}'; only files that lm_eval --log_samples wrote as "
            "they stand can be read"
        )
    kind = OutputType(config.get("output_type", OutputType.GENERATE_UNTIL))
    sent, document = _arguments(row["arguments"]), row["doc"]
    document = document if isinstance(document, dict) else {"text": document}
    question = _rendered(config.get("doc_to_text"), document)
    prompt, delimiter, choices = str(sent[0][0]), str(config.get("target_delimiter") or ""), tuple[str, ...]()
    target = _target(row["target"])
    if kind is OutputType.MULTIPLE_CHOICE:
        contexts = list(dict.fromkeys(str(context) for context, *_ in sent))
        if len(contexts) == len(sent) > 1:  # the choices are what comes before one ending
            choices, prompt = tuple(contexts), "\n".join(contexts)
        else:
            choices = tuple(str(ending).removeprefix(delimiter) for _, ending, *_ in sent)
            target = _choice(target, choices)
    elif kind is OutputType.LOGLIKELIHOOD:  # lm-eval scores its target as it stands
        whole = str(sent[0][1])
        target = whole.lstrip()
        delimiter = whole[: len(whole) - len(target)]
    elif kind is OutputType.LOGLIKELIHOOD_ROLLING:
        prompt, delimiter = "", ""
    listed = (entry.get("metric") for entry in config.get("metric_list") or ())
    names = [str(name) for name in row.get("metrics", ()) or listed]
    answers = {f"{name}{suffix}": _answer(row["filtered_resps"], kind, target, choices, name) for name in names}
    unparsed = [not answer.strip() or answer in fallbacks for answer in answers.values()]
    return RecordedItem(
        number=str(row["doc_id"]),
        identity=document,
        document=document,
        prompt=prompt,
        question="" if question not in (prompt or target) else question,
        target=target,
        delimiter=delimiter,
        output_type=kind,
        choices=choices,
        answers=answers,
        values={f"{name}{suffix}": row[name] for name in names if name in row},
        is_unparsed=any(unparsed) if fallbacks and kind is OutputType.GENERATE_UNTIL else None,
    )


def _arguments(arguments: Any) -> list[list[Any]]:
    """Requests of a sample as lists of their arguments; newer logs name both."""
    if isinstance(arguments, dict):
        return [list(sent.values()) for sent in arguments.values()]
    return [list(sent) for sent in arguments]


def _target(logged: Any) -> str:
    """Gold answer as logged, the first of several: logs hold lists as Python writes them."""
    text = str(logged)
    if text.startswith("[") and text.endswith("]"):
        try:
            several = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text
        return str(several[0]) if several else ""
    return text


def _choice(target: str, choices: Sequence[str]) -> str:
    """Text of the gold choice; a label out of range has none."""
    if target.lstrip("-").isdigit():  # a number is a place wherever a task has choices, as in lm-eval
        place = int(target)
        return choices[place] if 0 <= place < len(choices) else ""
    return target


def _rendered(template: Any, document: Mapping[str, Any]) -> str:
    """Prompt of a document without examples; empty where the task's code makes it, or its template cannot be used."""
    if not isinstance(template, str):
        return ""
    if template in document:
        return str(document[template])
    try:
        return str(SandboxedEnvironment(keep_trailing_newline=True).from_string(template).render(**document))
    except (TemplateError, TypeError, ValueError):
        return ""


def _answer(given: Sequence[Any], kind: OutputType, target: str, choices: Sequence[str], metric: str) -> str:
    """Answer that a metric judges: the text, the most likely choice, or a target that greedy decoding gives."""
    if kind is OutputType.LOGLIKELIHOOD_ROLLING or not given:
        return ""
    if kind is OutputType.GENERATE_UNTIL:
        first = given[0]
        return str(first[0] if isinstance(first, list) and first else first)
    if kind is OutputType.LOGLIKELIHOOD:
        return target if str(given[0][1]) == "True" else ""
    lengths = {"acc_norm": [len(text) for text in choices], "acc_bytes": [len(text.encode()) for text in choices]}
    weights = lengths.get(metric, [1] * len(choices))
    likelihoods = [float(answer[0] if isinstance(answer, list) else answer) for answer in given]
    scores = [likelihood / max(weight, 1) for likelihood, weight in zip(likelihoods, weights, strict=True)]
    return choices[max(range(len(scores)), key=scores.__getitem__)]
