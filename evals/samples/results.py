"""Make items and reports of records, with the ids, splits and failures that measuring the same would have.

An item's id is the hash of its document and the number of its occurrence, its split a hash that near copies share, its
failure a function of the scores of its task and split: as in `evals.harness`, so that a later loop stays honest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from evals.harness.documents import digest, json_document, occurrence_ids
from evals.harness.scoring.metrics import Metric, check_judged_by, failures, item_value, may_judge, oriented
from evals.items import EvalReport, Item, ItemKey, ItemResult, ProbeReport
from evals.leaks.near_copies import ItemText, split_keys
from evals.leaks.templates import make_templates
from evals.model_ref import ModelRef
from evals.samples.record import RecordedItem, RecordedTask, Recording
from evals.splits import Split
from evals.suite import EvalSuite


@dataclass(frozen=True, slots=True)
class Scored:
    """One model's recorded answers as items with scores, of all splits."""

    model: str
    items: tuple[Item, ...] = field(repr=False)
    answers: Mapping[ItemKey, str] = field(repr=False)
    scores: Mapping[ItemKey, float] = field(repr=False)
    """Score of each item, higher is better."""
    metrics: Mapping[ItemKey, Mapping[str, float]] = field(repr=False)
    judged_by: Mapping[str, str]
    """Name of the metric that judges each task."""
    choices: Mapping[ItemKey, tuple[str, ...]] = field(repr=False)
    """Answers that could be chosen; empty where they were written."""
    versions: Mapping[str, str]
    unparsed: Mapping[ItemKey, bool | None] = field(repr=False)
    """Whether no answer could be read out of what was written; None where the log does not tell."""

    def on(self, items: Sequence[Item]) -> "Scored":
        """Return the answers to items that the harness has loaded, which can be asked again; the others are dropped.

        Raises:
            ValueError: a recorded item is none of them.
        """
        known = {item.key: item for item in items}
        if foreign := [item for item in self.items if item.key not in known]:
            raise ValueError(
                f"evals.samples: {len(foreign)} of {len(self.items)} recorded items are not of evals.tasks (first: "
                f"{foreign[0].key}); name the tasks that were recorded, with their files in evals.include_path"
            )
        recorded = {item.key for item in self.items}
        return replace(self, items=tuple(item for item in items if item.key in recorded))

    def report(self, split: Split) -> EvalReport:
        """Report of one split, in the order of the log; a `ProbeReport` for probe items.

        Raises:
            ValueError: no item is in the split.
        """
        own = [item for item in self.items if item.split is split]
        if not own:
            raise ValueError(
                f"evals.samples: none of {len(self.items)} recorded items of {self.model} is in split {split}, which "
                "takes about a third of them; record more items"
            )
        results: list[ItemResult] = []
        for task in dict.fromkeys(item.task for item in own):
            members = [item for item in own if item.task == task]
            scores = [self.scores[item.key] for item in members]
            results += [
                ItemResult(
                    item=item,
                    answer=self.answers[item.key],
                    metrics=self.metrics[item.key],
                    metric=self.judged_by[task],
                    score=score,
                    is_failed=is_failed,
                    is_unparsed=self.unparsed[item.key],
                )
                for item, score, is_failed in zip(members, scores, failures(scores), strict=True)
            ]
        kind = ProbeReport if split is Split.PROBE else EvalReport
        versions = {task: self.versions[task] for task in dict.fromkeys(i.task for i in own) if task in self.versions}
        return kind(ModelRef(self.model), split, tuple(results), 0, 0, versions)


