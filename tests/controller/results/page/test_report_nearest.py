"""The report of a data slice that no predicate tells."""

from dataclasses import replace

from builders.loop_results import accepted_round, finding, loop_result

from controller.results.diagnosis_json import FindingRecord
from controller.results.page.page import render
from diagnose.slices.data.data_slice import Nearness


def page(found: FindingRecord) -> str:
    start = accepted_round()
    return render(loop_result(replace(start, diagnosis=replace(start.diagnosis, findings=(found,)))))


def test_where_no_predicate_tells_the_rows_the_nearest_and_the_farthest_are_shown() -> None:
    found = finding()
    near = replace(found.examples.helpful[0], prompt="the nearest row of all", score=0.97)
    far = replace(found.examples.harmful[0], prompt="the farthest row of all", score=0.06)
    nearness = Nearness((near,), (far,), ("words", "hidden states"))
    where = {"nearness to failed items of": "task = scan"}
    shown = page(replace(found, data_slices=(replace(found.data_slices[0], slice=where, nearness=nearness),)))
    assert "the 80 rows of the corpus and 7,706 of the pool that lie nearest" in shown
    assert "by words and hidden states" in shown
    assert shown.index("the nearest row of all") < shown.index("the farthest row of all")
    assert "lie nearest" not in page(found)
