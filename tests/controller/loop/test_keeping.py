"""What of the weights of a loop's trainings stays on disk, and what a loop does without the others."""

import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
from builders.checkout import journal
from builders.fixes import RaiseSkill
from builders.toy import write_toy

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.loop.models import model_folders, read_champion
from controller.main import run
from controller.results.loop_json import LoopResult, read_loop, write_loop
from evals.model_ref import ModelRef, weight_files
from evals.weights import shared_model

pytestmark = pytest.mark.slow


SHORT = ["tracking.uri=none", "verify.seeds=2", "train.max_steps=10", "budget.rounds=1"]


def play(folder: Path, *words: str) -> LoopResult:
    """The loop of the toy that was written to the folder, started there, with a fix that acts whatever the cause."""
    with chdir(folder):
        settings = composed([*(folder / "words").read_text().splitlines(), *SHORT, *words])
        return run_loop(replace(settings, interventions=RaiseSkill()), None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished loop that kept everything."""
    folder = tmp_path_factory.mktemp("keeping")
    words = [word.replace(str(folder), ".") for word in write_toy(folder)]
    (folder / "words").write_text("\n".join(words))
    play(folder)
    return folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def with_weights(folder: Path) -> set[str]:
    """Folders with weights, without the hashes of their stages."""
    found = {path.parent for path in (folder / "run" / "stages").rglob("*.safetensors")}
    return {f"{path.parent.name.rpartition('-')[0]}/{path.name}" for path in found}


def repeats_nothing(folder: Path, *words: str) -> bool:
    """Whether the same command again ends as before, and does no stage."""
    before, lines = read_loop(folder / "run"), len(journal(folder / "run"))
    ended = play(folder, *words)
    events = {line["event"] for line in journal(folder / "run")[lines:]}
    return (ended.status, ended.rounds, ended.sealed) == ("ended", before.rounds, before.sealed) and events == {
        "reused"
    }


def test_clean_lists_and_removes_nothing_until_it_is_forced(again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = with_weights(again)
    assert run(["clean", str(again / "run")]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert with_weights(again) == before
    assert "nothing is removed without --force" in listed[-1]
    assert {line.split()[-1].split("/")[1].rpartition("-")[0] for line in listed[:-1]} >= {
        "train-continue-100",
        "train-random-101",
    }
    assert run(["clean", str(again / "run"), "--force"]) == 0
    assert len(with_weights(again)) == len(before) - len(listed) + 1
    assert run(["clean", str(again / "run")]) == 0
    assert capsys.readouterr().out.endswith("the loop needs all weights that are there\n")


def test_after_clean_the_same_command_repeats_nothing_and_more_rounds_go_on(again: Path) -> None:
    assert run(["clean", str(again / "run"), "--force"]) == 0
    assert {"build/model", "train-initial/model", "train-initial/middle"} <= with_weights(again)
    assert all(weight_files(path) for path in model_folders(read_champion(again / "run")))
    assert repeats_nothing(again)
    before, lines = read_loop(again / "run"), len(journal(again / "run"))
    longer = play(again, "budget.rounds=2")
    assert (longer.rounds[:1], len(longer.rounds)) == (before.rounds, 2)
    done = [line["stage"] for line in journal(again / "run")[lines:] if line["event"] == "finished"]
    assert not [stage for stage in done if "-10" in stage]  # seeds of the first round
    assert longer.status == "ended"


def test_what_is_kept_can_be_chosen_for_a_loop_that_is_over_and_changes_no_result(again: Path) -> None:
    everything = with_weights(again)
    later = again / "run" / "stages" / "train-later-100-0"  # as one of a round that is played again after a kill
    shutil.copytree(next((again / "run" / "stages").glob("train-random-100-*")), later)
    assert repeats_nothing(again, "train.keep=needed")
    assert weight_files(later / "model")
    shutil.rmtree(later)
    needed = with_weights(again)
    assert {"build/model", "train-initial/model", "train-challenger-100/model"} <= needed < everything
    assert repeats_nothing(again, "train.keep=champion")
    (champion,) = {path.parent.name for path in model_folders(read_champion(again / "run"))}
    left = {path.parent.parent.name for path in (again / "run" / "stages").rglob("*.safetensors")}
    assert left == {champion}
    assert repeats_nothing(again)


def test_a_loop_that_is_not_over_is_not_cleaned(again: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_loop(replace(read_loop(again / "run"), status="running"), again / "run")
    before = with_weights(again)
    assert run(["clean", str(again / "run"), "--force"]) == 2
    assert "is not over, its status is running; give its command once more" in capfd.readouterr().err
    assert with_weights(again) == before


def test_results_of_other_settings_are_not_written_over(again: Path) -> None:
    before = (again / "run" / "loop.json").read_text()
    with pytest.raises(ValueError, match=r"holds the results of other settings, .*; choose another run_dir"):
        play(again, "train.learning_rate=0.01")
    assert (again / "run" / "loop.json").read_text() == before


def test_a_model_whose_weights_were_removed_says_how_it_is_trained_again(again: Path) -> None:
    assert run(["clean", str(again / "run"), "--force"]) == 0
    (stage,) = (again / "run" / "stages").glob("train-random-100-*")
    with pytest.raises(ValueError, match=r"clean has removed them; remove .* too and give the same command"):
        shared_model(ModelRef(str(stage / "model")))
