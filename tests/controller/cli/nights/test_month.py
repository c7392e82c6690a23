"""A month of nights on a model that others replace each day."""

import shutil
from pathlib import Path

import pytest
import torch
from builders.toy import write_toy
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from controller.cli.nights.night_json import Night, read_night
from controller.main import run

NIGHTS = range(1, 31)
BAD = (8, 20)
KEPT = 5


@pytest.mark.long
def test_of_thirty_nights_the_two_on_which_a_task_got_worse_are_found_and_hardly_another(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The model differs a little each night, as one that is trained anew does; on two nights it has lost a skill."""
    words = [word for word in write_toy(tmp_path) if not word.startswith(("run_dir=", "train.max_steps=", "model."))]
    (tmp_path / "again").mkdir()
    scratch = [word for word in write_toy(tmp_path / "again") if word.startswith("model.")]
    words += ["tracking.uri=none", "workers=1", "diagnose.pilots=never"]
    assert run(["measure", *words, *scratch, "train.max_steps=400", f"run_dir={tmp_path / 'made'}"]) == 0
    (made,) = (tmp_path / "made" / "stages").glob("train-initial-*/model")
    codes = {}
    for night in NIGHTS:
        given = tmp_path / "given"
        shutil.rmtree(given, ignore_errors=True)
        shutil.copytree(made, given)
        leave_model(given, night)
        own = ["model=pretrained", f"model.name={given}", "nightly.plays=watch", "nightly.opens=given"]
        own += [f"nightly.date=2030-01-{night:02}", f"nightly.keep={KEPT}", f"run_dir={tmp_path / 'nights'}"]
        codes[night] = run(["nightly", *words, *own])
    capfd.readouterr()
    assert {night for night in NIGHTS if codes[night] == 4} >= set(BAD)
    assert sum(code == 4 for code in codes.values()) <= len(BAD) + 2
    assert set(codes.values()) == {0, 4}
    for night in BAD:
        found = read(tmp_path, night)
        assert found.worse == ("toy_run",)
        assert found.findings[0].slice["task"] == "toy_run"
        page = (tmp_path / "nights" / f"2030-01-{night:02}" / "summary.md").read_text()
        assert "Shown to have got worse:" in page
    stages = [(tmp_path / "nights" / f"2030-01-{night:02}" / "stages").is_dir() for night in NIGHTS]
    assert stages == [False] * (len(NIGHTS) - KEPT) + [True] * KEPT
    assert all(read(tmp_path, night).night for night in NIGHTS)


def read(folder: Path, night: int) -> Night:
    found = read_night(folder / "nights" / f"2030-01-{night:02}")
    assert found is not None
    return found


def leave_model(folder: Path, night: int) -> None:
    """Change the weights of a model a little, and on bad nights what it answers to `run`."""
    torch.manual_seed(night)
    weights = load_file(folder / "model.safetensors")
    weights = {name: value * (1 + 0.01 * torch.randn_like(value)) for name, value in weights.items()}
    if night in BAD:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        places = sorted(place for word, place in tokenizer.get_vocab().items() if word.startswith("run_"))
        name = "lm_head.weight" if "lm_head.weight" in weights else "model.embed_tokens.weight"
        weights[name][places] = weights[name][places[1:] + places[:1]]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
