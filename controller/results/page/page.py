"""`report.html`: what was wrong, what was changed, whether it held and what it cost, on one page.

It is made from `loop.json` alone, so that an old run can be reported again. One file without scripts and without
requests: it opens from a mail as well as from a server. Text from data is escaped. A run of
three rounds takes about a tenth of a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from controller.engine.budget import Cost
from controller.results.diagnosis_json import FindingRecord
from controller.results.loop_json import Decision, LoopResult, Round
from controller.results.page import fidelity, pictures, rivals, words
from controller.results.page.changes import ChangesView, changes_view
from controller.results.page.doses import DosesView, doses_view
from controller.results.page.fidelity import FidelityView
from controller.results.page.nearest import nearest_words
from controller.results.page.pictures import Picture
from controller.results.page.profiles import ProfilesView, profiles_view
from controller.results.page.shading import leaned_how, shaded

PAGE_FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
MOST_FINDINGS = 6
MOST_EXAMPLES = 4
MOST_IDS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the four questions that a reader comes with."""

    question: str
    text: str


@dataclass(frozen=True, slots=True)
class CostRow:
    stage: str
    cost: Cost
    seconds_share: float
    flops_share: float


@dataclass(frozen=True, slots=True)
class FindingView:
    record: FindingRecord
    data_slices: Picture | None
    sources: Picture | None
    named_alike: str


@dataclass(frozen=True, slots=True)
class RoundView:
    round: Round
    is_open: bool
    scores: Picture | None
    arms: Picture | None
    before_after: Picture | None
    guards: Picture | None
    changes: ChangesView | None
    doses: DosesView | None
    findings: tuple[FindingView, ...]
    num_findings_left_out: int
    profiles: ProfilesView | None
    fidelity: FidelityView | None
    costs: tuple[CostRow, ...]
    against: str
    pays: str


def write_report(result: LoopResult, path: Path) -> Path:
    """Write `report.html` into the run directory `path`; returns the file."""
    file = path / PAGE_FILE
    temporary = path / f"{PAGE_FILE}.tmp"
    temporary.write_text(render(result), encoding="utf-8")
    temporary.replace(file)
    return file


def render(result: LoopResult) -> str:
    """Render the page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "amount": words.amount,
        "arm": words.arm_words,
        "cause": words.cause_words,
        "duration": words.duration,
        "excerpt": words.excerpt,
        "flops": words.flops,
        "items_of": words.items_title,
        "nearest_words": nearest_words,
        "number": words.number,
        "percent": words.percent,
        "p_value": words.p_value,
        "sentence": words.sentence,
        "shaded": shaded,
        "leaned_how": leaned_how,
        "signed": words.signed,
        "slice": words.slice_words,
        "spread": fidelity.spread,
    }
    decided = words.decisive(result)
    return environment.get_template("page.html.j2").render(
        result=result,
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        headline=words.headline(result),
        decided=decided,
        decision=words.DECISIONS[decided.verdict.decision] if decided else "Ended early",
        tone=_tone(decided),
        answers=_answers(result, decided),
        rounds=[_round_view(round_, decided, len(result.rounds)) for round_ in result.rounds],
        costs=cost_rows(result.costs),
        total=words.total_cost(result),
        decision_words=words.DECISIONS,
        changes=words.changes,
        interval=words.interval,
        signed_interval=words.signed_interval,
        most_examples=MOST_EXAMPLES,
        most_ids=MOST_IDS,
    )


def cost_rows(costs: Mapping[str, Cost]) -> tuple[CostRow, ...]:
    """Costs by stage, the longest first, with shares of all seconds and of all FLOPs."""
    seconds = sum(cost.seconds for cost in costs.values()) or 1.0
    flops = sum(cost.flops for cost in costs.values()) or 1.0
    ordered = sorted(costs.items(), key=lambda entry: -entry[1].seconds)
    return tuple(CostRow(name, cost, cost.seconds / seconds, cost.flops / flops) for name, cost in ordered)


def _answers(result: LoopResult, decided: Round | None) -> list[Answer]:
    answers = []
    if decided is not None:
        answers = [
            Answer("What was wrong", words.wrong(decided)),
            Answer("What was changed", words.changed(decided)),
            Answer("Did it hold", words.held(decided, result.sealed)),
        ]
    return [*answers, Answer("At what cost", words.spent(result))]


def _tone(decided: Round | None) -> str:
    if decided is None:
        return "plain"
    return {Decision.ACCEPTED: "good", Decision.REJECTED: "bad"}.get(decided.verdict.decision, "plain")


def _round_view(round_: Round, decided: Round | None, num_rounds: int) -> RoundView:
    verdict, findings = round_.verdict, round_.diagnosis.findings
    return RoundView(
        round=round_,
        is_open=num_rounds <= 2 or round_ is decided,
        scores=pictures.scores(round_.measure) if not verdict.arms else None,
        arms=pictures.arms(verdict) if verdict.arms else None,
        before_after=pictures.before_after(verdict),
        guards=pictures.guards(verdict.guards),
        changes=changes_view(verdict.groups),
        doses=doses_view(verdict.doses),
        findings=tuple(
            FindingView(
                f,
                pictures.data_slices(f.data_slices, f.data_slice),
                pictures.data_slices(f.sources, f.data_slice),
                rivals.named_alike(f),
            )
            for f in findings[:MOST_FINDINGS]
        ),
        num_findings_left_out=max(0, len(findings) - MOST_FINDINGS),
        profiles=profiles_view(round_.diagnosis.profiles),
        fidelity=fidelity.fidelity_view(round_.diagnosis.fidelity),
        costs=cost_rows(round_.costs),
        against=rivals.against(verdict),
        pays=rivals.pays(round_),
    )
