"""One loop: what it does now, its rounds as a timeline, and what they have shown."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import Response

from controller.engine.journal.approvals import Question
from controller.results.page.parts_json import PARTS_FILE
from controller.results.page.words.labels import DECISIONS
from service.requests.errors import Conflict
from service.requests.service import Service
from service.runs.parts import read_parts, version_of
from service.runs.reading import JOURNAL_FILE
from service.runs.rounds import part, parts, rounds_of
from service.runs.tail import Tail
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop
from service.web.api.results import Round
from service.web.page.render import Renderer
from service.web.page.views.loops import seen_of
from service.web.plain import neutral, plain_json
from service.web.who import Asking


def routes(service: Service, database: Database, renderer: Renderer) -> APIRouter:
    router = APIRouter(prefix="/loops/{loop_id}")

    @router.get("")
    def one_loop(loop_id: str, who: Asking) -> Response:
        loop = service.loop(loop_id)
        return renderer.page("loop.html.j2", who, _now(loop) | _shown(loop) | {"num_events": _num_events(loop)})

    @router.get("/now")
    def now(loop_id: str, who: Asking, seen: Annotated[str, Query(max_length=32)] = "") -> Response:
        """The part of the page that tells what the loop does now; the rest is fetched where it knows an older one."""
        loop = service.loop(loop_id)
        version = version_of(service.file(loop, PARTS_FILE))
        return renderer.page("now.html.j2", who, _now(loop), {"hx-trigger": "shown"} if version != seen else {})

    @router.get("/shown")
    def shown(loop_id: str, who: Asking) -> Response:
        """The part of the page that tells what the rounds have shown."""
        return renderer.page("shown.html.j2", who, _shown(service.loop(loop_id)))

    @router.get("/findings")
    def findings(loop_id: str, who: Asking, round: Round | None = None) -> Response:
        loop = service.loop(loop_id)
        numbers = [number for number, _ in rounds_of(service.result(loop))]
        number = round if round is not None else next(iter(numbers), 0)
        html = read_parts(service.file(loop, PARTS_FILE)).html("diagnosis", number)
        values = {"entry": loop, "numbers": numbers, "round": number, "diagnosis": Markup(neutral(html))}
        return renderer.page("findings.html.j2", who, values)

    def _now(loop: Loop) -> dict[str, Any]:
        result = service.result(loop)
        return {
            "entry": loop,
            "run": seen_of(service, loop),
            "stretches": loops.stretches(database, loop.id),
            "rounds": list(_timeline(result)),
            "budget": plain_json(result.get("budget") or {}),
            "asked": asked_of(service, loop),
            "version": version_of(service.file(loop, PARTS_FILE)),
        }

    def _shown(loop: Loop) -> dict[str, Any]:
        told = read_parts(service.file(loop, PARTS_FILE))
        numbers = list(dict.fromkeys(one.round for one in told.parts if one.round is not None))
        return {
            "entry": loop,
            "parts": told,
            "numbers": numbers,
            "html": lambda name, number=None: Markup(neutral(told.html(name, number))),
        }

    def _num_events(loop: Loop) -> int:
        path = service.file(loop, JOURNAL_FILE)
        lines = [] if path is None else Tail(path, 0).read()
        return lines[-1].number if lines else 0

    return router


def asked_of(service: Service, loop: Loop) -> Question | None:
    """The proposal that a loop waits with; None where it waits with none, or its file cannot be read."""
    try:
        return service.proposal(loop)
    except Conflict:
        return None


def _timeline(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rounds as the timeline shows them, whatever version has written them."""
    for number, round_ in rounds_of(result):
        verdict, plan, diagnosis = (part(round_, key) for key in ("verdict", "plan", "diagnosis"))
        findings, actions = parts(diagnosis, "findings"), parts(plan, "actions")
        costs = [cost for cost in part(round_, "costs").values() if isinstance(cost, dict)]
        gain, decision = part(verdict, "gain"), str(verdict.get("decision", ""))
        yield plain_json(
            {
                "number": number,
                "decision": DECISIONS.get(decision, decision),
                "tone": {"accepted": "good", "rejected": "bad"}.get(decision, "plain"),
                "gain": gain if len(gain.get("ci") or ()) == 2 else None,
                "slice": findings[0].get("slice", {}) if findings else None,
                "cause": findings[0].get("cause", "") if findings else "",
                "share": findings[0].get("cause_probability", 0.0) if findings else 0.0,
                "kinds": [str(action.get("kind", "")) for action in actions],
                "seconds": sum(cost.get("seconds", 0.0) for cost in costs),
            }
        )
