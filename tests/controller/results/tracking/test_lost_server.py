"""A server that is lost: the loop goes on, and what it did not send is sent later. With a real server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.loop_results import loop_result
from mlflow import MlflowClient

from controller.results.tracking.job import Job
from controller.results.tracking.settings import Tracking
from controller.results.tracking.store import site_of
from controller.results.tracking.tracker import Tracker

pytestmark = pytest.mark.slow


class Server:
    """`mlflow server` on an SQLite database, started and killed at will on one port; at first it is not running."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it where it is not running; importing MLflow takes most of the time."""
        if self._process is not None:
            return
        words = ["server", "--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}", "--port", str(self.port)]
        words += ["--artifacts-destination", str(self._folder / "artifacts"), "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError("mlflow server did not start")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # its workers with it
            self._process.wait()
            self._process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.kill()


def tracker(server: Server, run_dir: Path, **settings: Any) -> Tracker:
    return Tracker(Tracking(uri=server.uri, **settings), run_dir, run_dir.parent.name, Job())


def found(server: Server, run_dir: Path) -> Any:
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("evalmend").experiment_id
    (run,) = client.search_runs([experiment], f"tags.`evalmend.run_dir` = '{run_dir}'")
    return run


@pytest.mark.long
def test_what_a_loop_could_not_send_is_sent_by_the_same_command(server: Server, tmp_path: Path, told: Any) -> None:
    run_dir = tmp_path / "one"
    events = told(run_dir, loop_result())
    server.kill()
    one = tracker(server, run_dir)
    for event in events:
        one.hear(event)  # no server at all, from the first word to the last
    server.start()
    again = tracker(server, run_dir)
    for event in events:
        again.hear(event)
    run = found(server, run_dir)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["sealed_gain"] == 0.302
    # What the loop has come to is written at its end too; in the same millisecond MLflow keeps one of both.
    assert {point.step for point in MlflowClient(server.uri).get_metric_history(run.info.run_id, "gain")} == {0, 1}


def test_a_server_takes_the_run_its_files_and_the_aliases_of_models(server: Server, tmp_path: Path, told: Any) -> None:
    server.start()
    run_dir = tmp_path / "one"
    one = tracker(server, run_dir)
    for event in told(run_dir, loop_result()):
        one.hear(event)
    run, client = found(server, run_dir), MlflowClient(server.uri)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["gain"] == 0.051
    assert "report.html" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    version = client.get_model_version_by_alias(f"evalmend-{tmp_path.name}", "champion")
    assert version.run_id == run.info.run_id
    assert [artifact.path for artifact in client.list_artifacts(run.info.run_id, "champion-0")] == [
        "champion-0/where.json"
    ]
    experiment = run.info.experiment_id
    page = json.loads((run_dir / "mlflow.json").read_text())["page"]
    assert page == f"{server.uri}/#/experiments/{experiment}/runs/{run.info.run_id}"


@pytest.mark.parametrize(
    ("uri", "site"),
    [
        ("http://me:secret@mlflow:5000/base/", "http://mlflow:5000/base"),
        ("https://[::1]:5000", "https://[::1]:5000"),
        ("sqlite:////tmp/mlflow.db", ""),
        ("postgresql://me:secret@db/mlflow", ""),
        ("databricks", ""),
    ],
)
def test_the_address_of_a_page_holds_no_password_and_a_database_has_none(uri: str, site: str) -> None:
    assert site_of(uri) == site


def test_a_model_is_copied_to_the_server_where_that_is_asked_for(server: Server, tmp_path: Path, told: Any) -> None:
    server.start()
    run_dir = tmp_path / "one"
    one = tracker(server, run_dir, models=True)
    for event in told(run_dir, loop_result()):
        one.hear(event)
    run, client = found(server, run_dir), MlflowClient(server.uri)
    files = [artifact.path for artifact in client.list_artifacts(run.info.run_id, "champion-0")]
    assert files == ["champion-0/config.json"]


@pytest.mark.long
def test_a_server_lost_in_the_middle_stops_no_loop_and_has_everything_when_it_is_back(
    server: Server, tmp_path: Path, told: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.start()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    unhurt = tracker(server, whole)
    for event in told(whole, loop_result()):
        unhurt.hear(event)
    events = told(cut, loop_result())
    hurt = tracker(server, cut)
    hurt.hear(events[0])
    server.kill()
    for event in events[1:-1]:
        hurt.hear(event)
    assert caplog.text.count("does not answer") == 1
    server.start()
    hurt.hear(events[-1])
    expected, run = found(server, whole), found(server, cut)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == expected.data.metrics
    assert run.data.params == expected.data.params
    assert run.data.tags["decisions"] == "accepted, nothing_to_do"
    client = MlflowClient(server.uri)
    steps = [{point.step for point in client.get_metric_history(r.info.run_id, "gain")} for r in (run, expected)]
    assert steps[0] == steps[1]
