"""One diagnosis: the failed probe items of a champion, explained."""

import logging
from dataclasses import dataclass

from pydantic import TypeAdapter

from controller.engine.artifacts import Artifact
from controller.engine.runner import Result, Stage
from controller.loop.models import MeasuredModel, is_trained_here
from controller.loop.run import Run
from controller.stages.diagnose import diagnose
from controller.stages.inputs import DiagnosisInputs
from controller.stages.measure import hash_items
from controller.stages.model import Model
from diagnose.finding.finding import Diagnosis

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DiagnosedRound:
    diagnosis: Diagnosis
    artifact: Artifact
    inputs: DiagnosisInputs
    flops: float


def diagnose_round(run: Run, champion: Model, probe: MeasuredModel) -> DiagnosedRound:
    """The failed probe items, explained; only their report is handed over."""
    settings, items = run.settings, _index(run)
    inputs = DiagnosisInputs(
        diagnoser=settings.diagnose,
        report=probe.artifact,
        model=champion,
        corpus=champion.corpus,
        pool=run.pool,
        item_fields=tuple(run.suite.slices),
        row_fields=run.data_slices,
        guards=run.loaded.guards,
        index=items.artifact,
        suite=run.asked,
        max_length=settings.train.max_length,
        end_in_loss=settings.train.end_in_loss if is_trained_here(run, champion) else None,
        seed=settings.seed,
    )
    result = run.runner.do(Stage("diagnose", diagnose, (inputs,)))
    run.books.add("diagnose", result.seconds, result.value.num_tokens, result.value.flops)
    diagnosis = TypeAdapter(Diagnosis).validate_json((result.folder / "diagnosis.json").read_bytes())
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
    return DiagnosedRound(diagnosis, result.artifact, inputs, result.value.flops)


def _index(run: Run) -> Result[str]:
    """What diagnosis and fixes may ask about the items of all splits."""
    return run.runner.do(Stage("index", hash_items, (run.asked,)))
