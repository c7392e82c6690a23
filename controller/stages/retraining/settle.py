"""Write a diagnosis anew with the causes that small trainings left; a stage, a function of a folder."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.row_effects import EFFECTS_FILE
from controller.engine.artifacts import Artifact
from controller.stages.inputs import DIAGNOSIS_FILE
from diagnose.finding.finding import Cause, Diagnosis, Experiment
from diagnose.slices.predicate import Slice


@dataclass(frozen=True, slots=True)
class Settled:
    """What experiments made of a finding."""

    items: Slice
    causes: Mapping[Cause, float]
    experiments: tuple[Experiment, ...]


def settle(folder: Path, diagnosis: Artifact, settled: Sequence[Settled]) -> int:
    """Write the diagnosis with the causes that experiments left, and its effects; returns the number of findings."""
    found = TypeAdapter(Diagnosis).validate_json((diagnosis.folder / DIAGNOSIS_FILE).read_bytes())
    by_items = {one.items: one for one in settled}
    findings = tuple(
        replace(finding.with_causes(one.causes), experiments=one.experiments) if one is not None else finding
        for finding, one in ((finding, by_items.get(finding.slice)) for finding in found.findings)
    )
    (folder / DIAGNOSIS_FILE).write_bytes(TypeAdapter(Diagnosis).dump_json(replace(found, findings=findings)))
    shutil.copyfile(diagnosis.folder / EFFECTS_FILE, folder / EFFECTS_FILE)
    return len(settled)
