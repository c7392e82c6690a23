"""What a loop leaves in MLflow: a real database, events of a loop that was not played."""

import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.loop_results import accepted_round, asked_round, idle_round, loop_result, rejected_round
from mlflow import MlflowClient
from mlflow.entities import Run

from controller.engine.journal.approvals import Answer
from controller.results.events import Event, LoopInterrupted, LoopWaits, ProposalApproved
from controller.results.loop_json import LoopResult
from controller.results.tracking.job import Job
from controller.results.tracking.settings import Tracking
from controller.results.tracking.tracker import Tracker, default_uri, trackers
from controller.results.verdict_json import Decision

pytestmark = pytest.mark.slow  # a fresh database takes MLflow ten seconds


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs with a database that several tests share."""
    return tmp_path_factory.mktemp("runs")


def client_of(runs: Path) -> MlflowClient:
    return MlflowClient(default_uri(runs / "any"))


def runs_of(runs: Path, run_dir: Path) -> list[Run]:
    """Runs of one loop, its own first."""
    client = client_of(runs)
    experiment = client.get_experiment_by_name("evalmend").experiment_id
    loops = client.search_runs([experiment], f"tags.`evalmend.run_dir` = '{run_dir}'")
    found, waiting = [], [*loops]
    while waiting:
        run = waiting.pop(0)
        found.append(run)
        waiting += client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    return found


def play(told: Any, run_dir: Path, result: LoopResult, job: Job | None = None, **settings: Any) -> Run:
    tracker = Tracker(Tracking(**settings), run_dir, "scan_jump", job or Job())
    for event in told(run_dir, result):
        tracker.hear(event)
    return runs_of(run_dir.parent, run_dir)[0]


def test_a_run_of_a_sweep_is_named_by_what_was_swept_and_shows_choices_and_not_paths(runs: Path, told: Any) -> None:
    job = Job(
        "evalmend loop experiment=scan seed=1",
        {"interventions": "reweight", "model": "scratch"},
        ("interventions=reweight", "budget.rounds=2"),
        "sweep 1",
    )
    run = play(told, runs / "swept", loop_result(), job)
    assert run.info.run_name == "interventions=reweight budget.rounds=2"
    params, tags = run.data.params, run.data.tags
    assert params == {
        "name": "scan_jump",
        "corpus.prompt": "prompt",
        "interventions": "reweight",
        "interventions.max_factor": "8.0",
        "model": "scratch",
        "budget.rounds": "2",  # it was swept
    }
    assert (tags["run_dir"], tags["corpus.train"], tags["corpus.root"]) == ("runs/one", "/data/rows.jsonl", "../data")
    assert "secret" not in json.dumps([params, tags])
    assert tags["mlflow.source.name"] == "evalmend loop"
    assert tags["command"] == job.command
    parent = client_of(runs).get_run(tags["mlflow.parentRunId"])
    assert "interventions, budget.rounds" in parent.info.run_name
    other = play(told, runs / "swept-too", loop_result(), Job(swept=("seed=2",), sweep="sweep 1"))
    assert other.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_the_run_of_a_sweep_shows_the_best_of_those_below_it(runs: Path, told: Any) -> None:
    results = {"seed=0": rejected_round(), "seed=1": accepted_round(), "seed=2": rejected_round()}  # .004, .051, .004
    for swept, round_ in results.items():
        run = play(told, runs / f"trial {swept}", loop_result(round_), Job(swept=(swept,), sweep="sweep 2"))
    roof = client_of(runs).get_run(run.data.tags["mlflow.parentRunId"]).data
    assert (roof.tags["best"], roof.tags["decision"]) == ("seed=1", "accepted")
    assert (roof.metrics["gain"], roof.metrics["gain_low"], roof.metrics["accepted"]) == (0.051, 0.012, 1.0)
    assert roof.tags["mlflow.note.content"].splitlines()[2] == "- +0.051 seed=1"


def test_the_run_of_a_loop_tells_the_round_that_decides_and_not_the_one_that_came_last(runs: Path, told: Any) -> None:
    result = loop_result()  # accepted, then nothing to do
    run = play(told, runs / "alone", result)
    assert run.info.run_name == "scan_jump 1a2b3c4d"
    assert run.info.status == "FINISHED"
    metrics, tags = run.data.metrics, run.data.tags
    assert (tags["decision"], tags["cause"], tags["plan"]) == ("accepted", "missing_data", "retrieve")
    assert tags["decisions"] == "accepted, nothing_to_do"
    assert (metrics["gain"], metrics["gain_low"], metrics["gain_high"]) == (0.051, 0.012, 0.09)
    assert (metrics["before"], metrics["after"]) == (0.638, 0.955)
    assert (metrics["sealed_gain"], metrics["sealed_gain_low"], tags["claim"]) == (0.302, 0.241, "confirmed")
    assert metrics["tokens"] == sum(cost.tokens for cost in result.costs.values())
    assert {one.dataset.name: one.dataset.digest for one in run.inputs.dataset_inputs} == {
        "rows.jsonl": "aa11",
        "scan": "bb22",
    }


def test_rounds_are_steps_of_one_curve_and_the_report_is_at_hand(runs: Path, told: Any) -> None:
    result = loop_result(rejected_round(0), accepted_round(1))
    run = play(told, runs / "curve", result)
    client = client_of(runs)
    curve = {point.step: point.value for point in client.get_metric_history(run.info.run_id, "score")}
    # Three tenths of the items have `jump`: before .3 * .638 + .7 * .966, after .3 * .955 + .7 * .958.
    assert curve == pytest.approx({0: 0.8676, 1: 0.8676, 2: 0.9571})
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {"report.html", "loop.json", "stages.json", "arms.json", "sources.json"}
    assert "report.html" in run.data.tags["mlflow.note.content"]
    table = json.loads(Path(client.download_artifacts(run.info.run_id, "stages.json")).read_text())
    tokens = [row[table["columns"].index("tokens")] for row in table["data"]]
    assert sum(tokens) == sum(cost.tokens for cost in result.costs.values())
    assert [run.info.run_name for run in runs_of(runs, runs / "curve")] == ["scan_jump 1a2b3c4d"]


def test_stages_have_runs_of_their_own_where_they_are_asked_for(runs: Path, told: Any) -> None:
    play(told, runs / "fine", loop_result(accepted_round()), stages=True)
    names = [run.info.run_name for run in runs_of(runs, runs / "fine")]
    assert sorted(names[1:]) == ["diagnose", "measure", "round 0", "train"]


def test_a_loop_that_is_played_again_logs_nothing_twice(runs: Path, told: Any) -> None:
    first = play(told, runs / "again", loop_result())
    second = play(told, runs / "again", loop_result())
    assert second.info.run_id == first.info.run_id
    assert second.info.status == "FINISHED"
    assert len(runs_of(runs, runs / "again")) == 1
    history = client_of(runs).get_metric_history(first.info.run_id, "gain")
    assert [point.step for point in history] == [0, 1, 1]  # after each round, and at the end
    assert len(second.inputs.dataset_inputs) == 2


def test_another_round_of_a_finished_loop_is_added_to_its_run(runs: Path, told: Any) -> None:
    first = play(told, runs / "more", loop_result(rejected_round()))
    assert first.data.tags["decision"] == "rejected"
    second = play(told, runs / "more", loop_result(rejected_round(), accepted_round(1)))
    assert second.info.run_id == first.info.run_id
    assert second.data.tags["decision"] == "accepted"
    assert second.data.metrics["sealed_gain"] == 0.302


def test_runs_of_dead_processes_are_closed_at_the_next_start_and_those_of_living_ones_are_not(
    runs: Path, told: Any
) -> None:
    play(told, runs / "first", loop_result())
    client = client_of(runs)
    experiment = client.get_experiment_by_name("evalmend").experiment_id

    def left(pid: int, host: str) -> str:
        tags = {"pid": str(pid), "evalmend.host": host, "evalmend.run_dir": str(runs / "gone")}
        return str(client.create_run(experiment, tags=tags).info.run_id)

    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    dead, alive, elsewhere = (
        left(most + 1, socket.gethostname()),
        left(os.getpid(), socket.gethostname()),
        left(1, "far"),
    )
    play(told, runs / "next", loop_result())
    assert [client.get_run(run).info.status for run in (dead, alive, elsewhere)] == ["KILLED", "RUNNING", "RUNNING"]


def test_an_interrupted_loop_is_closed_as_what_it_is(runs: Path, told: Any) -> None:
    for is_error, status in ((True, "FAILED"), (False, "KILLED")):
        run_dir = runs / f"interrupted-{status}"
        tracker = Tracker(Tracking(), run_dir, "scan_jump", Job())
        tracker.hear(told(run_dir, loop_result())[0])
        tracker.hear(LoopInterrupted(is_error))
        assert runs_of(runs, run_dir)[0].info.status == status


def test_a_loop_whose_database_was_deleted_is_logged_anew(tmp_path: Path, told: Any) -> None:
    run_dir = tmp_path / "one"
    play(told, run_dir, loop_result())
    (tmp_path / "mlflow.db").rename(tmp_path / "old.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run = play(told, run_dir, loop_result(), uri=uri)
    assert run.data.metrics["gain"] == 0.051


def test_a_loop_that_waits_is_one_still_to_come_and_ends_as_what_it_came_to(runs: Path, told: Any) -> None:
    run_dir, tracker = runs / "asked", Tracker(Tracking(), runs / "asked", "scan_jump", Job())
    answer = Answer(0, "5f0e1d2c3b4a5968", "approved", "anna", "", "2030-01-02T03:04:05Z")
    waits = replace(loop_result(asked_round()), status="waiting")
    opened, model, ended, over = told(run_dir, loop_result(accepted_round()))

    def after(*events: Event) -> tuple[str, str]:
        for event in (opened, model, *events):
            tracker.hear(event)
        (run,) = runs_of(runs, run_dir)
        return run.info.status, run.data.tags["decision"]

    assert after(LoopWaits(waits)) == ("SCHEDULED", "awaiting_approval")
    assert after(LoopWaits(waits)) == ("SCHEDULED", "awaiting_approval")  # nobody has answered
    approved = ProposalApproved(0, answer, replace(waits, rounds=(), status="running"))
    assert after(approved) == ("RUNNING", "approved")
    for _ in range(2):  # and played again
        assert after(approved, ended, over) == ("FINISHED", "accepted")


def test_an_idle_loop_has_a_decision_and_no_gain(runs: Path, told: Any) -> None:
    result = loop_result(idle_round(0, Decision.NOTHING_TO_DO, "no slice fails more than the rest", ()))
    run = play(told, runs / "idle", result)
    assert (run.data.tags["decision"], run.data.tags["cause"]) == ("nothing_to_do", "none")
    assert "gain" not in run.data.metrics


def test_what_mlflow_refuses_is_said_and_does_not_stop_the_loop(
    runs: Path, told: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = play(told, runs / "refused", loop_result(), Job(choices={"no@name": "x"}))
    assert "MLflow does not take params" in caplog.text
    assert run.data.tags["decision"] == "accepted"


@pytest.mark.parametrize("uri", ["nowhere://host", "runs/folder"])
def test_an_address_that_mlflow_does_not_know_is_refused_before_anything_is_done(uri: str) -> None:
    with pytest.raises(ValueError, match=r"tracking\.uri must be an MLflow server"):
        Tracking(uri=uri)


def test_nothing_is_logged_where_tracking_is_off(tmp_path: Path) -> None:
    assert trackers(Tracking(uri="none"), tmp_path, "scan_jump", Job()) == ()
