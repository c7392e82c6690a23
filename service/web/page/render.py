"""Pages as HTML: templates, what all of them know, and the headers that they are sent with."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

from controller.results.page.words import labels, numbers, texts
from service.loops.states import RESUMABLE, UNDER_WAY
from service.web.page.assets import Assets
from service.web.plain import plain
from service.web.security.roles import Role, Who

TEMPLATES = Path(__file__).parent / "templates"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No script but our own files; of styles in the page only the lengths of bars and the shades of cells."""


class Renderer:
    """Makes pages of templates; text from data is escaped, and a name that is not given is an error."""

    def __init__(self, assets: Assets) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        self._environment.filters |= {
            "ago": ago,
            "amount": numbers.amount,
            "arm": arm_words,
            "cause": labels.cause_words,
            "decision": decision_words,
            "duration": numbers.duration,
            "excerpt": texts.excerpt,
            "flops": numbers.flops,
            "moment": moment,
            "number": numbers.number,
            "percent": numbers.percent,
            "reason": reason_words,
            "sentence": texts.sentence,
            "signed": numbers.signed,
            "slice": slice_words,
            "stage": stage_words,
        }
        self._environment.globals |= {
            "asset": assets.address,
            "interval": numbers.interval,
            "signed_interval": numbers.signed_interval,
            "resumable": RESUMABLE,
            "under_way": UNDER_WAY,
            "Role": Role,
        }
        for name in self._environment.list_templates():
            self._environment.get_template(name)  # compiled now, and not while the first who ask wait

    def page(
        self, name: str, who: Who, values: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A page, or a part of one that htmx puts into it.

        Args:
            name: Template.
            who: Who reads; what the role may not do is not shown.
            values: What the template tells.
            headers: Further headers.
        """
        known = {"who": who, "csrf": who.csrf or "", "now": time.time()}
        html = self._environment.get_template(name).render(known | dict(values))
        return HTMLResponse(html, headers={"content-security-policy": CSP} | dict(headers or {}))


def _shown(value: Any) -> Any:
    """Text without signs that would turn or hide what stands beside it."""
    return plain(value) if type(value) is str else value


def ago(then: float, now: float) -> str:
    """Time since a moment, in the largest unit that it fills."""
    seconds = max(0.0, now - then)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now"


def moment(then: float) -> str:
    """A moment as people write it, in UTC."""
    return time.strftime("%d %b %Y %H:%M UTC", time.gmtime(then))


def decision_words(decision: str) -> str:
    return labels.DECISIONS.get(decision, decision.replace("_", " "))


def reason_words(reason: str) -> str:
    """Why a loop stopped, in a sentence; a decision before it is written as people read it."""
    decision, mark, why = reason.partition(": ")
    return texts.sentence(f"{decision_words(decision)}: {why}" if mark and decision in labels.DECISIONS else reason)


def arm_words(name: str) -> str:
    return labels.ARMS.get(name, name)


def stage_words(name: str) -> str:
    """A stage without the hash of its inputs."""
    return re.sub(r"-[0-9a-f]{16}$", "", name).replace("-", " ")


def slice_words(where: Mapping[str, Any]) -> str:
    """A slice as the report names it."""
    return " and ".join(f"{key} = {value}" for key, value in where.items()) or "everything"
