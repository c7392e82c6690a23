"""Causes that experiments left are those of the finding that they were made for."""

from dataclasses import replace
from pathlib import Path

from builders.findings import TASK, diagnosis, experiment, finding

from controller.engine.artifacts import Artifact
from controller.stages.diagnose import EFFECTS_FILE, Settled, settle
from controller.stages.inputs import load_diagnosis, save_diagnosis
from diagnose.finding.finding import Cause


def test_leaked_items_of_a_task_keep_their_cause_when_the_task_s_failures_are_settled(tmp_path: Path) -> None:
    given, made = tmp_path / "given", tmp_path / "made"
    given.mkdir()
    made.mkdir()
    failing = finding(Cause.UNKNOWN)
    leaked = replace(finding(Cause.CONTAMINATION, is_shown=False), queries=())
    save_diagnosis(diagnosis(failing, leaked), given)
    (given / EFFECTS_FILE).touch()
    tried = (experiment(Cause.MISSING_DATA),)
    settle(made, Artifact(given, "digest"), [Settled(TASK, {Cause.MISSING_DATA: 1.0}, tried, (Cause.WRONG_LABELS,))])
    found = load_diagnosis(made)
    assert [one.cause for one in found.findings] == [Cause.MISSING_DATA, Cause.CONTAMINATION]
    assert [one.experiments for one in found.findings] == [tried, ()]
    assert [one.also for one in found.findings] == [(Cause.WRONG_LABELS,), ()]
