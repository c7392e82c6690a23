"""Stages that diagnose a model, and that write a diagnosis anew with the causes that small trainings left."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from controller.data.mixes import load_pool
from controller.data.reports import read_report_json
from controller.data.row_effects import EFFECTS_FILE, effects_of, save_effects
from controller.engine.artifacts import Artifact
from controller.engine.budget import FORWARD_BACKWARD, Spent
from controller.engine.workers.progress import Progress
from controller.stages.inputs import DiagnosisInputs, load_diagnosis, save_diagnosis
from controller.stages.measure import INDEX_FILE
from controller.train.start import load_tokenizer
from diagnose.attribution.stream import Attribution
from diagnose.case import Case, Scope
from diagnose.finding.finding import Cause, Experiment, Finding
from diagnose.model.asked_model import AskedModel
from diagnose.model.queries import Queries
from diagnose.slices.predicate import Slice
from evals.items import ProbeReport
from evals.leaks.item_index import load_index


@dataclass(frozen=True, slots=True)
class Settled:
    """What experiments made of a finding."""

    items: Slice
    causes: Mapping[Cause, float]
    experiments: tuple[Experiment, ...]
    also: tuple[Cause, ...] = ()
    """Causes that are true at once with the most probable one."""


def diagnose(folder: Path, inputs: DiagnosisInputs) -> Spent:
    """Diagnose, and write `diagnosis.json` and, where a slice fails, `effects.npz`."""
    from evals.harness.asking import Asker

    measured = inputs.model.ref
    model = AskedModel(
        load_tokenizer(measured), inputs.model.checkpoints, inputs.max_length, inputs.end_in_loss, inputs.model.passes
    )
    asker = Asker(measured, inputs.suite.load(), model.load)

    def keep(scope: Scope, queries: Queries, attribution: Attribution) -> None:
        save_effects(effects_of(scope, queries, attribution), folder)

    diagnosis = inputs.diagnoser.diagnose(
        case_of(inputs), model, folder / "attribution", Progress(folder).at, keep, asker
    )
    shutil.rmtree(folder / "attribution", ignore_errors=True)  # diagnosis and effects have its results
    save_diagnosis(diagnosis, folder)
    flops = FORWARD_BACKWARD * inputs.model.num_parameters * diagnosis.num_tokens
    return Spent(tokens=diagnosis.num_tokens, flops=flops)


def settle(folder: Path, diagnosis: Artifact, settled: Sequence[Settled]) -> int:
    """Write the diagnosis with the causes that experiments left, and its effects; returns the number of findings."""
    found = load_diagnosis(diagnosis.folder)
    by_items = {one.items: one for one in settled}
    findings = tuple(
        finding if one is None else _with(finding, one)
        # Leaked items may be in a slice of the same name, and nothing was tried for them.
        for finding, one in ((each, by_items.get(each.slice) if each.queries else None) for each in found.findings)
    )
    save_diagnosis(replace(found, findings=findings), folder)
    shutil.copyfile(diagnosis.folder / EFFECTS_FILE, folder / EFFECTS_FILE)
    return len(settled)


def _with(finding: Finding, settled: Settled) -> Finding:
    return replace(finding.with_causes(settled.causes), experiments=settled.experiments, also=settled.also)


def case_of(inputs: DiagnosisInputs) -> Case:
    """Open the case that a diagnosis reads."""
    return Case(
        probe=_probe(inputs),
        corpus=load_pool(inputs.corpus.folder),
        pool=inputs.load_pool(),
        item_fields=inputs.item_fields,
        row_fields=inputs.row_fields,
        guards=inputs.guards,
        index=load_index(inputs.index.folder / INDEX_FILE),
        seed=inputs.seed,
        is_training_data=inputs.is_training_data,
    )


def _probe(inputs: DiagnosisInputs) -> ProbeReport:
    probe = read_report_json(inputs.report.folder, ProbeReport)
    assert isinstance(probe, ProbeReport)
    return probe
