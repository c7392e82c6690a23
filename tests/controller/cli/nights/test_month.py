"""A month of nights on a model that others replace each day."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from controller.cli.nights.night_json import Night, read_night
from controller.main import run

NIGHTS = range(1, 31)
BAD = (8, 20)
KEPT = 5
USUAL, LARGE = 0.03, 0.2
"""Relative noise of a night's weights: scores differ by some thousandths, and by a tenth and more."""
ASKED = ["corpus=starter", "evals.tasks=[starter_count,starter_largest,starter_reverse]", "evals.guards=[]"]


@pytest.mark.long
def test_of_thirty_nights_the_two_that_are_worse_are_found_and_hardly_another(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The model differs a little each night, as one that is trained anew does, and on two nights much."""
    words = [*ASKED, "tracking.uri=none", "workers=1"]
    made_by = ["experiment=starter", *words[1:], f"run_dir={tmp_path / 'made'}"]
    assert run(["measure", *made_by]) == 0
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
    assert set(codes.values()) == {0, 4}
    assert {night for night in NIGHTS if codes[night] == 4} >= set(BAD)
    assert sum(code == 4 for code in codes.values()) <= len(BAD) + 2
    for night in BAD:
        found = read(tmp_path, night)
        assert "starter_reverse" in found.worse
        assert {one.slice.get("task") for one in found.findings} & set(found.worse)
        page = (tmp_path / "nights" / f"2030-01-{night:02}" / "summary.md").read_text()
        assert "## What got worse" in page
        assert "Shown to have got worse:" in page
    stages = [(tmp_path / "nights" / f"2030-01-{night:02}" / "stages").is_dir() for night in NIGHTS]
    assert stages == [False] * (len(NIGHTS) - KEPT) + [True] * KEPT
    assert all(read(tmp_path, night).night for night in NIGHTS)


def read(folder: Path, night: int) -> Night:
    found = read_night(folder / "nights" / f"2030-01-{night:02}")
    assert found is not None
    return found


def leave_model(folder: Path, night: int) -> None:
    """Change the weights of a model, much on bad nights."""
    torch.manual_seed(night)
    size = LARGE if night in BAD else USUAL
    weights = load_file(folder / "model.safetensors")
    noisy = {name: value * (1 + size * torch.randn_like(value)) for name, value in weights.items()}
    save_file(noisy, folder / "model.safetensors", {"format": "pt"})
