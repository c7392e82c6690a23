"""The application that answers requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from starlette.types import ASGIApp

from service.loops.states import State
from service.requests.schedules import Schedules
from service.requests.service import Service
from service.store import loops
from service.web import metrics, sign_in
from service.web.api import events, proposals, results, tokens
from service.web.api import loops as loops_api
from service.web.api import schedules as schedules_api
from service.web.api.models import Health, Refusal
from service.web.errors import answer_errors
from service.web.page import routes as page
from service.web.security.guard import Doors, Guard

_REFUSED: dict[str, Any] = {"model": Refusal, "description": "Refused; the message says why."}


THREADS = 2
"""Requests that are worked on at once; the others wait. Threads of Python share one lock, and forty that want it take
twice the time of a few (`scripts/bench_service.py`)."""


@asynccontextmanager
async def _few_threads(_: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def make_app(service: Service, schedules: Schedules, doors: Doors, server: str) -> ASGIApp:
    """The application of one server, behind its guard."""
    app = FastAPI(
        title="evalmend",
        lifespan=_few_threads,
        version="1",
        docs_url=None,  # pages that load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
        responses={"4XX": _REFUSED, 422: _REFUSED, 503: _REFUSED},
    )
    answer_errors(app)

    @app.get("/healthz")
    def health() -> Health:
        """That the server lives."""
        found = loops.counts(doors.database)
        return Health(server=server, num_running=found.get(State.RUNNING, 0), num_queued=found.get(State.QUEUED, 0))

    app.include_router(sign_in.routes(doors.database, doors.sessions))
    app.include_router(loops_api.routes(service, doors.database))
    app.include_router(schedules_api.routes(schedules))
    app.include_router(proposals.routes(service, doors.database))
    app.include_router(results.routes(service))
    app.include_router(events.routes(service))
    app.include_router(tokens.routes(doors.database, doors.audit))
    app.include_router(metrics.routes(doors.database))
    app.include_router(page.routes(service, schedules, doors.database))
    return Guard(app, doors)
