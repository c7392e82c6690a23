"""Diagnosis and fixes cannot reach items of `select` and `sealed`, nor a scenario's truth: by type and at run time."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from builders.checkout import ROOT
from builders.items import item, scored, select_report
from builders.toy import model_of, unread_run

from controller.data.reports import read_report_json, write_report_json
from controller.loop.models import measure_model
from controller.prove.result import read_prove
from evals.items import ProbeReport
from evals.splits import Split

CHEAT = """
from diagnose.diagnoser import Diagnoser
from evals.items import EvalReport

def cheat(diagnoser: Diagnoser, select: EvalReport) -> None:
    diagnoser.find(select, (), ())
"""

# Writes every file that Python opens inside the stages `diagnose` and `propose`, in whatever process they run.
SPY = """
import os, sys

STAGES = ("diagnose", "propose")

def _stage():
    frame = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if "controller/stages/" in code.co_filename and code.co_name in STAGES:
            return code.co_name
        frame = frame.f_back
    return None

_writing = False

def _hook(event, arguments):
    global _writing
    if event in ("open", "os.listdir", "os.scandir") and not _writing and isinstance(arguments[0], str):
        stage = _stage()
        if stage is not None:
            _writing = True
            try:
                with open(os.environ["SPY_LOG"], "a") as file:
                    file.write(f"{stage} {os.path.abspath(arguments[0])}\\n")
            finally:
                _writing = False

sys.addaudithook(_hook)
"""


@pytest.mark.slow
def test_a_select_report_in_a_diagnosis_is_a_type_error(tmp_path: Path) -> None:
    (tmp_path / "cheat.py").write_text(CHEAT)
    (tmp_path / "honest.py").write_text(CHEAT.replace("EvalReport", "ProbeReport"))
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "cheat.py", "honest.py"],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, checked.stdout
    assert errors[0].startswith("cheat.py:6")
    assert 'incompatible type "EvalReport"; expected "ProbeReport"' in errors[0]


@pytest.mark.slow
def test_diagnosis_and_proposal_open_no_file_of_items_or_of_the_truth(tmp_path: Path) -> None:
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)
    log, folder = tmp_path / "opened.txt", tmp_path / "proving"
    words = ["scenario=two_defects", "world=skills", "seed=5", "prove.stop=diagnosis", f"run_dir={folder}"]
    few = ["train.max_steps=30", "diagnose.max_rows=300"]
    proved = subprocess.run(
        [sys.executable, "-m", "controller.main", "prove", *words, *few],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'spy'}:{ROOT}", "SPY_LOG": str(log), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert proved.returncode == 0, proved.stderr
    result = read_prove(folder / "prove.json")
    assert result.named  # the model knows next to nothing, so there was something to diagnose
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    opened = {stage: {path for name, path in lines if name == stage} for stage in ("diagnose", "propose")}
    assert any("measure-probe-" in path for path in opened["diagnose"])
    assert any(path.endswith("index.npz") for path in opened["propose"])
    for path in opened["diagnose"] | opened["propose"]:
        inside = Path(path).relative_to(folder).parts if Path(path).is_relative_to(folder) else ()
        assert "given" not in inside, path
        assert "tasks" not in inside, path
        assert not any(part.startswith(("measure-select", "measure-sealed")) for part in inside), path
        assert "prove" not in path.removeprefix(str(ROOT)).split("/"), path  # scenarios, truth, verified causes
    told = [path for path in (folder / "loop").rglob("*.json*") if "two_defects" in path.read_text()]
    assert told == []


def test_the_report_of_another_split_cannot_be_read_as_the_probe_s(tmp_path: Path) -> None:
    keys = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(30)]
    items = [item("p", id=f"{key[:8]}-0", split_key=key) for key in keys]
    select = [scored(one, 0.0) for one in items if one.split is Split.SELECT]
    report = select_report(select)
    write_report_json(report, tmp_path)
    assert read_report_json(tmp_path) == report
    with pytest.raises(PermissionError, match="a diagnosis may read probe items only"):
        read_report_json(tmp_path, ProbeReport)
    with pytest.raises(PermissionError, match=f"got {len(select)} of {len(select)} items from another split"):
        ProbeReport(report.model, Split.PROBE, report.results, 0, 0)


def test_no_stage_but_the_sealed_opening_asks_sealed_items(tmp_path: Path) -> None:
    run = unread_run(tmp_path)
    with pytest.raises(PermissionError, match=r"controller\.loop\.sealed alone, which notes it in the ledger"):
        measure_model(run, model_of(run, "given"), Split.SEALED, "cheat")
    asking = [path for path in (ROOT / "controller").rglob("*.py") if "Split.SEALED" in path.read_text()]
    assert {path.name for path in asking} == {"sealed.py", "models.py"}
    refusing = (ROOT / "controller" / "loop" / "models.py").read_text()
    assert "measure" not in "".join(re.findall(r".*Split\.SEALED.*", refusing))