def score_recording(recording: Recording, suite: EvalSuite) -> Scored:
    """Give the records of one model ids, splits and scores.

    Raises:
        ValueError: `evals.tasks` names a task that is not recorded, a task has several metrics and no order of them,
            none has `evals.metric` or `evals.filter`, or a sample has no finite score.
    """
    tasks = _wanted(recording, suite)
    settings = {task.name: suite.of_task(task.name) for task in tasks}
    check_judged_by(settings, {task.name: task.metrics for task in tasks})
    judging = {task.name: _judging(recording, task, settings[task.name]) for task in tasks}
    items, records = _items(tasks, suite)
    scores: dict[ItemKey, float] = {}
    metrics: dict[ItemKey, Mapping[str, float]] = {}
    answers: dict[ItemKey, str] = {}
    known = {task.name: {metric.name: metric for metric in task.metrics} for task in tasks}
    for item, record in zip(items, records, strict=True):
        judge, named = judging[item.task], known[item.task]
        values = {name: item_value(raw, named[name].kind) for name, raw in record.values.items() if name in named}
        finite = {name: value for name, value in values.items() if value is not None}
        if judge.name not in finite:
            raise ValueError(
                f"evals.samples: item {record.number} of {item.task} in {recording.source} has "
                f"{_no_score(record, judge)}, so it neither failed nor passed; score it again, leave it out of the "
                "log, or choose another metric with evals.metric"
            )
        scores[item.key], metrics[item.key] = oriented(finite[judge.name], judge), finite
        answers[item.key] = record.answers.get(judge.name, "")
    return Scored(
        model=recording.model,
        items=tuple(items),
        answers=answers,
        scores=scores,
        metrics=metrics,
        judged_by={name: metric.name for name, metric in judging.items()},
        choices={item.key: record.choices for item, record in zip(items, records, strict=True)},
        versions={task.name: task.version for task in tasks if task.version is not None},
        unparsed={item.key: record.is_unparsed for item, record in zip(items, records, strict=True)},
    )


def _wanted(recording: Recording, suite: EvalSuite) -> list[RecordedTask]:
    """Tasks of `evals.tasks` and `evals.guards`, in that order; all where none is named."""
    by_name = {task.name: task for task in recording.tasks}
    named = list(dict.fromkeys([*suite.tasks, *suite.guards])) if suite.tasks else list(by_name)
    for name in [*named, *suite.guards]:
        if name not in by_name:
            near = get_close_matches(name, by_name, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(by_name)}"
            raise ValueError(
                f"evals.tasks or evals.guards names '{name}', which {recording.source} does not hold; {hint}"
            )
    return [by_name[name] for name in named]


def _judging(recording: Recording, task: RecordedTask, suite: EvalSuite) -> Metric:
    """Metric that judges a task: the wanted one, else its first that has a value, as in measuring."""
    candidates = may_judge(suite, task.metrics)
    if candidates and suite.metric in candidates[0].names:
        return candidates[0]
    with_value = [
        metric
        for metric in candidates
        if any(item_value(item.values.get(metric.name), metric.kind) is not None for item in task.items)
    ]
    if not with_value:
        raise ValueError(
            f"evals.samples: no sample of {task.name} in {recording.source} has a score that is a finite number; score "
            "the log, with `inspect score` for Inspect's, or log it again"
        )
    if len(with_value) > 1 and not task.has_main_metric:
        names = " or evals.metric=".join(metric.name for metric in with_value)
        raise ValueError(
            f"evals.samples: {task.name} in {recording.source} has {len(with_value)} metrics and does not say which "
            f"judges; choose with evals.metric={names}"
        )
    return with_value[0]


def _items(tasks: Sequence[RecordedTask], suite: EvalSuite) -> tuple[list[Item], list[RecordedItem]]:
    texts: list[ItemText] = []
    drafts: list[tuple[str, str, RecordedItem]] = []
    for task in tasks:
        chosen = task.items[: suite.of_task(task.name).limit]
        digests = [digest(json_document(record.identity)) for record in chosen]
        for record, hashed, item_id in zip(chosen, digests, occurrence_ids(digests), strict=True):
            text = record.question or record.prompt or record.target
            texts.append(ItemText(task.name, text, record.target, hashed))
            drafts.append((task.name, item_id, record))
    keys = split_keys(texts, make_templates(suite.templates))
    items = [
        Item(
            task=task,
            id=item_id,
            split_key=key,
            document=json_document(record.document),
            prompt=record.prompt,
            target=record.target,
            delimiter=record.delimiter,
            output_type=record.output_type,
            question="" if record.question == (record.prompt or record.target) else record.question,
        )
        for (task, item_id, record), key in zip(drafts, keys, strict=True)
    ]
    return items, [record for _, _, record in drafts]


def _no_score(record: RecordedItem, judge: Metric) -> str:
    if record.values.get(judge.name) is None:
        return f"no score '{judge.name}'"
    return f"the score '{judge.name}' {record.values[judge.name]!r}, which is no finite number"
