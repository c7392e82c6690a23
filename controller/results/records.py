"""Turn the stages' values into the records of `loop.json`."""

from collections.abc import Iterator, Sequence

import numpy as np

from controller.results.diagnosis_json import (
    DataSliceRecord,
    DiagnosisRecord,
    FidelityRecord,
    FindingRecord,
    Measure,
    ProfileRecord,
    ProfilesRecord,
    Score,
    SliceNodeRecord,
)
from diagnose.finding.causes import would_decide
from diagnose.finding.finding import Diagnosis, Finding, Profiles
from diagnose.finding.outcome import concluded
from diagnose.slices.data.data_slice import DataSlice
from diagnose.slices.tree import SliceNode
from evals.items import EvalReport, ItemResult
from evals.statistics.intervals import score_interval

MOST_VALUES = 50
"""Most values of a field to report by."""


def measure_record(report: EvalReport, fields: Sequence[str], splits: dict[str, int]) -> Measure:
    return Measure(
        split=report.split.value,
        num_items=len(report.results),
        num_failed=sum(result.is_failed for result in report.results),
        num_unscored=report.num_unscored,
        scores=tuple(score_records([report], fields)),
        splits=splits,
    )


def score_records(reports: Sequence[EvalReport], fields: Sequence[str]) -> Iterator[Score]:
    """Yield the score of each task and of each of its slices: mean over reports, interval over items."""
    by_task: dict[str, dict[str, list[ItemResult]]] = {}
    for report in reports:
        for result in report.results:
            by_task.setdefault(result.item.task, {}).setdefault(result.item.id, []).append(result)
    for task, items in by_task.items():
        yield _score(task, {}, list(items.values()))
        for field in fields:
            groups: dict[str, list[list[ItemResult]]] = {}
            for results in items.values():
                if field in results[0].item.document:
                    groups.setdefault(str(results[0].item.document[field]), []).append(results)
            if 1 < len(groups) <= MOST_VALUES:
                for value, members in sorted(groups.items()):
                    yield _score(task, {field: value}, members)


def diagnosis_record(
    diagnosis: Diagnosis, fidelity: FidelityRecord | None = None, pilot_share: float = 0.0
) -> DiagnosisRecord:
    return DiagnosisRecord(
        tuple(_finding(finding) for finding in diagnosis.findings),
        diagnosis.attributed,
        fidelity,
        _profiles(diagnosis.profiles) if diagnosis.profiles is not None else None,
        tuple(_node(node) for node in diagnosis.tree),
        diagnosis.left_out,
        pilot_share,
    )


def _node(node: SliceNode) -> SliceNodeRecord:
    return SliceNodeRecord(
        slice=node.slice.as_dict(),
        inside=None if node.inside is None else node.inside.as_dict(),
        depth=node.depth,
        num_items=node.num_items,
        num_failed=node.num_failed,
        failure_rate=node.num_failed / max(node.num_items, 1),
        ci=node.ci,
        is_finding=node.is_finding,
    )


def _profiles(found: Profiles) -> ProfilesRecord:
    return ProfilesRecord(
        profiles=tuple(
            ProfileRecord(
                slice=profile.slice.as_dict(),
                num_items=profile.num_items,
                failure_rate=profile.failure_rate,
                ci=profile.ci,
                num_rows=profile.num_rows,
                features=profile.features,
            )
            for profile in found.profiles
        ),
        weights=found.weights,
        explained=found.explained,
    )


def _score(task: str, where: dict[str, str], items: list[list[ItemResult]]) -> Score:
    interval = score_interval([float(np.mean([result.score for result in results])) for results in items])
    unparsed = [r.is_unparsed for results in items for r in results if r.is_unparsed is not None]
    return Score(
        task=task,
        slice=where,
        metric=items[0][0].metric,
        score=interval,
        num_items=len(items),
        unparsed_rate=float(np.mean(unparsed)) if unparsed else None,
    )


def _finding(finding: Finding) -> FindingRecord:
    return FindingRecord(
        slice=finding.slice.as_dict(),
        data_slice=finding.data_slice.as_dict(),
        num_items=finding.num_items,
        num_failed=finding.num_failed,
        failure_rate=finding.failure_rate,
        ci=finding.ci,
        p_adjusted=finding.p_adjusted,
        modes=finding.modes,
        cause=finding.cause.value,
        cause_probability=finding.causes[finding.cause],
        causes={cause.value: share for cause, share in finding.causes.items()},
        data_slices=tuple(_data_slice(data) for data in finding.data_slices),
        sources=tuple(_data_slice(data) for data in finding.sources),
        evidence=finding.evidence,
        examples=finding.examples,
        failed_items=finding.failed_items,
        named_by=finding.named_by,
        tests=finding.tests,
        would_decide="" if finding.shows(finding.cause) else would_decide(finding.causes),
        experiments=finding.experiments,
        concluded=concluded(finding),
        shown_causes=tuple(cause.value for cause in finding.named) if len(finding.named) > 1 else (),
    )


def _data_slice(data: DataSlice) -> DataSliceRecord:
    return DataSliceRecord(
        data.slice.as_dict(),
        data.effect,
        data.ci,
        data.num_examples,
        data.num_pool,
        data.losses,
        data.nearness,
    )
