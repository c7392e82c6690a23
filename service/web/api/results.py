"""What a loop has found: findings, items, rows of the mix, the result and its report, all from its run directory."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import JsonValue
from starlette.responses import FileResponse, Response

from service.requests.errors import Conflict, Unknown
from service.requests.service import Service
from service.runs.rounds import findings_of, has_text
from service.runs.tables import Search, Unreadable, page
from service.web.api.models import RowPage
from service.web.plain import plain_json

REPORT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""The report is one file without scripts; whatever a model wrote into it, none is run and nothing is loaded."""
ITEMS_SEARCHED = ("id", "prompt", "target", "answer")
EXAMPLES_SEARCHED = ("id", "prompt", "completion", "reason")
"""Columns that a text is searched in."""
Round = Annotated[int, Query(ge=0, le=1_000_000)]
Offset = Annotated[int, Query(ge=0, le=2**40)]
Limit = Annotated[int, Query(ge=1, le=100)]
Text = Annotated[str, Query(max_length=200)]


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/api/v1/loops/{loop_id}")

    @router.get("/result")
    def result(loop_id: str) -> dict[str, JsonValue]:
        """`loop.json` as it stands; an empty object before the first round."""
        return _json(dict(service.result(service.loop(loop_id))))

    @router.get("/report", response_class=Response, responses={200: {"content": {"text/html": {}}}})
    def report(loop_id: str) -> Response:
        """The report, a page of HTML."""
        path = service.file(service.loop(loop_id), "report.html")
        if path is None:
            raise Unknown(f"loop {loop_id} has no report yet")
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_CSP})

    @router.get("/findings")
    def findings(
        loop_id: str, round: Round | None = None, text: Text = "", offset: Offset = 0, limit: Limit = 50
    ) -> RowPage:
        """Findings with their causes, tests, failed items and rows; those with the text somewhere in them."""
        found = [
            {"round": one.round, "number": one.number, "finding": one.finding}
            for one in findings_of(service.result(service.loop(loop_id)))
            if round in (None, one.round) and (not text or has_text(one.finding, text))
        ]
        return RowPage(rows=[_json(one) for one in found[offset : offset + limit]], num_rows=len(found))

    @router.get("/items")
    def items(
        loop_id: str,
        split: Literal["probe", "select", "sealed"] = "probe",
        round: Round | None = None,
        arm: Text | None = None,
        task: Text | None = None,
        is_failed: bool | None = None,
        text: Text = "",
        offset: Offset = 0,
        limit: Limit = 50,
    ) -> RowPage:
        """Items with what models answered; those with the text in their prompt, target or answer."""
        equal = {"round": round, "arm": arm, "task": task, "is_failed": is_failed}
        return _rows(loop_id, f"items-{split}.parquet", equal, ITEMS_SEARCHED, text, offset, limit)

    @router.get("/examples")
    def examples(
        loop_id: str,
        round: Round = 0,
        source: Text | None = None,
        kind: Text | None = None,
        slice: Text | None = None,
        text: Text = "",
        offset: Offset = 0,
        limit: Limit = 50,
    ) -> RowPage:
        """Rows of the mix that a round proposed, those that leave included, with weights and reasons."""
        equal = {"source": source, "kind": kind, "slice": slice}
        return _rows(loop_id, f"mix-{round}.parquet", equal, EXAMPLES_SEARCHED, text, offset, limit)

    def _rows(
        loop_id: str,
        name: str,
        equal: Mapping[str, str | int | bool | None],
        searched: tuple[str, ...],
        text: str,
        offset: int,
        limit: int,
    ) -> RowPage:
        path = service.file(service.loop(loop_id), name)
        if path is None:
            raise Unknown(f"loop {loop_id} has no {name} yet")
        given = tuple((column, value) for column, value in equal.items() if value is not None)
        try:
            found = page(path, Search(given, text, searched), offset, limit)
        except Unreadable as error:
            raise Conflict(str(error)) from error
        return RowPage(rows=[_json(row) for row in found.rows], num_rows=found.num_rows)

    return router


def _json(value: dict[str, object]) -> dict[str, JsonValue]:
    told: dict[str, JsonValue] = plain_json(value)
    return told
