"""The application that answers requests."""

from dataclasses import dataclass

from fastapi import FastAPI

from service.loops.states import State
from service.store import loops
from service.store.database import Database


@dataclass(frozen=True, slots=True)
class Health:
    """That the server lives, and how much it has to do."""

    server: str
    num_running: int
    """Loops that run, on all servers of the home."""
    num_queued: int


def make_app(database: Database, server: str) -> FastAPI:
    """The application of one server."""
    app = FastAPI(title="evalmend", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def health() -> Health:
        found = loops.counts(database)
        return Health(server, found.get(State.RUNNING, 0), found.get(State.QUEUED, 0))

    return app
