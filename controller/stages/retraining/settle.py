"""Write a diagnosis anew with the causes that small trainings left; a stage, a function of a folder."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from controller.data.row_effects import EFFECTS_FILE
from controller.engine.artifacts import Artifact
from controller.stages.inputs import load_diagnosis, save_diagnosis
from diagnose.finding.finding import Cause, Experiment
from diagnose.slices.predicate import Slice


@dataclass(frozen=True, slots=True)
class Settled:
    """What experiments made of a finding."""

    items: Slice
    causes: Mapping[Cause, float]
    experiments: tuple[Experiment, ...]


def settle(folder: Path, diagnosis: Artifact, settled: Sequence[Settled]) -> int:
    """Write the diagnosis with the causes that experiments left, and its effects; returns the number of findings."""
    found = load_diagnosis(diagnosis.folder)
    by_items = {one.items: one for one in settled}
    findings = tuple(
        replace(finding.with_causes(one.causes), experiments=one.experiments) if one is not None else finding
        for finding, one in ((finding, by_items.get(finding.slice)) for finding in found.findings)
    )
    save_diagnosis(replace(found, findings=findings), folder)
    shutil.copyfile(diagnosis.folder / EFFECTS_FILE, folder / EFFECTS_FILE)
    return len(settled)
