"""The proving ground: every scenario is a file, a run is held against a truth that the loop was not given."""

import json
import math
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from controller.cli.compose import CONF, composed_prove
from controller.main import run
from controller.prove.ground import loop_settings
from controller.prove.planting import plant
from controller.prove.result import read_prove
from controller.settings import LoopSettings
from diagnose.finding.finding import Cause, Diagnosis
from evals.fixtures.worlds import WORLDS

SCENARIOS = sorted(path.stem for path in (Path(CONF) / "scenario").glob("*.yaml"))


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("world", WORLDS)
def test_every_scenario_composes_in_every_world(scenario: str, world: str) -> None:
    proving = composed_prove([f"world={world}", f"scenario={scenario}"]).prove
    assert (proving.scenario.name, proving.world) == (scenario, world)
    assert proving.small_arch["hidden_size"] > 0
    assert set(proving.scenario.causes) <= set(Cause)


def test_the_loop_s_settings_do_not_hold_the_scenario(tmp_path: Path) -> None:
    settings = composed_prove(["world=skills", "scenario=wrong_gold"])
    world = WORLDS["skills"]
    given = loop_settings(settings, world, tmp_path / "given", tmp_path / "loop")
    assert type(given) is LoopSettings
    assert "wrong_gold" not in given.name
    assert given.evals.guards == ["skills_others"]


@pytest.mark.long
def test_small_trainings_show_that_leaving_out_wrong_labels_helps_and_training_on_does_not(tmp_path: Path) -> None:
    words = ["scenario=wrong_labels", "world=skills", "prove.stop=diagnosis", "seed=7", f"run_dir={tmp_path / 'run'}"]
    assert run(["prove", *words]) == 0
    result = read_prove(tmp_path / "run" / "prove.json")
    diagnosis = next((tmp_path / "run" / "loop" / "stages").glob("settle-*/diagnosis.json"))
    found = TypeAdapter(Diagnosis).validate_json(diagnosis.read_bytes())
    [finding] = [one for one in found.findings if str(one.slice) == "task = skills_descend"]
    works = {one.cause: one.works for one in finding.experiments}
    assert works[Cause.WRONG_LABELS] > 0.95
    assert works[Cause.TRAINING_SETUP] < 0.1
    assert len(finding.held_out) + len(finding.queries) == finding.num_failed
    assert 3 * len(finding.held_out) >= finding.num_failed - 2
    assert "clean" in result.actions
    assert result.removal is not None
    assert result.removal.num_both > 0.9 * result.removal.num_removed > 0


def test_a_scenario_is_one_file_of_the_user_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario").mkdir()
    (tmp_path / "scenario" / "mine.yaml").write_text(
        "# @package _global_\n"
        "prove:\n  scenario:\n    name: mine\n    causes: [underweighted]\n"
        "    target: {train_rows: 60, misread_share: 0.3}\n"
    )
    words = ["--config-dir", str(tmp_path), "scenario=mine", "prove.stop=diagnosis", "train.max_steps=3"]
    assert run(["prove", *words, f"run_dir={tmp_path / 'run'}", "diagnose.max_rows=100"]) == 0
    result = read_prove(tmp_path / "run" / "prove.json")
    assert (result.scenario, result.true_causes, result.stopped_at) == ("mine", ("underweighted",), "diagnosis")
    assert result.decision is None
    assert "true causes: underweighted" in capsys.readouterr().out


def test_prove_without_a_scenario_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prove", "world=skills"]) == 2
    assert "prove needs a scenario" in (error := capsys.readouterr().err)
    assert "starved_skill" in error


def test_an_unknown_cause_of_a_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prove", "scenario=clean", "prove.scenario.causes=[mising_data]"]) == 2
    assert "did you mean 'missing_data'?" in capsys.readouterr().err


def test_a_scenario_without_meaning_in_a_world_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["prove", "world=diary", "scenario=shortcut", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "prove.scenario.target.is_cued=True has no meaning in the world diary" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.slow
def test_a_run_on_the_proving_ground_says_what_its_own_files_say(tmp_path: Path) -> None:
    words = ["scenario=leaked_eval", "world=skills", "prove.scenario.target.train_rows=24", "seed=3"]
    few = ["prove.scenario.is_settled_by_data=true", "train.max_steps=300", "train.update.max_steps=10"]
    few += ["diagnose.max_rows=300", "prove.oracle_seeds=2"]
    folder = tmp_path / "run"
    assert run(["prove", *words, *few, f"run_dir={folder}"]) == 0
    result = read_prove(folder / "prove.json")
    loop = json.loads((folder / "loop" / "loop.json").read_text())
    (played,) = loop["rounds"]
    assert result.decision == played["verdict"]["decision"]
    assert [dict(named.slice) for named in result.named] == [f["slice"] for f in played["diagnosis"]["findings"]]
    assert result.tokens == played["verdict"]["arms"]["challenger"]["tokens"]
    # Every arm goes through the contamination gate, in words of the item and in others.
    planted = plant(WORLDS["skills"], composed_prove([*words[:3], "scenario=leaked_eval"]).prove.scenario, 3)
    assert len(planted.leaked) == 120
    assert result.contaminated_rows == 0
    assert len((folder / "loop" / "blocked-0.jsonl").read_text().splitlines()) >= 120
    assert result.oracle_tokens is not None
    assert 0 <= result.scores["oracle"] <= 1
    again = (folder / "prove.json").stat().st_mtime_ns
    assert run(["prove", *words, *few, f"run_dir={folder}"]) == 0
    assert (folder / "prove.json").stat().st_mtime_ns == again


@pytest.mark.long
@pytest.mark.slow
def test_in_plain_text_a_starved_kind_is_named_and_scores_are_nats_of_a_whole_text(tmp_path: Path) -> None:
    words = ["scenario=starved_skill", "world=diary", "seed=5", "train.max_steps=400", "train.update.max_steps=60"]
    few = ["prove.oracle_seeds=2", "verify.arms=[continue,random]", f"run_dir={tmp_path / 'run'}"]
    assert run(["prove", *words, *few]) == 0
    result = read_prove(tmp_path / "run" / "prove.json")
    first = result.named[0]
    assert first.slice == {"skill": WORLDS["diary"].target}
    assert first.cause in result.true_causes
    assert "retrieve" in result.actions
    # Who knows the world finds a text as likely as its kind, both things seen and the place, drawn at random, are.
    least = -math.log(5 * 12 * 12 * 20)
    assert least - 1 < result.scores["oracle"] < least + 0.1
    assert result.scores["before"] < least - 3
    assert result.gap_share is not None
    assert result.scores["challenger"] > result.scores["continue"] + 0.1
