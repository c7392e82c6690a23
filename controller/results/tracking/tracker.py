"""Listen to a loop and have it logged: events become writes, writes wait in the run folder, and are sent in order.

Where the server is lost the loop goes on: it says so once, tries again with later events, and leaves what was not sent
to the next start of the same command.
"""

import getpass
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from controller.engine.versions import ROOT
from controller.results.events import (
    DataRead,
    Event,
    LoopEnded,
    LoopInterrupted,
    LoopOpened,
    LoopWaits,
    ModelNamed,
    ProposalApproved,
    RoundEnded,
)
from controller.results.loop_json import LOOP_FILE, LoopResult, Round
from controller.results.page.page import PAGE_FILE
from controller.results.tracking.curves import cost_points, fidelity_points, headline_points, round_points
from controller.results.tracking.job import Job
from controller.results.tracking.names import metric_name, sort_settings, without_password
from controller.results.tracking.outbox import OUTBOX_FILE, Outbox
from controller.results.tracking.settings import OFF, Tracking
from controller.results.tracking.store import DIR_TAG, HOST_TAG, PID_TAG, RefusedError, Store, UnreachableError
from controller.results.tracking.tables import TABLES, TABLES_TAG, note, result_tags
from controller.results.tracking.writes import (
    LOOP,
    SWEEP,
    Close,
    File,
    Input,
    Metrics,
    NameModel,
    OpenRun,
    OpenSweep,
    Params,
    Pause,
    Reopen,
    SumUp,
    Tags,
    Text,
    Write,
)

log = logging.getLogger(__name__)

_OPENED = "opened"
_BEST = SumUp(
    SWEEP,
    "gain",
    ("gain", "gain_low", "gain_high", "before", "after", "accepted"),
    ("decision", "cause", "plan", "claim"),
)
"""What the run of a sweep shows, when MLflow opens with the runs below it folded away."""
_PAUSE = 10
"""Times as long as a failed try took, until the next: waiting for a server takes a tenth of the loop at most."""


def default_uri(run_dir: Path) -> str:
    """Address of one database for all runs beside each other; absolute, because sweeps change directory."""
    return f"sqlite:///{(run_dir.parent / 'mlflow.db').absolute()}"


def trackers(settings: Tracking, run_dir: Path, name: str, job: Job) -> "tuple[Tracker, ...]":
    """Make the listener that logs the loop; none where tracking is off."""
    return () if settings.uri == OFF else (Tracker(settings, run_dir, name, job),)


