"""How much alpha judgements have spent on which items."""

from fastapi import APIRouter
from starlette.responses import Response

from service.requests.service import Service
from service.web.page.render import Renderer
from service.web.who import Asking


def routes(service: Service, renderer: Renderer) -> APIRouter:
    router = APIRouter()

    @router.get("/looks")
    def looks(who: Asking) -> Response:
        return renderer.page("looks.html.j2", who, {"looks": service.looks()})

    return router
