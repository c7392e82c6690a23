"""Versions of code: an edit is seen by the stages that run it, and by no other."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.engine.versions import PACKAGES, ROOT, Code, this_code
from controller.stages.diagnose import diagnose
from controller.stages.measure import hash_items, measure
from controller.stages.propose import propose
from controller.stages.read import read_data
from controller.stages.retraining.retrain import retrain
from controller.stages.train import train

STAGES = (diagnose, hash_items, measure, propose, read_data, retrain, train)
_GRAPH = this_code()._graph


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages in another folder, to be edited."""
    root = tmp_path_factory.mktemp("code")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def version(root: Path, function: Callable[..., Any]) -> str:
    return Code(root, _GRAPH).version({function.__module__})


@pytest.mark.parametrize("function", STAGES, ids=lambda function: function.__name__)
def test_an_edit_changes_the_version_of_exactly_the_stages_that_run_the_module(
    copied: Path, function: Callable[..., Any]
) -> None:
    before = version(copied, function)
    inside = Code(copied, _GRAPH).closure({function.__module__})
    for module in sorted(_GRAPH.modules):
        source = Code(copied, _GRAPH).files(module)[0]
        text = source.read_text(encoding="utf-8")
        source.write_text(f"{text}\n", encoding="utf-8")
        assert (version(copied, function) != before) == (module in inside), module
        source.write_text(text, encoding="utf-8")
    assert version(copied, function) == before


def test_a_file_that_a_module_reads_belongs_to_its_version(copied: Path) -> None:
    before = version(copied, diagnose)
    with (copied / "diagnose" / "finding" / "fitted" / "evidence.json").open("a") as file:
        file.write("\n")
    assert version(copied, diagnose) != before
    assert version(copied, train) == version(ROOT, train)


def test_a_training_runs_no_code_of_page_verdict_or_diagnosis() -> None:
    inside = this_code().closure({train.__module__})
    rooms = {".".join(module.split(".")[:2]) for module in inside}
    assert not rooms & {"controller.results", "controller.verdict", "controller.loop", "diagnose.evidence"}
    code = Code(ROOT, _GRAPH)
    is_file = {module: code.files(module)[0].name != "__init__.py" for module in _GRAPH.modules}
    assert sum(is_file[module] for module in inside) < 0.1 * sum(is_file.values())


def test_a_module_of_a_user_s_own_has_the_version_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_fix.py").write_text("FACTOR = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("my_own_fix")
    before = this_code().version({"my_own_fix"})
    (tmp_path / "my_own_fix.py").write_text("FACTOR = 2\n")
    assert this_code().version({"my_own_fix"}) != before
