"""`report.html`: what was wrong, what was changed, whether it held and what it cost, on one page.

It is made from `loop.json` alone, so that an old run can be reported again. One file without scripts and without
requests: it opens from a mail as well as from a server. Text from data is escaped. A run of
three rounds takes about a tenth of a second.
"""

from pathlib import Path

from controller.results.loop_json import LoopResult, Round
from controller.results.page import approval, words
from controller.results.page.environment import template, write_page

PAGE_FILE = "report.html"


def write_report(result: LoopResult, path: Path) -> Path:
    """Write `report.html` into the run directory `path`; returns the file."""
    return write_page(path / PAGE_FILE, render(result, str(path)))


def render(result: LoopResult, run_dir: str = "RUN_DIR") -> str:
    """Render the page as text.

    Args:
        result: Result of the loop.
        run_dir: Folder of the run, as it stands in the commands that the page shows.
    """
    decided = words.decisive(result)
    early = "Under way" if result.status == "running" else "Ended early"
    waits = approval.waiting_round(result)
    return template("page.html.j2").render(
        result=result,
        headline=words.headline(result),
        decided=decided,
        decision=words.DECISIONS[decided.verdict.decision] if decided else early,
        answers=_answers(result, decided),
        waits=waits,
        commands=approval.commands(waits, run_dir) if waits is not None else (),
    )


def _answers(result: LoopResult, decided: Round | None) -> dict[str, str]:
    """Answers to the questions that a reader comes with."""
    answers = {}
    if decided is not None:
        answers = {
            "What was wrong": words.wrong(decided.measure, decided.diagnosis.findings),
            "What was changed": words.changed(decided),
            "Did it hold": words.held(decided, result.sealed),
        }
    return answers | {"At what cost": words.spent(words.total_cost(result.costs))}
