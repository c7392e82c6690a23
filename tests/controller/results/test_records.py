"""Scores of tasks and slices, and the share of answers that could not be read, counted by hand."""

from dataclasses import replace

from builders.items import item, probe_key, probe_report, scored

from controller.cli.recorded_lines import score_lines
from controller.results.records import measure_record, score_records
from evals.items import ItemResult, ProbeReport


def report(*answers: tuple[str, str, bool | None]) -> ProbeReport:
    """Wrong answers of these tasks to items of these kinds, of which an extractor could not read some."""
    results: list[ItemResult] = []
    for number, (task, kind, is_unparsed) in enumerate(answers):
        key = probe_key(str(number))
        asked = item("prompt", task=task, id=f"{number}-0", split_key=key, document={"kind": kind})
        results.append(replace(scored(asked, 0.0), is_unparsed=is_unparsed))
    return probe_report(results)


FIRST = (("sums", "long", True), ("sums", "long", False), ("sums", "short", False), ("sums", "short", False))
OTHER = (("words", "long", None), ("words", "short", None))


def test_the_unparsed_rate_is_the_share_of_each_task_and_each_slice_over_all_runs() -> None:
    again = (("sums", "long", True), ("sums", "long", True), ("sums", "short", True), ("sums", "short", False))
    found = {
        (score.task, *score.slice.values()): score.unparsed_rate
        for score in score_records([report(*FIRST, *OTHER), report(*again, *OTHER)], ["kind"])
    }
    assert found == {
        ("sums",): 0.5,
        ("sums", "long"): 0.75,
        ("sums", "short"): 0.25,
        ("words",): None,
        ("words", "long"): None,
        ("words", "short"): None,
    }


def test_a_terminal_tells_the_share_where_something_is_extracted() -> None:
    lines = list(score_lines(report(*FIRST, *OTHER)))
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "0.000  (4 probe items, 25.0% unparsed)",
        "0.000  (2 probe items)",
    ]
    assert measure_record(report(*FIRST), [], {}).scores[0].unparsed_rate == 0.25
