"""Send writes to one MLflow server or database. The only importer of mlflow.

A first use of an empty database takes some seconds, and racing processes break it, so it is made under a lock.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from urllib.parse import urlsplit

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from controller.results.tracking.names import without_password
from controller.results.tracking.settings import no_address
from controller.results.tracking.writes import (
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

PARENT_TAG = "mlflow.parentRunId"
SWEEP_TAG = "evalmend.sweep"
HOST_TAG, PID_TAG, DIR_TAG = "evalmend.host", "pid", "evalmend.run_dir"

_LONGEST_TAG = 5000
_TRY_LATER = (401, 403, 408, 429)
"""Statuses below 500 that may change without a change of the write: the token, the rate."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""MLflow itself would try for minutes before it says that a server is lost, and the loop would wait."""


class UnreachableError(Exception):
    """No answer, or none that settles the matter: the write can be sent later."""


class RefusedError(Exception):
    """MLflow does not take this write, now or later."""


class Store:
    """A connection.

    Args:
        uri: Server or database.
        experiment: Name of the MLflow experiment.
        folder: Folder of the runs, where a database's artifacts and the lock are.
        is_copying: Copy models to a server, instead of telling it where they lie.

    Raises:
        UnreachableError: nothing answers.
        ValueError: MLflow knows no such address.
    """

    def __init__(self, uri: str, experiment: str, folder: Path, *, is_copying: bool) -> None:
        self._is_server = not uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))
        self._site = site_of(uri)
        self._folder = folder
        self._is_copying = is_copying
        if self._is_server:
            for name, value in _PATIENCE.items():
                os.environ.setdefault(name, value)
        with _alone(folder), _failures():
            try:
                self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
                self._experiment = self._experiment_id(experiment)
            except MlflowException as error:
                if error.get_http_status_code() != 400:
                    raise
                raise no_address(uri, f": {str(error).splitlines()[0]}") from error

    def page(self, run_id: str) -> str:
        """Address of the page of a run; empty where no server shows it."""
        return f"{self._site}/#/experiments/{self._experiment}/runs/{run_id}" if self._site else ""

    def knows(self, run_id: str) -> bool:
        """Whether there is such a run; one that cannot be asked for now is taken to be there."""
        try:
            with _failures():
                self._client.get_run(run_id)
        except RefusedError:
            return False
        except UnreachableError:
            pass
        return True

    def send(self, write: Write, ids: Mapping[str, str]) -> str | None:  # noqa: PLR0912  # one line each
        """Send one write; returns the run's id where the write opens one.

        Raises:
            UnreachableError: try again later.
            RefusedError: MLflow will never take it.
        """
        with _failures():
            match write:
                case OpenSweep():
                    return self._open_sweep(write)
                case OpenRun():
                    parent = ids.get(write.parent or "")  # none where MLflow refused to open it
                    tags = {**write.tags, PARENT_TAG: parent} if parent is not None else write.tags
                    return self._create(write.name, write.time, tags)
            run = ids.get(write.run)
            if run is None:
                raise RefusedError(f"the run {write.run} was never opened")
            match write:
                case Reopen():
                    self._client.update_run(run, status="RUNNING")
                case Pause():
                    self._client.update_run(run, status="SCHEDULED")
                case Params():
                    known = self._client.get_run(run).data.params  # which cannot be written again
                    params = [Param(key, value) for key, value in write.values.items() if key not in known]
                    self._client.log_batch(run, params=params)
                case Tags():
                    self._client.log_batch(
                        run, tags=[RunTag(key, value[:_LONGEST_TAG]) for key, value in write.values.items()]
                    )
                case Metrics():
                    points = [Metric(point.name, point.value, write.time, point.step) for point in write.points]
                    self._client.log_batch(run, metrics=points)
                case Input():
                    self._client.log_inputs(run, [_dataset(write)])
                case File():
                    if Path(write.path).is_file():
                        self._client.log_artifact(run, write.path)
                case Text():
                    self._client.log_text(run, write.text, write.name)
                case NameModel():
                    self._name_model(run, write)
                case SumUp():
                    self._sum_up(run, write)
                case Close():
                    self._client.set_terminated(run, write.status, write.time)
        return None

    def close_dead(self, host: str, mine: Path, ours: set[str]) -> None:
        """Close runs that a killed process left open: its process is gone, or it was an earlier one of this folder.

        Args:
            host: Name of this machine: processes of others cannot be seen.
            mine: Run folder of this process.
            ours: Ids of the runs that this process goes on with.
        """
        where = f"tags.`{HOST_TAG}` = '{host}' and attributes.status = 'RUNNING'"
        with _failures():
            for run in self._client.search_runs([self._experiment], where):
                run_id, tags = run.info.run_id, run.data.tags
                if run_id not in ours and (tags.get(DIR_TAG) == str(mine) or not _is_alive(tags.get(PID_TAG, ""))):
                    self._client.set_terminated(run_id, "KILLED")

    def _create(self, name: str, time: int, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(self._experiment, start_time=time, tags=dict(tags), run_name=name)
        return str(run.info.run_id)

    def _open_sweep(self, write: OpenSweep) -> str:
        with _alone(self._folder):  # jobs of a sweep start side by side
            found = self._client.search_runs([self._experiment], f"tags.`{SWEEP_TAG}` = '{write.sweep}'")
            if found:
                return str(found[0].info.run_id)
            run = self._create(write.name, write.time, {**write.tags, SWEEP_TAG: write.sweep})
            self._client.set_terminated(run)  # it is only a roof: nobody knows which job is the last
            return run

    def _name_model(self, run: str, write: NameModel) -> None:
        try:
            self._client.create_registered_model(write.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        folder = Path(write.folder)
        source = folder.absolute().as_uri()
        if self._is_server:
            # A server takes no path of another machine's disk: the model, or a note of where it lies, is an artifact.
            name = f"{write.alias}-{write.round + 1}"
            if self._is_copying:
                self._client.log_artifacts(run, str(folder), name)
            else:
                self._client.log_text(run, json.dumps({"folder": str(folder)}), f"{name}/where.json")
            source = f"{self._client.get_run(run).info.artifact_uri}/{name}"
        version = self._client.create_model_version(write.model, source=source, run_id=run)
        self._client.set_registered_model_alias(write.model, write.alias, version.version)

    def _sum_up(self, run: str, write: SumUp) -> None:
        where = f"tags.`{PARENT_TAG}` = '{run}'"
        below = self._client.search_runs([self._experiment], where, order_by=[f"metrics.`{write.metric}` DESC"])
        if not below or write.metric not in below[0].data.metrics:
            return
        best = below[0].data
        now = int(time() * 1000)
        points = [Metric(name, best.metrics[name], now, len(below)) for name in write.metrics if name in best.metrics]
        tags = [RunTag(name, best.tags[name]) for name in write.tags if name in best.tags]
        lines = [f"{_shown(one.data.metrics.get(write.metric))} {one.info.run_name}" for one in below]
        text = "\n".join([f"{len(below)} loops, by {write.metric}:", "", *(f"- {line}" for line in lines)])
        tags += [RunTag("best", str(below[0].info.run_name)), RunTag("mlflow.note.content", text[:_LONGEST_TAG])]
        self._client.log_batch(run, metrics=points, tags=tags)

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        # A server keeps artifacts itself; a database has none, so they lie beside the runs.
        place = None if self._is_server else (self._folder / "mlartifacts").absolute().as_uri()
        return str(self._client.create_experiment(name, artifact_location=place))


@contextmanager
def _failures() -> Iterator[None]:
    """Tell failures that pass from refusals that do not."""
    try:
        yield
    except MlflowException as error:
        status = error.get_http_status_code()
        if status >= 500 or status in _TRY_LATER:
            raise UnreachableError(_first_line(error)) from error
        raise RefusedError(_first_line(error)) from error
    except (OSError, SQLAlchemyError) as error:  # requests raises kinds of OSError
        raise UnreachableError(_first_line(error)) from error


def _shown(value: float | None) -> str:
    return "no gain" if value is None else f"{value:+.3f}"


def _first_line(error: Exception) -> str:
    return without_password((str(error).splitlines() or [type(error).__name__])[0][:300])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".mlflow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_alive(pid: str) -> bool:
    return pid.isdecimal() and Path(f"/proc/{pid}").exists()


def _dataset(write: Input) -> DatasetInput:
    entity = Dataset(
        name=write.name,
        digest=write.digest[:36],
        source_type="hugging_face" if write.source.startswith("hub:") else "local",
        source=json.dumps({"uri": write.source}),
        profile=json.dumps(dict(write.profile)),
    )
    return DatasetInput(entity, [InputTag("mlflow.data.context", write.context)])


def site_of(uri: str) -> str:
    """Address of a server without a user's name and password; empty of a database."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
