"""`report.html`: what was wrong, what was changed, whether it held and what it cost, on one page.

It is made from `loop.json` alone, so that an old run can be reported again. One file without scripts and without
requests: it opens from a mail as well as from a server. Text from data is escaped. A run of
three rounds takes about a tenth of a second.
"""

from pathlib import Path

from controller.results.loop_json import LoopResult
from controller.results.page import approval
from controller.results.page.environment import template, write_page
from controller.results.page.parts import write_parts
from controller.results.page.words import labels, sentences

PAGE_FILE = "report.html"


def write_report(result: LoopResult, path: Path) -> Path:
    """Write `report.html`, and its parts by themselves, into the run directory `path`; returns the page."""
    write_parts(result, path)
    return write_page(path / PAGE_FILE, render(result, str(path)))


def render(result: LoopResult, run_dir: str = "RUN_DIR") -> str:
    """Render the page as text.

    Args:
        result: Result of the loop.
        run_dir: Folder of the run, as it stands in the commands that the page shows.
    """
    decided = sentences.decisive(result)
    early = "Under way" if result.status == "running" else "Ended early"
    waits = approval.waiting_round(result)
    return template("page.html.j2").render(
        result=result,
        headline=sentences.headline(result),
        decided=decided,
        decision=labels.DECISIONS[decided.verdict.decision] if decided else early,
        answers=sentences.answers(result),
        waits=waits,
        commands=approval.commands(waits, run_dir) if waits is not None else (),
    )
