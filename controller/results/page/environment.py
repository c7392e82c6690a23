"""Templates of the pages, with the words and pictures that all of them use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2

from controller.engine.budget import Cost
from controller.results.page import approval, changes, doses, pictures, rivals, words
from controller.results.page.diagnosis import fidelity, profiles
from controller.results.page.diagnosis.shading import leaned_how, shaded

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
        "amount": words.amount,
        "arm": words.arm_words,
        "cause": words.cause_words,
        "duration": words.duration,
        "excerpt": words.excerpt,
        "flops": words.flops,
        "halved": words.halved,
        "items_of": words.items_title,
        "nearest_words": words.nearest_words,
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
    environment.globals |= {
        "style": (TEMPLATES / "page.css").read_text(encoding="utf-8"),
        "interval": words.interval,
        "signed_interval": words.signed_interval,
        "cost_rows": cost_rows,
        "most_findings": MOST_FINDINGS,
        "most_examples": MOST_EXAMPLES,
        "most_ids": MOST_IDS,
        "approval": approval,
        "changes": changes,
        "doses": doses,
        "fidelity": fidelity,
        "pictures": pictures,
        "profiles": profiles,
        "rivals": rivals,
        "words": words,
    }
    return environment.get_template(name)


def write_page(file: Path, text: str) -> Path:
    """Write a page completely or not at all; returns the file."""
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
    return file


def cost_rows(costs: Mapping[str, Cost]) -> tuple[CostRow, ...]:
    """Costs by stage, the longest first, with shares of all seconds and of all FLOPs."""
    seconds = sum(cost.seconds for cost in costs.values()) or 1.0
    flops = sum(cost.flops for cost in costs.values()) or 1.0
    ordered = sorted(costs.items(), key=lambda entry: -entry[1].seconds)
    return tuple(CostRow(name, cost, cost.seconds / seconds, cost.flops / flops) for name, cost in ordered)
