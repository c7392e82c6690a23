"""Say in lines what a model scored and a diagnosis found; of recorded answers also what was left out and which golds
are doubted."""

from collections.abc import Iterator

from controller.loop.recorded import RecordedDiagnosis
from controller.results.records import score_records
from diagnose.evidence.golds.doubts import GoldDoubts
from diagnose.finding.finding import Cause, Finding
from evals.items import EvalReport

_NUM_SHOWN = 5
"""Number of doubtful golds that are printed; the errata file has all."""


def score_lines(report: EvalReport) -> Iterator[str]:
    """Say the mean score of each task, and the share of answers that its extractor could not read if there is one."""
    for score in score_records([report], ()):
        unread = "" if score.unparsed_rate is None else f", {score.unparsed_rate:.1%} unparsed"
        yield f"{score.task:<30} {score.score.mean:.3f}  ({score.num_items} {report.split.value} items{unread})"


def finding_line(finding: Finding) -> str:
    """Say which slice fails, why, and the data behind it."""
    return (
        f"{finding.slice}: {finding.num_failed} of {finding.num_items} fail; {finding.cause.value} "
        f"({finding.causes[finding.cause]:.0%}), data: {finding.data_slice}"
    )


def recorded_lines(found: RecordedDiagnosis) -> Iterator[str]:
    """Tell scores, findings, evidence, what was left out and why, doubtful golds, and where the files are."""
    diagnosis = found.diagnosis
    tasks = dict.fromkeys(result.item.task for result in found.report.results)
    yield f"recorded answers of {found.report.model.path}: {diagnosis.num_items} probe items of {len(tasks)} tasks"
    yield from score_lines(found.report)
    for finding in diagnosis.findings:
        yield finding_line(finding) if diagnosis.num_tokens else _without_model(finding)
        if not diagnosis.num_tokens:
            yield from (f"  {test.says}" for test in finding.tests)
    if not diagnosis.findings:
        yield "no failing slice"
    yield from (f"left out: {one.test}: {one.reason}" for one in diagnosis.left_out)
    if found.golds is not None:
        yield from gold_lines(found.golds)
    yield from (str(path) for path in (found.errata, found.file) if path is not None)


def _without_model(finding: Finding) -> str:
    if finding.cause is Cause.CONTAMINATION:
        return f"{finding.slice}: {finding.num_items} items stand in the corpus"
    modes = ", ".join(f"{mode} {share:.0%}" for mode, share in finding.modes.items())
    return f"{finding.slice}: {finding.num_failed} of {finding.num_items} fail; {modes}"


def gold_lines(golds: GoldDoubts) -> Iterator[str]:
    """Say how many golds are doubted, and the first of them."""
    yield (
        f"golds: of {golds.num_items} items answered by {len(golds.weights)} models, another answer has more votes "
        f"on {len(golds.doubts)}; by votes alone {golds.expected:.0f} golds are expected to be wrong"
    )
    for doubt in golds.doubts[:_NUM_SHOWN]:
        yield (
            f"  {doubt.key}: gold {doubt.recorded_gold!r}, {len(doubt.models)} of {doubt.num_models} models say "
            f"{doubt.suggested_gold!r} (wrong with probability {doubt.probability:.2f})"
        )
