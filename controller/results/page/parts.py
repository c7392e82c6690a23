"""Write the parts of the report by themselves."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter

from controller.results.loop_json import LoopResult, Round
from controller.results.page.environment import template, write_page
from controller.results.page.parts_json import PARTS_FILE, ReportPart, ReportParts
from controller.results.page.words.sentences import answers, headline


def write_parts(result: LoopResult, path: Path) -> Path:
    """Write the parts into the run directory `path`; returns the file."""
    found = ReportParts(headline(result), answers(result), tuple(_parts(result)))
    return write_page(path / PARTS_FILE, TypeAdapter(ReportParts).dump_json(found).decode())


def _parts(result: LoopResult) -> Iterator[ReportPart]:
    for round_ in result.rounds:
        for name in ("diagnosis", "plan", "verdict"):
            yield _part(result, name, round_)
    if result.sealed is not None:
        yield _part(result, "sealed")
    if result.corpus:
        yield _part(result, "corpus")
    yield _part(result, "costs")


def _part(result: LoopResult, name: str, round_: Round | None = None) -> ReportPart:
    html = template("part.html.j2").render(result=result, round=round_, part=name)
    return ReportPart(None if round_ is None else round_.number, name, html.strip())
