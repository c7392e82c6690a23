"""Log to MLflow: a run for the loop, one for each round in it, one for each stage in that. Its only importer.

Values come from `loop.json`'s types, so MLflow and the file cannot differ. Run ids are
kept in `tracking.json` of the run directory: a resumed loop continues its own runs and logs nothing twice.
Only the parent process writes, in batches; a first use of an empty database takes some seconds and racing
processes break it, so it is made under a lock.
"""

import fcntl
import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from controller.engine.budget import Cost
from controller.engine.hashes import hash_of
from controller.results.diagnosis_json import FidelityRecord
from controller.results.events import (
    DataRead,
    Event,
    LoopEnded,
    LoopInterrupted,
    LoopOpened,
    ModelNamed,
    RoundEnded,
)
from controller.results.loop_json import LOOP_FILE, LoopResult, Round, Score, VerdictRecord
from controller.results.page.page import PAGE_FILE

log = logging.getLogger(__name__)

EXPERIMENT = "evalmend"
PARENT_TAG = "mlflow.parentRunId"
SWEEP_TAG = "evalmend.sweep"
_LONGEST_NAME = 250


def default_uri(run_dir: Path) -> str:
    """Address of one database for all runs beside each other; absolute, because sweeps change directory."""
    return f"sqlite:///{(run_dir.parent / 'mlflow.db').absolute()}"


class Tracker:
    """Listener that keeps the MLflow runs of one loop; a resumed loop opens its run again."""

    def __init__(self, uri: str, run_dir: Path, name: str, sweep: str | None) -> None:
        self._run_dir = run_dir
        self._file = run_dir / "tracking.json"
        self._name = name
        self._ids: dict[str, str] = json.loads(self._file.read_text()) if self._file.is_file() else {}
        with _alone(run_dir.parent):
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self._experiment = self._experiment_id(run_dir.parent / "mlartifacts")
            parent = self._sweep_run(sweep) if sweep is not None else None
        self._loop = self._open("loop", name, parent)
        self._close_killed()

    @property
    def loop_run_id(self) -> str:
        return self._loop

    def hear(self, event: Event) -> None:
        match event:
            case LoopOpened():
                self._log_settings(event.settings, event.tags)
                for data in event.data:
                    self._log_data(data)
            case ModelNamed():
                self._register(event.folder, event.role, event.round)
            case RoundEnded():
                self._log_round(event.round, [event.patch] if event.patch is not None else [])
                if event.fidelity is not None:
                    self._log_fidelity(event.fidelity, event.round.number)
            case LoopEnded():
                self._finish(event.result, [self._run_dir / LOOP_FILE, self._run_dir / PAGE_FILE])
            case LoopInterrupted():
                self._client.set_terminated(self._loop, "FAILED" if event.is_error else "KILLED")

    def _log_settings(self, settings: Mapping[str, object], tags: Mapping[str, str]) -> None:
        """Log settings as parameters, and what may change between attempts as tags."""
        params = [Param(key, str(value)[:6000]) for key, value in _flat(settings)]
        known = self._client.get_run(self._loop).data.params
        params = [param for param in params if param.key not in known]  # parameters cannot be written again
        for start in range(0, len(params), 100):
            self._client.log_batch(self._loop, params=params[start : start + 100])
        self._client.log_batch(self._loop, tags=[RunTag(key, value) for key, value in tags.items()])

    def _log_data(self, data: DataRead) -> None:
        """Log a data set as an input of the loop."""
        entity = Dataset(
            name=data.context,
            digest=data.digest[:36],
            source_type="local" if not data.source.startswith("hub:") else "hugging_face",
            source=json.dumps({"uri": data.source}),
            profile=json.dumps({"num_rows": data.num_rows}),
        )
        context = [InputTag("mlflow.data.context", data.context)]
        self._client.log_inputs(self._loop, [DatasetInput(entity, context)])

    def _log_round(self, round_: Round, artifacts: Iterable[Path]) -> None:
        """Log a finished round, its stages nested in it."""
        key = f"round-{round_.number}"
        if key in self._ids:
            return
        run = self._create(key, f"round {round_.number}", self._loop)
        scores = [*_score_metrics(round_.measure.split, round_.measure.scores, round_.number)]
        scores += _verdict_metrics(round_.verdict, round_.number)
        self._log_metrics(run, scores)
        self._log_metrics(self._loop, scores)  # curves over the rounds
        verdict = round_.verdict
        tags = {"decision": verdict.decision.value, "reason": verdict.reason}
        if round_.diagnosis.findings:
            tags["cause"] = round_.diagnosis.findings[0].cause
            tags["finding"] = str(dict(round_.diagnosis.findings[0].slice))
        self._client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])
        for name, cost in round_.costs.items():
            self._log_stage(f"{key}/{name}", name, run, cost)
        for path in artifacts:
            self._client.log_artifact(run, str(path))
        self._client.set_terminated(run)
        self._remember(key, run)

    def _log_fidelity(self, fidelity: FidelityRecord, round_number: int) -> None:
        """Log the fidelity apart from its round, since it may be measured after the round is finished."""
        key = f"fidelity-{round_number}"
        if key in self._ids:
            return
        self._log_metrics(self._loop, list(_fidelity_metrics(fidelity, round_number)))
        self._remember(key, self._loop)

    def _register(self, folder: Path, alias: str, round_number: int) -> None:
        """Register a model version whose alias is `champion` or `challenger`."""
        key = f"model-{alias}-{round_number}"
        if key in self._ids:
            return
        model = f"evalmend-{metric_name(self._name)}"
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(model, source=folder.absolute().as_uri(), run_id=self._loop)
        self._client.set_registered_model_alias(model, alias, version.version)
        self._remember(key, str(version.version))

    def _finish(self, result: LoopResult, artifacts: Iterable[Path]) -> None:
        key = f"finished after {len(result.rounds)}"  # a larger budget may add rounds to a finished loop
        if key in self._ids:
            self._client.set_terminated(self._loop)
            return
        metrics = [Metric(f"cost/{name}_s", cost.seconds, _now(), 0) for name, cost in result.costs.items()]
        metrics.append(Metric("cost/tokens", sum(cost.tokens for cost in result.costs.values()), _now(), 0))
        if result.sealed is not None:
            metrics.append(Metric("sealed/gain", result.sealed.gain, _now(), 0))
        self._log_metrics(self._loop, metrics)
        tags = {"stopped_because": result.stopped_because, "champion": result.champion.path}
        if result.sealed is not None:
            tags["claim"] = result.sealed.claim
        self._client.log_batch(self._loop, tags=[RunTag(name, value) for name, value in tags.items()])
        for path in artifacts:
            self._client.log_artifact(self._loop, str(path))
        self._client.set_terminated(self._loop)
        self._remember(key, self._loop)

    def _log_stage(self, key: str, name: str, parent: str, cost: Cost) -> None:
        if key in self._ids:
            return
        run = self._create(key, name, parent)
        values = {"seconds": cost.seconds, "tokens": float(cost.tokens), "flops": cost.flops}
        self._log_metrics(run, [Metric(metric, value, _now(), 0) for metric, value in values.items()])
        self._client.set_terminated(run)
        self._remember(key, run)

    def _log_metrics(self, run: str, metrics: list[Metric]) -> None:
        for start in range(0, len(metrics), 1000):
            self._client.log_batch(run, metrics=metrics[start : start + 1000])

    def _open(self, key: str, name: str, parent: str | None) -> str:
        if key in self._ids:
            run = self._ids[key]
            try:
                self._client.update_run(run, status="RUNNING")
                return run
            except MlflowException as error:
                # The database was deleted or another one is asked for: log there from the start.
                log.info("MLflow does not know the runs of %s (%s): logging anew", self._run_dir, error.error_code)
                self._ids = {}
        run = self._create(key, name, parent)
        self._remember(key, run)
        return run

    def _create(self, key: str, name: str, parent: str | None) -> str:
        tags = {"evalmend.key": key, "evalmend.run_dir": str(self._run_dir)}
        if parent is not None:
            tags[PARENT_TAG] = parent
        return str(self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id)

    def _remember(self, key: str, value: str) -> None:
        self._ids[key] = value
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._ids, indent=1))
        temporary.replace(self._file)

    def _close_killed(self) -> None:
        """Close runs that a killed attempt left RUNNING and that no id remembers."""
        where = f"tags.`evalmend.run_dir` = '{self._run_dir}' and attributes.status = 'RUNNING'"
        for run in self._client.search_runs([self._experiment], where):
            if run.info.run_id != self._loop:
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _experiment_id(self, artifacts: Path) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=artifacts.absolute().as_uri()))

    def _sweep_run(self, sweep: str) -> str:
        """Find the parent run of all jobs of a sweep; the first job makes it."""
        found = self._client.search_runs([self._experiment], f"tags.`{SWEEP_TAG}` = '{sweep}'")
        if found:
            return str(found[0].info.run_id)
        run = self._client.create_run(self._experiment, tags={SWEEP_TAG: sweep}, run_name=f"sweep {sweep}")
        self._client.set_terminated(run.info.run_id)  # it is only a roof: nobody knows which job is the last
        return str(run.info.run_id)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".mlflow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _now() -> int:
    return int(time.time() * 1000)