class Tracker:
    """Listener that keeps the MLflow runs of one loop; a resumed loop opens its run again."""

    def __init__(self, settings: Tracking, run_dir: Path, name: str, job: Job) -> None:
        self._settings = settings
        self._run_dir = run_dir
        self._name = name
        self._job = job
        self._uri = settings.uri or default_uri(run_dir)
        self._box = Outbox(run_dir, f"{self._uri} {settings.experiment}")
        self._store: Store | None = None
        self._is_lost = False
        self._next_try = 0.0

    def hear(self, event: Event) -> None:
        match event:
            case LoopOpened():
                self._open(event)
            case ModelNamed():
                model = NameModel(LOOP, self._model, event.role, event.round, str(event.folder))
                self._box.put([model], f"model-{event.role}-{event.round}")
            case RoundEnded():
                key = f"round-{event.round.number}"
                self._box.put(self._round(event.round, event.result, event.patch), key)
                if self._settings.stages:
                    self._box.put(_stage_runs(event.round), f"{key} stages")
                if event.fidelity is not None:  # which may be measured after the round is finished
                    points = tuple(fidelity_points(event.fidelity, event.round.number))
                    self._box.put([Metrics(LOOP, points, _now())], f"fidelity-{event.round.number}")
            case LoopWaits():
                self._box.put([*self._page(event.result), Pause(LOOP)])
            case ProposalApproved():  # told once, or a loop that is played again would say no more than that
                tags = Tags(LOOP, {"decision": event.answer.decision, "reason": event.answer.in_words})
                self._box.put([tags], f"approved-{event.round} {event.answer.proposal}")
            case LoopEnded():
                sealed = "sealed" if event.result.sealed is not None else "closed"
                key = f"ended after {len(event.result.rounds)}, {sealed}"  # a larger budget may add rounds
                self._box.put(self._results(event.result), key)
                self._box.put([Close(LOOP, "FINISHED", _now())])
                if SWEEP in self._box.ids or self._job.sweep is not None:
                    self._box.put([_BEST])
            case LoopInterrupted() if self._box.is_told(_OPENED):
                self._box.put([Close(LOOP, "FAILED" if event.is_error else "KILLED", _now())])
            case _:
                return
        self._send(is_last=isinstance(event, LoopWaits | LoopEnded | LoopInterrupted))

    @property
    def _model(self) -> str:
        """Name of the registered model."""
        return f"evalmend-{metric_name(self._name)}"

    def _open(self, event: LoopOpened) -> None:
        self._connect()
        if LOOP in self._box.ids and self._store is not None and not self._store.knows(self._box.ids[LOOP]):
            log.info("MLflow does not know the runs of %s any more: logging anew", self._run_dir)
            self._box.forget()
        self._box.put(self._new_runs(event), _OPENED)
        sorted_ = sort_settings(event.settings, {*event.free, "tracking"}, self._job.swept_keys)
        tags = {key: value for key, value in sorted_.tags.items() if not key.startswith("tracking.")}
        command = {"command": self._job.command} if self._job.command else {}
        self._box.put(
            [
                Reopen(LOOP),
                Params(LOOP, {**sorted_.params, **self._job.choices}),
                Tags(LOOP, {**tags, **event.tags, **command}),
            ]
        )
        runs = (LOOP, SWEEP) if self._job.sweep is not None else (LOOP,)
        inputs = [self._input(run, data) for run in runs for data in event.data]
        self._box.put(inputs, f"data {' '.join(one.digest for one in event.data)}")

    def _new_runs(self, event: LoopOpened) -> Iterator[Write]:
        source = {"mlflow.user": getpass.getuser(), **_source_tags(self._job.command)}
        if self._job.sweep is not None:
            keys = ", ".join(dict.fromkeys(self._job.swept_keys)) or self._name
            yield OpenSweep(SWEEP, self._job.sweep, f"sweep of {keys}, {self._job.sweep}", source, _now())
        tags = {
            "evalmend.key": LOOP,
            DIR_TAG: str(self._run_dir),
            HOST_TAG: socket.gethostname(),
            PID_TAG: str(os.getpid()),
            **source,
        }
        parent = SWEEP if self._job.sweep is not None else None
        yield OpenRun(LOOP, self._job.run_name(self._name, event.tags["config_hash"]), parent, tags, _now())

    def _input(self, run: str, data: DataRead) -> Input:
        path = Path(data.source)
        name = data.source if data.source.startswith("hub:") or not path.name else path.name
        if path.is_relative_to(self._run_dir):  # a named data set has written it there
            name = f"{self._job.choices.get('corpus', self._name)} {name}"
        return Input(run, name, data.context, data.digest, data.source, {"num_rows": data.num_rows})

    def _round(self, round_: Round, result: LoopResult, patch: Path | None) -> Iterator[Write]:
        yield Metrics(LOOP, tuple(round_points(round_)), _now())
        if patch is not None:
            yield File(LOOP, str(patch))
        yield from self._results(result)

    def _results(self, result: LoopResult) -> Iterator[Write]:
        """What the loop has come to: after each round, and at the end."""
        last = max(len(result.rounds) - 1, 0)
        yield Metrics(LOOP, tuple(headline_points(result, last)), _now())
        yield from self._page(result)

    def _page(self, result: LoopResult) -> Iterator[Write]:
        """What the page of the run says: the decision in words, tables, the report."""
        text = note(result, self._run_dir, self._job.command)
        yield Tags(LOOP, {**result_tags(result), **TABLES_TAG, "mlflow.note.content": text})
        for name, table in TABLES.items():
            yield Text(LOOP, name, table(result))
        for name in (PAGE_FILE, LOOP_FILE):
            yield File(LOOP, str(self._run_dir / name))

    def _connect(self) -> None:
        if self._store is not None:
            return
        started = time.monotonic()
        settings, folder = self._settings, self._run_dir.parent
        try:
            store = Store(self._uri, settings.experiment, folder, is_copying=settings.models)
        except (UnreachableError, RefusedError) as error:
            self._lose(error, started)
            return
        self._store = store
        try:
            store.close_dead(socket.gethostname(), self._run_dir, set(self._box.ids.values()))
        except (UnreachableError, RefusedError) as error:
            log.warning("MLflow does not tell which runs a killed loop left open: %s", error)

    def _send(self, *, is_last: bool) -> None:
        if not is_last and time.monotonic() < self._next_try:
            return
        self._connect()
        started = time.monotonic()
        while self._store is not None and (write := self._box.first) is not None:
            try:
                self._box.sent(write.run, self._store.send(write, self._box.ids))
                if LOOP in self._box.ids:
                    self._box.shown_at(self._store.page(self._box.ids[LOOP]))
            except UnreachableError as error:
                self._lose(error, started)
                return
            except RefusedError as error:
                log.warning("MLflow does not take %s of the run %s: %s", write.kind, write.run, error)
                self._box.sent(write.run, None)
        if self._is_lost and self._store is not None:
            log.info("MLflow answers again, and has got what waited")
            self._is_lost = False

    def _lose(self, error: Exception, started: float) -> None:
        now = time.monotonic()
        self._next_try = now + _PAUSE * (now - started)
        if not self._is_lost:
            log.warning(
                "MLflow at %s does not answer (%s): the loop goes on; what is not sent waits in %s, until it answers "
                "or the same command is given again",
                without_password(self._uri),
                error,
                self._run_dir / OUTBOX_FILE,
            )
            self._is_lost = True


def _stage_runs(round_: Round) -> Iterator[Write]:
    """A run for the round, and one for each stage below it."""
    key = f"round-{round_.number}"
    tags = {HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}
    yield OpenRun(key, f"round {round_.number}", LOOP, {"evalmend.key": key, **tags}, _now())
    yield Metrics(key, tuple(round_points(round_)), _now())
    yield Tags(key, {"decision": round_.verdict.decision.value, "reason": round_.verdict.reason})
    for name, cost in round_.costs.items():
        stage = f"{key}/{name}"
        yield OpenRun(stage, name, key, {"evalmend.key": stage, **tags}, _now())
        yield Metrics(stage, tuple(cost_points(cost, round_.number)), _now())
        yield Close(stage, "FINISHED", _now())
    yield Close(key, "FINISHED", _now())


def _source_tags(command: str) -> dict[str, str]:
    """Program and, in a checkout, its commit, by the names that MLflow shows."""
    name = " ".join(command.split()[:2]) or Path(sys.argv[0]).name
    tags = {"mlflow.source.name": name, "mlflow.source.type": "LOCAL"}
    if not (ROOT / ".git").exists() or which("git") is None:
        return tags
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return tags | ({"mlflow.source.git.commit": found.stdout.strip()} if found.returncode == 0 else {})


def _now() -> int:
    return int(time.time() * 1000)
