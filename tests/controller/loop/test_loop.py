"""The whole loop, for real: what it leaves, the same command twice, a kill -9, a sweep."""

import json
import re
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import mlflow
import psutil
import pyarrow.parquet as pq
import pytest
from builders.checkout import ROOT, finish, journal, start
from mlflow.entities import Run

from controller.main import run
from controller.results.loop_json import read_loop

SMOKE = ["experiment=smoke", "verify.seeds=3"]

pytestmark = pytest.mark.slow


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key != "seconds"}
    return [without_times(part) for part in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directory of a finished smoke loop."""
    folder = tmp_path_factory.mktemp("smoke")
    finish(start(["loop", *SMOKE, "run_dir=runs/whole"], folder))
    return folder / "runs" / "whole"


def test_loop_json_is_of_its_schema_and_holds_no_nan(smoke: Path) -> None:
    text = (smoke / "loop.json").read_text()
    assert "NaN" not in text
    jsonschema.validate(json.loads(text), json.loads((ROOT / "docs" / "loop.schema.json").read_text()))
    result = read_loop(smoke)
    assert set(result.rounds[0].verdict.arms) == {"before", "challenger", "continue", "random"}
    arms = [arm for name, arm in result.rounds[0].verdict.arms.items() if name != "before"]
    assert max(arm.tokens for arm in arms) - min(arm.tokens for arm in arms) <= 32  # within one row


def test_each_training_on_random_rows_has_rows_of_its_own(smoke: Path) -> None:
    def trained_on(arm: str) -> set[str]:
        stages = sorted((smoke / "stages").glob(f"train-{arm}-1??-*"))
        assert len(stages) == 3
        inputs = [json.loads((stage / "done.json").read_text())["inputs"] for stage in stages]
        (digests,) = zip(*(re.findall(r'"digest": "[^"]*-[^"]*"', json.dumps(one)) for one in inputs), strict=True)
        return set(digests)

    assert len(trained_on("random")) == 3
    assert len(trained_on("challenger")) == len(trained_on("continue")) == 1


@pytest.mark.long
def test_every_arm_trains_on_the_tokens_of_the_fix_or_on_its_compute_with_the_diagnosis(tmp_path: Path) -> None:
    finish(start(["loop", *SMOKE, "verify=full", "train.max_steps=10", "run_dir=runs/full"], tmp_path))
    text = (tmp_path / "runs" / "full" / "loop.json").read_text()
    jsonschema.validate(json.loads(text), json.loads((ROOT / "docs" / "loop.schema.json").read_text()))
    (round_,) = read_loop(tmp_path / "runs" / "full").rounds
    arms = dict(round_.verdict.arms)
    made = {name for name, what in round_.plan.controls.items() if not what.startswith("not trained")}
    assert {"continue", "random", "stratified", "bm25", "loss", "shuffled"} <= made
    assert set(arms) == {"before", "challenger", "continue@compute", "random@compute", *made}
    assert {gain.control for gain in round_.verdict.gains} == set(arms) - {"before", "challenger"}
    fix = arms["challenger"]
    for name in made:
        assert abs(arms[name].tokens - fix.tokens) <= 32  # within one row
    for name in ("continue@compute", "random@compute"):
        found = round_.costs["diagnose"].flops + round_.costs["propose"].flops  # retrieval asks where rows stand
        assert arms[name].flops == pytest.approx(fix.flops + found, rel=0.01)
        assert arms[name].steps > fix.steps  # a schedule of its own
    assert round_.costs["choose_controls"].tokens > 0


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directory of a loop with one control, and without a user's word on the share of the draws."""
    folder = tmp_path_factory.mktemp("plain")
    words = ["verify=continue", "interventions.share=null", "train.max_steps=10", "run_dir=runs/one"]
    finish(start(["loop", *SMOKE, *words], folder))
    return folder / "runs" / "one"


@pytest.mark.long
def test_the_old_data_alone_is_enough_for_a_verdict(plain: Path) -> None:
    verdict = read_loop(plain).rounds[0].verdict
    assert [gain.control for gain in verdict.gains] == ["continue"]
    assert verdict.guards


@pytest.mark.long
def test_the_share_of_free_answers_is_tried_small_before_anything_is_proposed(plain: Path, smoke: Path) -> None:
    """Three tenths of an arm's tokens for each part of the draws, asked no item but those of the diagnosis."""
    (round_,) = read_loop(plain).rounds
    pilots = round_.plan.pilots
    assert [pilot.scale for pilot in pilots] == [0.25, 0.5, 1.0]
    assert sum(pilot.is_chosen for pilot in pilots) == 1
    fix, items = round_.verdict.arms["challenger"], pq.read_table(plain / "items-probe.parquet").num_rows
    assert round_.costs["pilots"].tokens >= 3 * (0.3 * fix.tokens + items)
    stages = [line["stage"].rpartition("-")[0] for line in journal(plain)]
    assert sum(name.startswith("train-pilot") for name in stages) == 2 * 3  # started and finished
    assert max(k for k, name in enumerate(stages) if "pilot" in name) < stages.index("train-challenger-100")
    assert not read_loop(smoke).rounds[0].plan.pilots  # a user has said what share it is to be


def test_no_select_or_sealed_item_reached_diagnosis_or_mix(smoke: Path) -> None:
    probe = pq.read_table(smoke / "items-probe.parquet").to_pylist()
    select = pq.read_table(smoke / "items-select.parquet").to_pylist()
    asked = {row["prompt"] for row in probe} | {row["prompt"] for row in select}
    assert not {row["prompt"] for row in probe} & {row["prompt"] for row in select}
    shown = {item.id for finding in read_loop(smoke).rounds[0].diagnosis.findings for item in finding.failed_items}
    assert shown
    assert shown <= {row["id"] for row in probe}
    mix = pq.read_table(smoke / "mix-0.parquet").to_pylist()
    assert not asked & {row["prompt"] for row in mix}
    assert sum(row["weight"] for row in mix) == pytest.approx(1)
    assert all(row["reason"] for row in mix)
    assert not (smoke / "items-sealed.parquet").exists()  # nothing was accepted, so they stayed closed


def test_the_report_is_one_file_that_asks_for_nothing(smoke: Path) -> None:
    page = (smoke / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']+""", page)
    assert "<svg" in page
    assert "starter_descend" in page


def mlflow_run(run_dir: Path) -> Run:
    """The run of a loop in the database beside it."""
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{run_dir.parent / 'mlflow.db'}")
    return client.get_run(json.loads((run_dir / "mlflow.json").read_text())["ids"]["loop"])


def test_mlflow_shows_the_loop_as_one_run_with_its_decision_and_its_data(smoke: Path) -> None:
    loop, result = mlflow_run(smoke), read_loop(smoke)
    assert loop.info.status == "FINISHED"
    assert loop.info.run_name == f"smoke {result.config_hash[:8]}"
    assert loop.data.params["train.max_steps"] == "40"
    assert loop.data.params["interventions"] == "retrieve"
    assert "run_dir" not in loop.data.params
    assert loop.data.tags["decision"] == result.rounds[0].verdict.decision.value
    assert "probe/starter_descend" in loop.data.metrics
    data = {one.tags[0].value: one.dataset.name for one in loop.inputs.dataset_inputs}
    assert (data["corpus"], data["pool"]) == ("starter train.jsonl", "starter pool.jsonl")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{smoke.parent / 'mlflow.db'}")
    assert client.get_model_version_by_alias("evalmend-smoke", "champion").run_id == loop.info.run_id


def test_the_same_command_again_repeats_no_stage(smoke: Path) -> None:
    before = read_loop(smoke)
    lines = len(journal(smoke))
    finish(start(["loop", *SMOKE, "run_dir=runs/whole"], smoke.parents[1]))
    assert {line["event"] for line in journal(smoke)[lines:]} == {"reused"}
    assert read_loop(smoke).rounds[0].verdict == before.rounds[0].verdict


@pytest.mark.long
def test_a_loop_killed_after_training_ends_alike_and_does_no_finished_stage_twice(smoke: Path) -> None:
    folder = smoke.parents[1]
    run_dir = smoke.parent / "killed"
    for wanted in ("train-initial", "train-random"):
        process = start(["loop", *SMOKE, "run_dir=runs/killed"], folder)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None:
            done = journal(run_dir) if (run_dir / "journal.jsonl").is_file() else []
            if any(line["event"] == "finished" and line["stage"].startswith(wanted) for line in done):
                break
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGKILL)
        process.communicate()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    finish(start(["loop", *SMOKE, "run_dir=runs/killed"], folder))
    whole, killed = (json.loads((smoke.parent / name / "loop.json").read_text()) for name in ("whole", "killed"))
    assert without_times(killed) == without_times(whole)
    finished = Counter(line["stage"] for line in journal(run_dir) if line["event"] == "finished")
    assert set(finished.values()) == {1}


def test_ctrl_c_exits_130_with_a_hint_and_leaves_no_process(tmp_path: Path) -> None:
    process = start(["loop", *SMOKE, "run_dir=runs/stopped"], tmp_path)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(tmp_path.glob("runs/stopped/stages/train-initial-*")):
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(children, timeout=10)  # multiprocessing's own bookkeeper sees a closed pipe and goes
    assert not alive


def test_a_row_that_is_wrong_is_told_in_one_line_and_nothing_else(tmp_path: Path) -> None:
    row = '{"question": "1 + 1", "answer": "2"}\n'
    (tmp_path / "rows.jsonl").write_text(row)
    (tmp_path / "items.jsonl").write_text(row)
    (tmp_path / "mine.yaml").write_text(
        "task: mine\ndataset_path: json\ndataset_kwargs: {data_files: {test: items.jsonl}}\ntest_split: test\n"
        "output_type: loglikelihood\ndoc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n"
        "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\n"
    )
    process = start(["measure", "corpus.train=rows.jsonl", "evals.tasks=[mine]", "evals.include_path=."], tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert len(err.splitlines()) == 1
    assert "row 1 has no field 'prompt' (corpus.prompt); it has question, answer" in err


@pytest.mark.long
def test_a_sweep_makes_comparable_runs_under_one_parent(tmp_path: Path) -> None:
    sweep = [
        "--multirun",
        "seed=0,1",
        "interventions=reweight,retrieve",
        "train.max_steps=10",
        "train.update.max_steps=3",
    ]
    finish(start(["loop", *SMOKE, *sweep], tmp_path))
    runs = tmp_path / "runs"
    loops = sorted(runs.glob("smoke-*"))
    assert len(loops) == 4
    logged = [mlflow_run(loop) for loop in loops]
    assert len({run.data.tags["mlflow.parentRunId"] for run in logged}) == 1
    assert sorted(run.info.run_name for run in logged) == sorted(
        f"seed={seed} interventions={fix}" for seed in (0, 1) for fix in ("reweight", "retrieve")
    )
    looks = [json.loads(line)["look"] for line in (runs / "ledger.jsonl").read_text().splitlines()]
    assert sorted(looks)[:4] == [1, 2, 3, 4]  # every trial is a look at the same items
    results = [read_loop(loop) for loop in loops]
    assert len({result.data_hash for result in results}) == 1
    assert sorted(result.seed for result in results) == [0, 0, 1, 1]
    kinds = {action.kind for result in results for action in result.rounds[0].plan.actions}
    assert kinds == {"reweight", "retrieve"}


def test_one_stage_verbs_go_on_from_what_is_there(smoke: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(smoke.parents[1])
    lines = len(journal(smoke))
    export = tmp_path / "mix.jsonl"
    assert run(["propose", *SMOKE, "run_dir=runs/whole", f"propose.export={export}"]) == 0
    assert {line["event"] for line in journal(smoke)[lines:]} == {"reused"}
    rows = [json.loads(line) for line in export.read_text().splitlines()]
    added = sum(action.num_added for action in read_loop(smoke).rounds[0].plan.actions)
    assert sum(row["kind"] == "retrieve" for row in rows) == added >= 180  # of 200 wanted
    assert {"prompt", "completion", "weight", "id", "reason"} <= set(rows[0])


def test_given_models_score_as_they_did_in_the_loop_that_made_them(
    smoke: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(smoke.parents[1])
    before = next(smoke.glob("stages/train-initial-*/model"))
    after = ",".join(str(next(smoke.glob(f"stages/train-challenger-{seed}-*/model"))) for seed in (100, 101, 102))
    given = ["verify", *SMOKE, "run_dir=runs/given", f"verify.model={before}"]
    assert run([*given, f"verify.challenger=[{after}]"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("starter_descend"))
    scores = [float(score) for score in re.findall(r"\.\d{3}", line)[:2]]
    arms = read_loop(smoke).rounds[0].verdict.arms
    assert scores == pytest.approx([arms["before"].score, arms["challenger"].score], abs=5e-4)
    assert "p = " in line
    assert run([*given, f"verify.challenger={after.split(',')[0]}"]) == 0
    assert "no verdict from fewer than 3 seeds" in capsys.readouterr().out
    assert run([*given]) == 2
    assert "verify.challenger" in capsys.readouterr().err


@pytest.mark.long
def test_a_second_night_goes_on_from_the_champion_of_the_first(tmp_path: Path) -> None:
    night = ["nightly", *SMOKE, "run_dir=nights", "train.max_steps=10", "train.update.max_steps=3"]
    out = finish(start(night, tmp_path))
    first = Path(out.strip().splitlines()[-1]).parent
    assert "## Round 0" in (first / "summary.md").read_text()
    yesterday = first.with_name("2001-01-01")
    first.rename(yesterday)
    finish(start(night, tmp_path))
    assert "## Since 2001-01-01" in (first / "summary.md").read_text()
    assert [line for line in journal(yesterday) if line["stage"].startswith("train-initial")]
    assert not [line for line in journal(first) if line["stage"].startswith("train-initial")]
    scores = [read_loop(path).rounds[0].verdict.arms["before"].score for path in (yesterday, first)]
    assert scores[0] == scores[1]


def test_doses_asked_of_a_finished_loop_change_no_verdict_and_repeat_no_stage(smoke: Path) -> None:
    run_dir = smoke.parent / "dosed"
    shutil.copytree(smoke, run_dir)
    lines = len(journal(run_dir))
    looks = (smoke.parent / "ledger.jsonl").read_text()
    finish(start(["loop", *SMOKE, "verify.doses=[1.002,0.5]", "run_dir=runs/dosed"], smoke.parents[1]))
    (plain,), (dosed,) = read_loop(smoke).rounds, read_loop(run_dir).rounds
    assert replace(dosed.verdict, doses=()) == plain.verdict
    assert (smoke.parent / "ledger.jsonl").read_text() == looks
    finished = [line["stage"] for line in journal(run_dir)[lines:] if line["event"] == "finished"]
    done = [stage.rsplit("-", 1)[0] for stage in finished]  # without the hash
    tried = [f"{what}-dose-0.5-{seed}" for what in ("train", "measure") for seed in (100, 101, 102)]
    assert sorted(done) == sorted(["dose-0.5", "dose-1.002", *tried])
    half, fix = dosed.verdict.doses  # the other adds no row beyond those of the fix
    assert (half.dose, fix.dose) == (0.5, 1.0)
    assert fix.num_added == sum(action.num_added for action in plain.plan.actions)
    assert half.num_added == round(fix.num_added / 2)
    challenger = dosed.verdict.arms["challenger"]
    assert (fix.score, fix.ci, fix.tokens) == (challenger.score, challenger.ci, challenger.tokens)
    assert abs(half.tokens - fix.tokens) <= 32  # within one row
    assert set(half.guards) == {guard.task for guard in plain.verdict.guards}
    assert "starter_reverse" in half.guards
    assert dosed.costs["dose"].tokens > 3 * half.tokens
    assert {name: cost.tokens for name, cost in dosed.costs.items() if name != "dose"} == {
        name: cost.tokens for name, cost in plain.costs.items()
    }
    assert "Would less have done" in (run_dir / "report.html").read_text()


def test_a_plan_without_added_rows_has_no_curve(
    smoke: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(smoke.parents[1])
    asked = ["propose", *SMOKE, "run_dir=runs/whole", "verify.doses=[0.5]"]
    assert run([*asked, "interventions=reweight"]) == 0
    assert "dose 0.5" not in capsys.readouterr().out
    assert run(asked) == 0
    added = sum(action.num_added for action in read_loop(smoke).rounds[0].plan.actions)
    assert f"dose 0.5: {round(added / 2)} rows added" in capsys.readouterr().out


def test_doses_that_the_budget_does_not_allow_cost_the_round_nothing(smoke: Path) -> None:
    spent = sum(cost.tokens for name, cost in read_loop(smoke).costs.items() if name in ("train", "train_initial"))
    run_dir = smoke.parent / "short"
    shutil.copytree(smoke, run_dir)
    short = ["verify.doses=[0.5]", f"budget.train_tokens={spent + 10}", "run_dir=runs/short"]
    finish(start(["loop", *SMOKE, *short], smoke.parents[1]))
    assert read_loop(run_dir).rounds[0].verdict == read_loop(smoke).rounds[0].verdict
