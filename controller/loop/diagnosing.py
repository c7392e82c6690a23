"""Diagnose a champion: explain its failed probe items."""

import logging
from dataclasses import dataclass
from pathlib import Path

from controller.engine.artifacts import Artifact
from controller.engine.runner import Stage
from controller.loop.models import MeasuredModel, is_trained_here
from controller.loop.run import Run
from controller.results.diagnosis_json import FidelityRecord
from controller.results.page.diagnosis_page import DiagnosedModel, write_diagnosis
from controller.results.records import diagnosis_record, measure_record
from controller.stages.diagnose import diagnose
from controller.stages.inputs import DiagnosisInputs, load_diagnosis
from controller.stages.measure import hash_items
from controller.stages.model import Model
from controller.train.settings import PretrainedModel
from diagnose.finding.finding import Diagnosis
from evals.items import EvalReport

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DiagnosedRound:
    diagnosis: Diagnosis
    artifact: Artifact
    inputs: DiagnosisInputs
    flops: float
    pilot_share: float = 0.0
    """Tokens of small trainings as a share of those of the round's trainings at the first look."""


def diagnose_round(run: Run, champion: Model, probe: MeasuredModel) -> DiagnosedRound:
    """Explain the failed probe items; only the probe report is passed to the diagnosis."""
    settings, is_trained = run.settings, is_trained_here(run, champion)
    inputs = DiagnosisInputs(
        diagnoser=settings.diagnose,
        report=probe.artifact,
        model=champion,
        corpus=champion.corpus,
        pool=run.pool,
        item_fields=tuple(run.suite.slices),
        row_fields=run.data_slices,
        guards=run.loaded.guards,
        index=run.runner.do(Stage("index", hash_items, (run.pinned_suite,)), None).artifact,
        suite=run.pinned_suite,
        max_length=settings.train.max_length,
        end_in_loss=settings.train.end_in_loss if is_trained else None,
        seed=settings.seed,
        is_training_data=is_trained or (isinstance(settings.model, PretrainedModel) and settings.model.knows_corpus),
    )
    done = run.runner.do(Stage("diagnose", diagnose, (inputs,), inputs.model.fills_cores), "diagnose")
    diagnosis = load_diagnosis(done.folder)
    for finding in diagnosis.findings:
        log.info(
            "finding: %s fails %d of %d, %s (%.0f %%), data: %s",
            finding.slice,
            finding.num_failed,
            finding.num_items,
            finding.cause.value,
            100 * finding.causes[finding.cause],
            finding.data_slice,
        )
    return DiagnosedRound(diagnosis, done.artifact, inputs, done.spent.flops)


def leave_diagnosis(
    run: Run,
    report: EvalReport,
    diagnosed: DiagnosedRound,
    fidelity: FidelityRecord | None = None,
    notes: tuple[str, ...] = (),
) -> Path:
    """Write the page of a diagnosis into the run directory; returns the file.

    Args:
        run: Run that made it.
        report: Answers of the diagnosed model.
        diagnosed: What they show.
        fidelity: Fidelity of its attribution, where that was measured.
        notes: Sentences about the answers as a whole.
    """
    page = DiagnosedModel(
        name=run.settings.name,
        model=report.model.path,
        measure=measure_record(report, run.suite.slices, run.splits),
        diagnosis=diagnosis_record(diagnosed.diagnosis, fidelity, diagnosed.pilot_share),
        costs=run.books.costs(),
        notes=notes,
    )
    return write_diagnosis(page, run.run_dir)
