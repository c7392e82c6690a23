"""Loops beside each other: what they ended with, and their models paired on the same items."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.requests.service import Service
from service.web.api.loops import MOST_COMPARED
from service.web.page.render import Renderer
from service.web.page.views.loops import seen_of
from service.web.who import Asking

LoopIds = Annotated[list[str], Query(max_length=MOST_COMPARED)]


def routes(service: Service, renderer: Renderer) -> APIRouter:
    router = APIRouter()

    @router.get("/compare")
    def compare(who: Asking, loop: LoopIds = []) -> Response:  # noqa: B006  # FastAPI copies it
        found = [service.loop(one) for one in dict.fromkeys(loop)]
        compared = service.compare([one.id for one in found]) if len(found) > 1 else []
        values: dict[str, Any] = {
            "loops": [(one, seen_of(service, one)) for one in found],
            "compared": compared,
            "most": MOST_COMPARED,
        }
        return renderer.page("compare.html.j2", who, values)

    return router
