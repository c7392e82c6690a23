"""A loop that asks, from the command line: exit code 3 and no process left, what it shows, and how it goes on."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import mlflow
import psutil
import pyarrow.parquet as pq
import pytest
from builders.checkout import ROOT, finish, start
from builders.loop_results import loop_result
from mlflow.entities import Run

from controller.cli.nights.folders import night_not_over
from controller.engine.journal.approvals import ask
from controller.main import run
from controller.results.loop_json import Status, read_loop, write_loop

SMALL = ["experiment=smoke", "verify.seeds=3", "train.max_steps=10", "train.update.max_steps=3"]
ASKING = [*SMALL, "controller.approval=ask", "interventions=retrieve", "evals.tasks=[starter_descend]"]
"""A loop that asks. With one task and one fix its plan is the same whatever cause an untrained model is told."""


def mlflow_run(run_dir: Path) -> Run:
    """The run of a loop in the database beside it."""
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{run_dir.parent / 'mlflow.db'}")
    return client.get_run(json.loads((run_dir / "mlflow.json").read_text())["ids"]["loop"])


def in_folder(folder: Path) -> list[psutil.Process]:
    """Processes that work in a folder: the program is started there, and so are its workers."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == folder:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.mark.slow
def test_a_loop_that_asks_ends_with_exit_code_3_and_goes_on_once_it_is_approved(tmp_path: Path) -> None:
    command, run_dir = ["loop", *ASKING, "run_dir=runs/mine"], tmp_path / "runs" / "mine"
    process = start(command, tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 3, err
    _, alive = psutil.wait_procs(in_folder(tmp_path), timeout=10)  # multiprocessing's own bookkeeper sees a closed pipe
    assert not alive
    left = json.loads((run_dir / "loop.json").read_text())
    jsonschema.validate(left, json.loads((ROOT / "docs" / "loop.schema.json").read_text()))
    proposal = left["rounds"][0]["approval"]["proposal"]
    waits, read, approve, reject, _ = out.splitlines()[-5:]
    kinds = pq.read_table(run_dir / "mix-0.parquet")["kind"].to_pylist()
    change = f"retrieve, {kinds.count('retrieve')} rows added where skill = descend"
    assert waits.startswith(f"round 0 waits for approval: {change}: 9 trainings, ")
    assert read.startswith(f"read {run_dir}/report.html, and every row in mix-0.parquet beside it; ")
    assert approve == f"  evalmend approve {run_dir} round=0 proposal={proposal}"
    assert reject == f'  evalmend reject {run_dir} round=0 proposal={proposal} why="..."'
    logged = mlflow_run(run_dir)
    assert (logged.info.status, logged.data.tags["decision"]) == ("SCHEDULED", "awaiting_approval")

    assert "approved by anna" in finish(start([*approve.split()[1:], "by=anna"], tmp_path))
    finish(start(command, tmp_path))
    (round_,) = read_loop(run_dir).rounds
    assert set(round_.verdict.arms) == {"before", "challenger", "continue", "random"}
    logged = mlflow_run(run_dir)
    assert (logged.info.status, logged.data.tags["decision"]) == ("FINISHED", round_.verdict.decision.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb", [["loop", "--multirun", "seed=0,1"], ["prove", "scenario=starved_skill", "world=skills"]]
)
def test_where_nobody_can_wait_for_an_answer_asking_is_refused_in_one_line(verb: list[str], tmp_path: Path) -> None:
    words = ASKING if verb[0] == "loop" else ["controller.approval=ask"]
    process = start([*verb, *words], tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    (line,) = [line for line in err.splitlines() if line.startswith("evalmend: ")]
    assert line.startswith("evalmend: controller.approval=ask is not for ")
    assert not list(tmp_path.rglob("stages"))


def test_nothing_is_proposed_over_the_files_that_a_person_reads_before_deciding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    ask(tmp_path / "run", 0, "0123456789abcdef", "400 rows")
    assert run(["propose", "experiment=smoke", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "decide on it with evalmend approve or reject" in capsys.readouterr().err
    assert not (tmp_path / "run" / "stages").exists()


def write_night(folder: Path, status: Status) -> None:
    folder.mkdir()
    write_loop(replace(loop_result(), status=status), folder)


def test_the_night_that_goes_on_is_the_last_one_and_only_if_it_is_not_over(tmp_path: Path) -> None:
    assert night_not_over(tmp_path, "2030-01-04") is None
    write_night(tmp_path / "2030-01-01", "waiting")
    assert night_not_over(tmp_path, "2030-01-01") is None  # this one
    assert night_not_over(tmp_path, "2030-01-04") == tmp_path / "2030-01-01"
    write_night(tmp_path / "2030-01-02", "ended")
    assert night_not_over(tmp_path, "2030-01-04") is None
    write_night(tmp_path / "2030-01-03", "running")  # as one that was killed after its approval
    assert night_not_over(tmp_path, "2030-01-04") == tmp_path / "2030-01-03"


@pytest.mark.slow
@pytest.mark.long
def test_a_night_that_waits_is_played_to_its_end_before_another_begins(tmp_path: Path) -> None:
    night = ["nightly", *ASKING, "run_dir=nights"]
    process = start(night, tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 3, err
    tonight = Path(out.strip().splitlines()[-1]).parent
    assert "waits for approval" in out
    assert not (tonight / "champion.json").exists()
    yesterday = tonight.rename(tonight.with_name("2001-01-01"))
    finish(start(["approve", str(yesterday), "by=anna"], tmp_path))
    finish(start(night, tmp_path))
    assert read_loop(yesterday).status == "ended"
    assert not tonight.exists()
    assert start(night, tmp_path).wait(timeout=600) == 3
    assert "## Since 2001-01-01" in (tonight / "summary.md").read_text()
