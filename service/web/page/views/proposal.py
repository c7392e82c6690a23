"""What a round proposes: the plan, its change by source, rows of each kind to read, and the decision."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from controller.results.page.parts_json import PARTS_FILE
from service.requests.service import Service
from service.runs.parts import read_parts
from service.runs.rounds import part, parts, rounds_of
from service.runs.tables import Search, Unreadable, page
from service.store.loops import Loop
from service.web.api.results import Round
from service.web.page.render import Renderer
from service.web.page.views.loop import asked_of
from service.web.page.views.tables import ROW
from service.web.plain import neutral, plain_json
from service.web.who import Asking

SAMPLES = 4
"""Rows of each kind that are shown."""


def routes(service: Service, renderer: Renderer) -> APIRouter:
    router = APIRouter(prefix="/loops/{loop_id}")

    @router.get("/proposal")
    def proposal(loop_id: str, who: Asking, round: Round | None = None) -> Response:
        """The proposal of a round; without one that which waits, or the last that changes data."""
        loop = service.loop(loop_id)
        rounds = dict(rounds_of(service.result(loop)))
        asked = asked_of(service, loop)
        latest = max((one for one, told in rounds.items() if _actions(told)), default=max(rounds, default=0))
        number = round if round is not None else asked.round if asked is not None else latest
        told = rounds.get(number, {})
        html = read_parts(service.file(loop, PARTS_FILE)).html("plan", number)
        values = {
            "entry": loop,
            "numbers": list(rounds),
            "round": number,
            "asked": asked if asked is not None and asked.round == number else None,
            "approval": plain_json(told.get("approval")) if isinstance(told.get("approval"), dict) else None,
            "plan": Markup(neutral(html)),
            "samples": _samples(loop, number, told),
            "num_samples": SAMPLES,
        }
        return renderer.page("proposal.html.j2", who, values)

    def _samples(loop: Loop, number: int, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Some rows of each action, those that leave and those that come."""
        path, found = service.file(loop, f"mix-{number}.parquet"), list[dict[str, Any]]()
        if path is None:
            return found
        for kind in dict.fromkeys(str(one.get("kind", "")) for one in _actions(told)):
            try:
                rows = page(path, Search((("kind", kind),), "", ()), 0, SAMPLES)
            except Unreadable:
                continue
            found.append(
                {"kind": kind, "num_rows": rows.num_rows, "rows": [{**ROW, **plain_json(row)} for row in rows.rows]}
            )
        return found

    return router


def _actions(round_: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a round would change, whatever version has written it."""
    return parts(part(round_, "plan"), "actions")
