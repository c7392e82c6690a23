"""The first page: loops with state, last verdict and cost, what waits for a decision, and recipes to start one."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.loops.recipes import Recipe, known_recipes, read_recipe
from service.loops.states import State
from service.requests.service import Service
from service.runs.reading import NOTHING
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop
from service.web.api.loops import FURTHEST, RecipeName
from service.web.page.render import Renderer
from service.web.who import Asking

PAGE_LOOPS = 30
_NOTHING = {"remaining_s": None, **asdict(NOTHING)}
"""What is said of a loop of which nothing is known."""


def routes(service: Service, database: Database, renderer: Renderer) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def first_page(
        who: Asking,
        state: Annotated[list[State], Query(max_length=len(State))] = [],  # noqa: B006  # FastAPI copies it
        recipe: RecipeName | None = None,
        offset: Annotated[int, Query(ge=0, le=FURTHEST)] = 0,
    ) -> Response:
        recipe = recipe or None  # a form sends what was not chosen as an empty text
        found = loops.listed(database, state or None, PAGE_LOOPS, offset, recipe)
        asked = [("state", one.value) for one in state] + ([("recipe", recipe)] if recipe else [])
        known = loops.counts(database)
        return renderer.page(
            "loops.html.j2",
            who,
            {
                "loops": [(one, seen_of(service, one)) for one in found],
                "num_loops": loops.count(database, state or None, recipe),
                "counts": {one: known[one] for one in State if one in known},
                "states": state,
                "recipe": recipe,
                "recipes": dict(recipes_of(service)),
                "offset": offset,
                "page_loops": PAGE_LOOPS,
                "query": urlencode(asked),
                "waiting": loops.listed(database, [State.WAITING], 10),
            },
        )

    return router


def seen_of(service: Service, loop: Loop) -> dict[str, Any]:
    """What its run directory says: now where a process runs, else when it was last looked at."""
    if loop.state is State.RUNNING or loop.seen is None:
        record = service.read(loop)
        return asdict(record) | {"remaining_s": record.remaining_s}
    return {**_NOTHING, **loop.seen}


def recipes_of(service: Service) -> Iterator[tuple[str, Recipe | None]]:
    """Recipes by name; None of one whose file is wrong."""
    for name in known_recipes(service.recipes):
        try:
            yield name, read_recipe(service.recipes, name)
        except ValueError:
            yield name, None
