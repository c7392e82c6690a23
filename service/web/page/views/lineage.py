"""From a claim to the items that it rests on, the plan, the finding, the rows and their sources, and back."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from service.requests.service import Service
from service.runs.rounds import part, parts, rounds_of
from service.web.page.render import Renderer
from service.web.plain import plain_json
from service.web.who import Asking


def routes(service: Service, renderer: Renderer) -> APIRouter:
    router = APIRouter(prefix="/loops/{loop_id}")

    @router.get("/lineage")
    def lineage(loop_id: str, who: Asking) -> Response:
        loop = service.loop(loop_id)
        result: Mapping[str, Any] = plain_json(dict(service.result(loop)))
        rounds = [{"number": number, **round_} for number, round_ in rounds_of(result)]
        values = {"entry": loop, "result": result, "rounds": [one for one in rounds if _has_plan(one)][::-1]}
        return renderer.page("lineage.html.j2", who, values)

    return router


def _has_plan(round_: Mapping[str, Any]) -> bool:
    """Whether a round has all that the page tells of; one of another version may lack parts."""
    arms = part(round_, "verdict").get("arms")
    return bool(part(round_, "diagnosis") and parts(part(round_, "plan"), "actions")) and isinstance(arms, dict)
