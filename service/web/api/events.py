"""Events of a loop as they come, as server-sent events.

A line of the run's journal is an event `stage`, whose number is its place in the journal: who was cut off names the
last number that it has seen, and misses nothing. An event `state` says in what state the loop is, at the beginning and
after each change, and has no number, as the last one alone counts. A stream ends with an event `end` when the loop is
over, and without one after `LASTS_S`.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Annotated, Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, Header, HTTPException, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.loops.states import RESUMABLE, State
from service.requests.service import Service
from service.runs.reading import JOURNAL_FILE
from service.runs.tail import Tail
from service.store.database import UNREACHED
from service.web.plain import plain_json
from service.web.who import Asking

LOOK_S = 0.5
"""Seconds between two looks at a loop."""
SILENT_S = 15.0
"""Seconds after which a stream without events sends a sign of life."""
LASTS_S = 900.0
"""Seconds after which a stream ends, so that whoever reads is asked again who it is."""
MOST_STREAMS, MOST_OF_ONE = 200, 20
"""Streams at a time of this server, and of one token."""
OVER = frozenset({State.ENDED, *RESUMABLE})


class Streams:
    """Streams that are open."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    def take(self, token: str) -> bool:
        """Count one more; False where there are too many."""
        if self._open.total() >= MOST_STREAMS or self._open[token] >= MOST_OF_ONE:
            return False
        self._open[token] += 1
        return True

    def give(self, token: str) -> None:
        self._open[token] -= 1


class Stream(StreamingResponse):
    """A stream that is counted until it ends, however it ends."""

    def __init__(self, content: AsyncIterator[str], streams: Streams, token: str) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self._streams, self._token = streams, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.give(self._token)


def routes(service: Service) -> APIRouter:
    router, streams = APIRouter(prefix="/api/v1"), Streams()
    number = {"ge": 0, "le": 2**53}

    @router.get(
        "/loops/{loop_id}/events", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}}
    )
    def events(
        loop_id: str,
        who: Asking,
        after: Annotated[int, Query(**number)] = 0,
        last_event_id: Annotated[int | None, Header(**number)] = None,
    ) -> Response:
        """Events after this number, and then those that come; the header, which browsers send, goes before `after`."""
        loop = service.loop(loop_id)
        if not streams.take(who.token):
            raise HTTPException(429, "too many streams are open; close others", {"retry-after": "10"})
        return Stream(told(service, loop.id, after if last_event_id is None else last_event_id), streams, who.token)

    return router


async def told(service: Service, loop_id: str, after: int) -> AsyncIterator[str]:
    """Events of a loop as text of the stream."""
    begun = spoken = time.monotonic()
    tail = Tail(service.run_dir(loop_id) / JOURNAL_FILE, after)
    state: Mapping[str, Any] | None = None
    while time.monotonic() - begun < LASTS_S:
        try:
            seen, texts = await to_thread.run_sync(_look, service, loop_id, tail)
        except UNREACHED:
            return  # who reads comes back with the number that it has seen
        if seen != state:
            texts.append(_event("state", seen))
            state = seen
        if texts:
            spoken = time.monotonic()
            yield "".join(texts)
        elif State(seen["state"]) in OVER:
            yield _event("end", {})
            return
        elif time.monotonic() - spoken > SILENT_S:
            spoken = time.monotonic()
            yield ":\n\n"
        if not texts:
            await anyio.sleep(LOOK_S)


def _look(service: Service, loop_id: str, tail: Tail) -> tuple[dict[str, Any], list[str]]:
    """State of the loop, and events that are new; the state first, so that an end is seen after the last line."""
    loop = service.loop(loop_id)
    seen = {"state": loop.state.value, "is_to_cancel": loop.is_to_cancel}
    return seen, [] if service.file(loop, JOURNAL_FILE) is None else list(_stages(tail))


def _stages(tail: Tail) -> Iterator[str]:
    for one in tail.read():
        known = {key: one.line.get(key) for key in ("time", "event", "stage")}
        yield _event("stage", {"number": one.number, **plain_json(known)}, one.number)


def _event(name: str, content: Mapping[str, Any], number: int | None = None) -> str:
    place = "" if number is None else f"id: {number}\n"
    return f"{place}event: {name}\ndata: {json.dumps(content, allow_nan=False)}\n\n"
