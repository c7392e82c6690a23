"""Templates of the pages, with the words and pictures that all of them use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from controller.engine.budget import Cost
from controller.engine.whole_file import write_whole
from controller.results.page import approval, rivals
from controller.results.page.diagnosis import fidelity, profiles
from controller.results.page.diagnosis.shading import leaned_how, shaded
from controller.results.page.pictures import changes, doses, marks
from controller.results.page.words import labels, numbers, sentences, texts

TEMPLATES = Path(__file__).parent / "templates"
MOST_FINDINGS, MOST_EXAMPLES, MOST_IDS = 6, 4, 200


@dataclass(frozen=True, slots=True)
class CostRow:
    stage: str
    cost: Cost
    seconds_share: float
    flops_share: float


def template(name: str) -> jinja2.Template:
    """Load a template; text from data is escaped, and a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "amount": numbers.amount,
        "arm": sentences.arm_words,
        "cause": labels.cause_words,
        "duration": numbers.duration,
        "excerpt": texts.excerpt,
        "flops": numbers.flops,
        "halved": sentences.halved,
        "items_of": sentences.items_title,
        "nearest_words": sentences.nearest_words,
        "number": numbers.number,
        "percent": numbers.percent,
        "p_value": numbers.p_value,
        "sentence": texts.sentence,
        "shaded": shaded,
        "leaned_how": leaned_how,
        "signed": numbers.signed,
        "slice": sentences.slice_words,
        "spread": fidelity.spread,
    }
    environment.globals |= {
        "style": (TEMPLATES / "page.css").read_text(encoding="utf-8"),
        "interval": numbers.interval,
        "signed_interval": numbers.signed_interval,
        "cost_rows": cost_rows,
        "most_findings": MOST_FINDINGS,
        "most_examples": MOST_EXAMPLES,
        "most_ids": MOST_IDS,
        "approval": approval,
        "changes": changes,
        "doses": doses,
        "fidelity": fidelity,
        "profiles": profiles,
        "rivals": rivals,
        "labels": labels,
        "marks": marks,
        "sentences": sentences,
    }
    return environment.get_template(name)


def write_page(file: Path, text: str) -> Path:
    """Write a page completely or not at all; returns the file."""
    return write_whole(file, text.encode())


def cost_rows(costs: Mapping[str, Cost]) -> tuple[CostRow, ...]:
    """Costs by stage, the longest first, with shares of all seconds and of all FLOPs."""
    seconds = sum(cost.seconds for cost in costs.values()) or 1.0
    flops = sum(cost.flops for cost in costs.values()) or 1.0
    ordered = sorted(costs.items(), key=lambda entry: -entry[1].seconds)
    return tuple(CostRow(name, cost, cost.seconds / seconds, cost.flops / flops) for name, cost in ordered)
