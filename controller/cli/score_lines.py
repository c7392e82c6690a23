"""Say in lines what a model scored on each task."""

from collections.abc import Iterator

from controller.results.records import score_records
from evals.items import EvalReport


def score_lines(report: EvalReport) -> Iterator[str]:
    """Say the mean score of each task, and the share of answers that its extractor could not read if there is one."""
    for score in score_records([report], ()):
        unread = "" if score.unparsed_rate is None else f", {score.unparsed_rate:.1%} unparsed"
        yield f"{score.task:<30} {score.score.mean:.3f}  ({score.num_items} {report.split.value} items{unread})"
