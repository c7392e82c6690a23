"""Items with what models answered, and rows of the mix, page by page, with search."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.requests.errors import Conflict
from service.requests.service import Service
from service.runs.tables import Found, Search, Unreadable, page
from service.store.loops import Loop
from service.web.api.results import EXAMPLES_SEARCHED, ITEMS_SEARCHED, Offset, Round, Text
from service.web.page.render import Renderer
from service.web.plain import plain_json
from service.web.who import Asking

PAGE_ROWS = 25
ITEM = dict.fromkeys(
    ("id", "task", "round", "arm", "seed", "metric", "score", "is_failed", "prompt", "target", "answer")
)
ROW = dict.fromkeys(["id", "source", "kind", "slice", "weight_before", "weight", "reason", "prompt", "completion"])
"""What the pages show; a table of another version may lack some."""


def routes(service: Service, renderer: Renderer) -> APIRouter:
    router = APIRouter(prefix="/loops/{loop_id}")

    @router.get("/items")
    def items(
        loop_id: str,
        who: Asking,
        split: Literal["probe", "select", "sealed"] = "probe",
        round: Annotated[str, Query(pattern=r"^\d{0,7}$")] = "",
        arm: Text = "",
        task: Text = "",
        is_failed: Literal["", "true", "false"] = "",
        text: Text = "",
        offset: Offset = 0,
    ) -> Response:
        loop, given = service.loop(loop_id), {"round": round, "arm": arm, "task": task, "is_failed": is_failed}
        equal: dict[str, str | int | bool] = {name: value for name, value in (("arm", arm), ("task", task)) if value}
        equal |= {"round": int(round)} if round else {}
        equal |= {"is_failed": is_failed == "true"} if is_failed else {}
        found = _found(loop, f"items-{split}.parquet", equal, text, ITEMS_SEARCHED, offset)
        values = {"split": split, **given, "text": text}
        return renderer.page("items.html.j2", who, _values(loop, found, offset, ITEM, values))

    @router.get("/rows")
    def rows(
        loop_id: str,
        who: Asking,
        round: Round = 0,
        source: Text = "",
        kind: Text = "",
        slice: Text = "",
        text: Text = "",
        offset: Offset = 0,
    ) -> Response:
        loop, given = service.loop(loop_id), {"source": source, "kind": kind, "slice": slice}
        equal = {name: value for name, value in given.items() if value}
        found = _found(loop, f"mix-{round}.parquet", dict(equal), text, EXAMPLES_SEARCHED, offset)
        values = {"round": round, **given, "text": text}
        return renderer.page("rows.html.j2", who, _values(loop, found, offset, ROW, values))

    def _found(
        loop: Loop, name: str, equal: dict[str, str | int | bool], text: str, searched: tuple[str, ...], offset: int
    ) -> Found | None:
        """A page of a table; None where the loop has none yet."""
        path = service.file(loop, name)
        try:
            search = Search(tuple(equal.items()), text, searched)
            return None if path is None else page(path, search, offset, PAGE_ROWS)
        except Unreadable as error:
            raise Conflict(str(error)) from error

    return router


def _values(
    loop: Loop, found: Found | None, offset: int, shown: Mapping[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    return {
        "entry": loop,
        "found": found,
        "rows": [] if found is None else [{**shown, **plain_json(row)} for row in found.rows],
        "offset": offset,
        "page_rows": PAGE_ROWS,
        "query": urlencode({name: value for name, value in given.items() if value != ""}),
        **given,
    }
