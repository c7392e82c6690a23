"""All pages."""

from fastapi import APIRouter

from service.requests.schedules import Schedules
from service.requests.service import Service
from service.store.database import Database
from service.web.page.assets import Assets
from service.web.page.render import Renderer
from service.web.page.views import comparison, lineage, looks, loop, loops, nights, proposal, tables


def routes(service: Service, schedules: Schedules, database: Database) -> APIRouter:
    assets = Assets()
    renderer, router = Renderer(assets), APIRouter(include_in_schema=False)
    router.include_router(assets.routes())
    router.include_router(loops.routes(service, database, renderer))
    router.include_router(nights.routes(service, schedules, database, renderer))
    router.include_router(loop.routes(service, database, renderer))
    router.include_router(tables.routes(service, renderer))
    router.include_router(proposal.routes(service, renderer))
    router.include_router(lineage.routes(service, renderer))
    router.include_router(comparison.routes(service, renderer))
    router.include_router(looks.routes(service, renderer))
    return router
