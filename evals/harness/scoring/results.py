"""Turn a model's answers into item results by lm-eval's filters and metrics."""

import copy
import math
from collections.abc import Sequence

from lm_eval.api.instance import Instance
from lm_eval.api.task import Task

from evals.harness.scoring.extraction import tell_unparsed
from evals.harness.scoring.metrics import Metric, MetricKind, failures, item_value, judged_metric, oriented
from evals.harness.tasks import task_metrics
from evals.items import Item, ItemResult, OutputType
from evals.suite import EvalSuite


def score_items(
    settings: EvalSuite, task: Task, items: Sequence[Item], sent: Sequence[Sequence[Instance]]
) -> list[ItemResult]:
    """Apply the task's filters and metrics to answered requests of its items; items without a score are left out."""
    answered = copy.copy(task)
    answered._instances = [instance for instances in sent for instance in instances]
    answered.apply_filters()
    return _scored(settings, answered, items, sent)


def score_answers(
    settings: EvalSuite, task: Task, items: Sequence[Item], sent: Sequence[Sequence[Instance]], answers: Sequence[str]
) -> list[ItemResult]:
    """Score items of one task on given answers, in the form that its filters leave them (as in `ItemResult.answer`)."""
    answered = copy.copy(task)
    answered._instances = [instance for instances in sent for instance in instances]
    for instances, given in zip(sent, answers, strict=True):
        for instance in instances:
            instance.resps = [given] * instance.repeats
            instance.filtered_resps = {pipeline.name: given for pipeline in answered._filters}
    return _scored(settings, answered, items, sent)


def _scored(
    settings: EvalSuite, answered: Task, items: Sequence[Item], sent: Sequence[Sequence[Instance]]
) -> list[ItemResult]:
    filters = list(answered._instances[0].filtered_resps)
    raw = [
        {
            name if chosen == filters[0] else f"{name}/{chosen}": value
            for chosen in filters
            for name, value in answered.process_results(
                instances[0].doc, [instance.filtered_resps[chosen] for instance in instances]
            ).items()
        }
        if _is_number(instances)
        else {}
        for instances in sent
    ]
    metrics = {metric.name: metric for metric in task_metrics(answered)}
    for name in (name for of_item in raw for name in of_item):
        of = next((chosen for chosen in filters[1:] if name.endswith(f"/{chosen}")), filters[0])
        metrics.setdefault(name, Metric(name, MetricKind.VALUE, is_higher_better=True, filter=of))
    values = [
        {name: v for name, value in of_item.items() if (v := item_value(value, metrics[name].kind)) is not None}
        for of_item in raw
    ]
    metric = judged_metric(settings, list(metrics.values()), values)
    if metric is None:
        return []
    scored = [index for index, of_item in enumerate(values) if metric.name in of_item]
    scores = [oriented(values[index][metric.name], metric) for index in scored]
    unparsed = _unparsed(answered, metric, [sent[index] for index in scored])
    return [
        ItemResult(
            item=items[index],
            answer=_answer_text(answered, items[index], sent[index], metric),
            metrics=values[index],
            metric=metric.name,
            score=score,
            is_failed=is_failed,
            is_unparsed=is_unparsed,
        )
        for index, score, is_failed, is_unparsed in zip(scored, scores, failures(scores), unparsed, strict=True)
    ]


def _unparsed(task: Task, metric: Metric, sent: Sequence[Sequence[Instance]]) -> list[bool | None]:
    """Whether the judged filter found no answer, for each item; None where it looks for none, or nothing is written."""
    if task.OUTPUT_TYPE != OutputType.GENERATE_UNTIL or not sent:
        return [None] * len(sent)
    pipeline = next(one for one in task._filters if one.name == metric.filter)
    first = [instances[0] for instances in sent]
    answers = [instance.filtered_resps[metric.filter] for instance in first]
    return tell_unparsed(pipeline, answers, [instance.doc for instance in first], first[0].repeats)


def _is_number(instances: Sequence[Instance]) -> bool:
    """Whether no log-likelihood is NaN; lm-eval would take the argmax of NaNs for an answer."""
    values = [a[0] if isinstance(a, tuple) else a for instance in instances for a in instance.resps]
    return not any(isinstance(value, float) and math.isnan(value) for value in values)


def _answer_text(task: Task, item: Item, sent: Sequence[Instance], metric: Metric) -> str:
    """Answer text: the generation that was judged; the most likely choice, per character or byte where the metric does
    so; a loglikelihood task's target if greedy decoding gives it; nothing for rolling tasks."""
    answers = [instance.filtered_resps[metric.filter] for instance in sent]
    if item.output_type is OutputType.GENERATE_UNTIL:
        return str(answers[0])
    if item.output_type is OutputType.LOGLIKELIHOOD:
        return item.target if answers[0][1] else ""
    if item.output_type is OutputType.LOGLIKELIHOOD_ROLLING:
        return ""
    choices = [str(choice) for choice in task.doc_to_choice(sent[0].doc)]
    lengths = {"acc_norm": [len(c) for c in choices], "acc_bytes": [len(c.encode()) for c in choices]}
    weights = lengths.get(metric.names[1], [1] * len(choices))
    return choices[max(range(len(choices)), key=lambda c: answers[c][0] / max(weights[c], 1))]
