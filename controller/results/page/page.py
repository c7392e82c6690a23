"""`report.html`: what was wrong, what was changed, whether it held and what it cost, on one page.

It is made from `loop.json` alone, so that an old run can be reported again. One file without scripts and without
requests: it opens from a mail as well as from a server. Text from data is escaped. A run of
three rounds takes about a tenth of a second.
"""

from dataclasses import dataclass
from pathlib import Path

from controller.results.loop_json import Decision, LoopResult, Round
from controller.results.page import pictures, rivals, words
from controller.results.page.changes import ChangesView, changes_view
from controller.results.page.diagnosis.findings import DiagnosisView, diagnosis_view
from controller.results.page.doses import DosesView, doses_view
from controller.results.page.environment import CostRow, cost_rows, template, write_page
from controller.results.page.pictures import Picture

PAGE_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the four questions that a reader comes with."""

    question: str
    text: str


@dataclass(frozen=True, slots=True)
class RoundView:
    round: Round
    is_open: bool
    diagnosis: DiagnosisView
    arms: Picture | None
    before_after: Picture | None
    guards: Picture | None
    changes: ChangesView | None
    doses: DosesView | None
    costs: tuple[CostRow, ...]
    against: str
    pays: str


def write_report(result: LoopResult, path: Path) -> Path:
    """Write `report.html` into the run directory `path`; returns the file."""
    return write_page(path / PAGE_FILE, render(result))


def render(result: LoopResult) -> str:
    """Render the page as text."""
    decided = words.decisive(result)
    return template("page.html.j2").render(
        result=result,
        headline=words.headline(result),
        decided=decided,
        decision=words.DECISIONS[decided.verdict.decision] if decided else "Ended early",
        tone=_tone(decided),
        answers=_answers(result, decided),
        rounds=[_round_view(round_, decided, len(result.rounds)) for round_ in result.rounds],
        costs=cost_rows(result.costs),
        total=words.total_cost(result.costs),
        decision_words=words.DECISIONS,
        changes=words.changes,
    )


def _answers(result: LoopResult, decided: Round | None) -> list[Answer]:
    answers = []
    if decided is not None:
        answers = [
            Answer("What was wrong", words.wrong(decided.measure, decided.diagnosis.findings)),
            Answer("What was changed", words.changed(decided)),
            Answer("Did it hold", words.held(decided, result.sealed)),
        ]
    return [*answers, Answer("At what cost", words.spent(words.total_cost(result.costs)))]


def _tone(decided: Round | None) -> str:
    if decided is None:
        return "plain"
    return {Decision.ACCEPTED: "good", Decision.REJECTED: "bad"}.get(decided.verdict.decision, "plain")


def _round_view(round_: Round, decided: Round | None, num_rounds: int) -> RoundView:
    verdict = round_.verdict
    return RoundView(
        round=round_,
        is_open=num_rounds <= 2 or round_ is decided,
        diagnosis=diagnosis_view(round_.measure, round_.diagnosis, shows_scores=not verdict.arms),
        arms=pictures.arms(verdict) if verdict.arms else None,
        before_after=pictures.before_after(verdict),
        guards=pictures.guards(verdict.guards),
        changes=changes_view(verdict.groups),
        doses=doses_view(verdict.doses),
        costs=cost_rows(round_.costs),
        against=rivals.against(verdict),
        pays=rivals.pays(round_),
    )
