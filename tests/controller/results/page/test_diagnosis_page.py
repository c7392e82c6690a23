"""`diagnosis.html`: a page of its own where nothing is changed."""

from dataclasses import replace
from pathlib import Path

from builders.loop_results import accepted_round, finding, measure, score
from builders.pages import Page, flat

from controller.engine.budget import Cost
from controller.results.page.diagnosis_page import DiagnosedModel, render_diagnosis, write_diagnosis
from diagnose.finding.finding import FailedItem

COSTS = {"measure": Cost(2.0, 1_000, 1e9), "diagnose": Cost(28.0, 50_000, 1e11)}
FOUND = DiagnosedModel("mine", "models/<mine>", measure(), accepted_round().diagnosis, COSTS, ("Golds are <doubted>.",))


def test_the_page_says_what_fails_why_and_what_it_cost() -> None:
    html = render_diagnosis(FOUND)
    page, text = Page(html), flat(html)
    assert page.open == []
    assert "Prompts with “jump” fail" in text
    assert "Most likely cause: missing data" in text
    assert "30 s of work, 51 k tokens, 101 GFLOP." in text
    assert "nan" not in text.lower().split()


def test_text_of_data_is_escaped_and_the_page_asks_for_nothing() -> None:
    html = render_diagnosis(FOUND)
    assert "models/&lt;mine&gt;" in html
    assert "Golds are &lt;doubted&gt;." in html
    assert not {tag for tag, _ in Page(html).tags} & {"script", "link", "img", "iframe"}
    assert "http-equiv" in html


def test_nothing_that_stands_out_is_a_page_too(tmp_path: Path) -> None:
    idle = replace(FOUND, diagnosis=replace(FOUND.diagnosis, findings=(), tree=(), attributed=None, profiles=None))
    file = write_diagnosis(idle, tmp_path)
    assert file == tmp_path / "diagnosis.html"
    assert "No slice fails more than the rest" in flat(file.read_text())


def test_a_text_that_was_only_read_is_shown_as_one_and_how_it_failed_is_said() -> None:
    read = FailedItem(id="0", task="reports", prompt="", target="the whole text", answer="", leaned_on=())
    halved = replace(measure(), scores=(score("reports", {}, -1.4, 0.1, 200),))
    found = replace(
        FOUND, measure=halved, diagnosis=replace(FOUND.diagnosis, findings=(replace(finding(), failed_items=(read,)),))
    )
    text = flat(render_diagnosis(found))
    assert "Scores of reports have no threshold: the lower half of its items counts as failed." in text
    assert "textthe whole text" in text  # two cells
    assert "(empty)" not in text
