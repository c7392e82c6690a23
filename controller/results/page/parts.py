"""`report-parts.json`: the parts of the report by themselves, for pages that show a run among others.

They are made with the report, in the process that made the result, so that who shows them draws no picture twice and
needs nothing of what made them. Text from data is escaped in them as in the report.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller.results.loop_json import LoopResult, Round
from controller.results.page.environment import template, write_page
from controller.results.page.words.sentences import answers, headline

PARTS_FILE = "report-parts.json"


@dataclass(frozen=True, slots=True)
class ReportPart:
    """A part of the report."""

    round: int | None
    """Number of its round; None of what is about the loop as a whole."""
    name: str
    """Of a round `diagnosis`, `plan` or `verdict`; of the loop `sealed`, `corpus` or `costs`."""
    html: str


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What the report says, in parts."""

    headline: str
    answers: dict[str, str]
    """Answers to the questions that a reader comes with."""
    parts: tuple[ReportPart, ...]


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
