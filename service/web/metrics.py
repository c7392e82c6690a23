"""Metrics of the service in the text format of Prometheus, for whoever brings a token."""

import time
from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from service.loops.states import State
from service.store import loops, notices, servers
from service.store.database import Database


class Counts(Collector):
    """What the database knows now; nothing is counted between two looks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        known = loops.counts(self._database)
        states = GaugeMetricFamily("evalmend_loops", "Loops in each state.", labels=["state"])
        for state in State:
            states.add_metric([state.value], known.get(state, 0))
        yield states
        oldest = loops.oldest(self._database, State.QUEUED)
        waited = 0.0 if oldest is None else max(0.0, time.time() - oldest)
        yield GaugeMetricFamily("evalmend_queue_age_seconds", "Time since the oldest queued loop came.", value=waited)
        alive = servers.others(self._database, "")
        yield GaugeMetricFamily("evalmend_servers", "Servers of the home that are not gone.", value=len(alive))
        unsent = notices.num_unsent(self._database)
        yield GaugeMetricFamily("evalmend_notices_unsent", "Notices that are still to be sent.", value=unsent)


def routes(database: Database) -> APIRouter:
    router, registry = APIRouter(), CollectorRegistry()
    registry.register(Counts(database))

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