def metric_name(name: str) -> str:
    """Make a name that MLflow takes: letters, digits and a few signs, a normal path, at most 250 characters."""
    safe = re.sub(r"[^\w./: -]", "_", name)
    path = "/".join(part for part in safe.split("/") if part.strip("."))
    if len(path) <= _LONGEST_NAME:
        return path
    return f"{path[: _LONGEST_NAME - 9]}-{hash_of(name)[:8]}"


def _score_metrics(split: str, scores: Iterable[Score], step: int) -> Iterator[Metric]:
    for score in scores:
        where = "/".join([score.task, *(f"{key}:{value}" for key, value in score.slice.items())])
        yield Metric(metric_name(f"{split}/{where}"), score.score.mean, _now(), step)


def _verdict_metrics(verdict: VerdictRecord, step: int) -> list[Metric]:
    metrics = [Metric(metric_name(f"arm/{name}"), arm.score, _now(), step) for name, arm in verdict.arms.items()]
    metrics += [Metric(metric_name(f"guard/{guard.task}"), guard.change, _now(), step) for guard in verdict.guards]
    for group in verdict.groups:
        where = "/".join(f"{key}:{value}" for key, value in group.slice.items())
        metrics.append(Metric(metric_name(f"change/{where}"), group.change, _now(), step))
    if verdict.gain is not None:
        metrics += [
            Metric("gain", verdict.gain.mean, _now(), step),
            Metric("gain_p", verdict.gain.p, _now(), step),
        ]
    return metrics


def _fidelity_metrics(fidelity: FidelityRecord, step: int) -> Iterator[Metric]:
    if fidelity.lds is not None:
        yield Metric("fidelity/lds", fidelity.lds.mean, _now(), step)
    if fidelity.slice_lds is not None:
        yield Metric("fidelity/slice_lds", fidelity.slice_lds.mean, _now(), step)
    if fidelity.ceiling is not None:
        yield Metric("fidelity/ceiling", fidelity.ceiling, _now(), step)


def _flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
