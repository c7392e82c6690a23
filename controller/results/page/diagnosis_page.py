"""`diagnosis.html`: what fails and why, on one page, where nothing is to be changed yet.

Like the report of a loop it is one file without scripts and without requests, and text from data is escaped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.engine.budget import Cost
from controller.results.diagnosis_json import DiagnosisRecord, Measure
from controller.results.page.environment import template, write_page
from controller.results.page.words.sentences import items_title, spent, total_cost, wrong

DIAGNOSIS_PAGE = "diagnosis.html"


@dataclass(frozen=True, slots=True)
class DiagnosedModel:
    """A model with what its answers show."""

    name: str
    """Name of the experiment."""
    model: str
    """Folder or id of the model, or that of the log of its answers."""
    measure: Measure
    diagnosis: DiagnosisRecord
    costs: Mapping[str, Cost]
    notes: tuple[str, ...] = ()
    """Sentences about the answers as a whole, such as doubtful golds."""


def write_diagnosis(diagnosed: DiagnosedModel, run_dir: Path) -> Path:
    """Write the page into a run directory; returns the file."""
    return write_page(run_dir / DIAGNOSIS_PAGE, render_diagnosis(diagnosed))


def render_diagnosis(diagnosed: DiagnosedModel) -> str:
    """Render the page as text."""
    findings = diagnosed.diagnosis.findings
    return template("diagnosed.html.j2").render(
        diagnosed=diagnosed,
        headline=f"{items_title(findings[0].slice)} fail" if findings else "No slice fails more than the rest",
        wrong=wrong(diagnosed.measure, findings),
        spent=spent(total_cost(diagnosed.costs)),
    )
