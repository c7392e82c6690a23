"""Recipes and loops: what may be asked for, what was, and what has become of it."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request

from service.loops.recipes import known_recipes, read_recipe, shown
from service.loops.states import State
from service.requests.errors import Unknown
from service.requests.service import Service
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop
from service.web.api.models import (
    ComparedRecord,
    FieldRecord,
    LookedRecord,
    LoopDetails,
    LoopPage,
    LoopRecord,
    NewLoop,
    RecipeRecord,
    StretchRecord,
)
from service.web.plain import plain, plain_json
from service.web.who import Asking

MOST_LOOPS = 200
FURTHEST = 10_000_000
"""Largest place that a page begins at."""

MOST_COMPARED = 8
LoopIds = Annotated[list[str], Query(min_length=2, max_length=MOST_COMPARED)]
RecipeName = Annotated[str, Query(max_length=64)]


def routes(service: Service, database: Database) -> APIRouter:
    router = APIRouter(prefix="/api/v1")

    @router.get("/recipes")
    def all_recipes() -> list[RecipeRecord]:
        """What may be asked for."""
        return [_recipe(service, name) for name in known_recipes(service.recipes)]

    @router.get("/recipes/{name}")
    def recipe(name: str) -> RecipeRecord:
        """One recipe."""
        if name not in known_recipes(service.recipes):
            raise Unknown(f"unknown recipe {shown(name)}")
        return _recipe(service, name)

    @router.get("/loops")
    def some_loops(
        state: Annotated[list[State], Query(max_length=len(State))] = [],  # noqa: B006  # FastAPI copies it
        recipe: RecipeName | None = None,
        schedule: RecipeName | None = None,
        offset: Annotated[int, Query(ge=0, le=FURTHEST)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_LOOPS)] = 50,
    ) -> LoopPage:
        """Loops in these states, or in any; of a recipe or a schedule, or of all; the latest first."""
        states = state or None  # an empty list names none, and asks for all
        found = loops.listed(database, states, limit, offset, recipe, schedule)
        number = loops.count(database, states, recipe, schedule)
        return LoopPage(loops=[_loop(one) for one in found], num_loops=number)

    @router.post("/loops", status_code=201)
    def submit(asked: NewLoop, who: Asking, request: Request) -> LoopDetails:
        """Put a loop into the queue."""
        loop = service.submit(asked.recipe, asked.fields, who.name)
        request.state.loop = loop.id  # for the audit log
        return _details(loop)

    @router.get("/loops/{loop_id}")
    def one_loop(loop_id: str) -> LoopDetails:
        """A loop as it is now."""
        return _details(service.loop(loop_id))

    @router.get("/comparison")
    def comparison(loop: LoopIds) -> list[ComparedRecord]:
        """Models that loops have ended with: each of the others with the first, on the items that both answered."""
        return [ComparedRecord.model_validate(asdict(one)) for one in service.compare(list(dict.fromkeys(loop)))]

    @router.get("/looks")
    def looks() -> list[LookedRecord]:
        """How often judgements have looked at which items, those that were looked at last first."""
        return [LookedRecord.model_validate(asdict(one)) for one in service.looks()]

    @router.post("/loops/{loop_id}/cancel")
    def cancel(loop_id: str) -> LoopDetails:
        """Cancel a loop: at once where no process of it runs, else as soon as that has ended."""
        return _details(service.cancel(loop_id))

    @router.post("/loops/{loop_id}/resume")
    def resume(loop_id: str) -> LoopDetails:
        """Put a loop that stopped, failed or was cancelled back into the queue."""
        return _details(service.resume(loop_id))

    def _details(loop: Loop) -> LoopDetails:
        stretches = tuple(StretchRecord(**asdict(one)) for one in loops.stretches(database, loop.id))
        told = _loop(loop).model_dump() | {"run": plain_json(asdict(service.read(loop)))}
        return LoopDetails(**told, stretches=stretches)

    return router


def _loop(loop: Loop) -> LoopRecord:
    return LoopRecord(
        id=loop.id,
        recipe=loop.recipe,
        fields=plain_json(dict(loop.fields)),
        submitted_by=plain(loop.submitted_by),
        state=loop.state,
        is_to_cancel=loop.is_to_cancel,
        created=loop.created,
        updated=loop.updated,
        message=plain(loop.message),
        schedule=loop.schedule,
        run=None if loop.seen is None else plain_json(dict(loop.seen)),
    )


def _recipe(service: Service, name: str) -> RecipeRecord:
    try:
        found = read_recipe(service.recipes, name)
    except ValueError:
        return RecipeRecord(name=name, about="", fields={}, problem="its file is wrong; evalmend submit says how")
    fields = {
        field: FieldRecord(type=one.type, min=one.min, max=one.max, choices=one.choices, about=plain(one.about))
        for field, one in found.fields.items()
    }
    return RecipeRecord(name=name, about=plain(found.about), fields=fields, problem="")
