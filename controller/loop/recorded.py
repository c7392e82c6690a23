"""Diagnose answers that were recorded elsewhere (`evals.samples`): with a model, a corpus alone, or neither."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.reports import read_report_json
from controller.engine.artifacts import Artifact
from controller.engine.budget import Books, Cost
from controller.engine.hashes import fingerprint, hash_of
from controller.engine.journal.lock import locked
from controller.engine.runner import Runner, Stage
from controller.engine.whole_file import write_whole
from controller.engine.workers.pool import Workers
from controller.loop.diagnosing import diagnose_round
from controller.loop.models import MeasuredModel, base_model
from controller.loop.run import open_run, read_rows
from controller.settings import LoopSettings
from controller.stages.inputs import DIAGNOSIS_FILE, load_diagnosis
from controller.stages.recorded import (
    DOUBTS_FILE,
    ERRATA_FILE,
    RecordedInputs,
    Samples,
    diagnose_samples,
    doubt_recorded_golds,
    read_report,
)
from controller.train.settings import PretrainedModel, RecordedModel
from diagnose.evidence.golds.doubts import GoldDoubts
from diagnose.finding.finding import Diagnosis
from diagnose.modes.examples import read_mode_labels
from evals.items import EvalReport, ProbeReport
from evals.suite import EvalSuite


@dataclass(frozen=True, slots=True)
class RecordedDiagnosis:
    report: EvalReport
    """Probe items of the first model."""
    diagnosis: Diagnosis
    file: Path
    costs: Mapping[str, Cost]
    golds: GoldDoubts | None
    """Doubtful golds; None where one model answered."""
    errata: Path | None


def diagnose_recorded_answers(settings: LoopSettings, run_dir: Path) -> RecordedDiagnosis:
    """Diagnose the answers of the first folder of `evals.samples`; doubt golds where there are several.

    Raises:
        ValueError: a log, a setting or the data is invalid, or the model is none that can have given the answers.
    """
    if isinstance(settings.model, RecordedModel):
        check_recorded(settings)
    elif not isinstance(settings.model, PretrainedModel):
        raise ValueError(
            "evals.samples are answers of a model that exists, and model=scratch makes another one; name theirs with "
            "model=pretrained model.name=..., or leave it unknown with model=recorded"
        )
    content = hash_of([fingerprint(Path(name).expanduser()) for name in settings.evals.samples])
    samples = Samples(replace(settings.evals, batch_size=EvalSuite.batch_size), content)
    with locked(run_dir), Workers(settings.workers) as workers:
        runner = Runner(run_dir, workers, Books(settings.budget))
        golds = None
        if len(settings.evals.samples) > 1:
            golds = runner.do(Stage("doubt-golds", doubt_recorded_golds, (samples,)), "diagnose").artifact
        if isinstance(settings.model, RecordedModel):
            report, diagnosed = _without_model(settings, run_dir, runner, samples, golds)
        else:
            report, diagnosed = _with_model(settings, run_dir, runner, samples)
        return _read_back(report, diagnosed, golds, run_dir, runner.books.costs())


def check_recorded(settings: LoopSettings) -> None:
    """Raise a ValueError where there is no recorded answer to read, or a setting would have to ask a model."""
    if not settings.evals.samples:
        raise ValueError(
            "model=recorded needs evals.samples, a folder of logs with the answers of a model, for example "
            "evals.samples=DIR"
        )
    if settings.diagnose.mode_labels is not None:
        read_mode_labels(settings.diagnose.mode_labels)
    if settings.diagnose.fidelity:
        raise ValueError(
            "diagnose.fidelity trains models to test an attribution, got true with model=recorded, which has none; "
            "leave it out"
        )


def _without_model(
    settings: LoopSettings, run_dir: Path, runner: Runner, samples: Samples, golds: Artifact | None
) -> tuple[Artifact, Artifact]:
    report = runner.do(Stage("read-samples", read_report, (samples, None)), "measure").artifact
    rows = read_rows(settings, run_dir, runner) if settings.corpus.is_given else None
    inputs = RecordedInputs(
        diagnoser=settings.diagnose,
        samples=samples,
        golds=golds,
        corpus=rows.corpus if rows is not None else None,
        pool=rows.pool if rows is not None else None,
        row_fields=tuple(rows.files.slices) if rows is not None else (),
        seed=settings.seed,
    )
    return report, runner.do(Stage("diagnose-samples", diagnose_samples, (inputs, report)), "diagnose").artifact


def _with_model(settings: LoopSettings, run_dir: Path, runner: Runner, samples: Samples) -> tuple[Artifact, Artifact]:
    """Diagnose as in a loop, with the recorded scores in the place of a measurement."""
    asked = replace(settings, evals=replace(settings.evals, samples=[]))
    run = open_run(asked, run_dir, runner)
    suite = replace(
        samples.suite,
        include_path=run.suite.include_path,
        tasks=list(run.loaded.tasks),  # a log knows no groups
        guards=list(run.loaded.guards),
    )
    samples = replace(samples, suite=suite)
    report = runner.do(Stage("read-samples", read_report, (samples, run.pinned_suite)), "measure").artifact
    probe = MeasuredModel(read_report_json(report.folder, ProbeReport), report)
    return report, diagnose_round(run, base_model(run), probe).artifact


def _read_back(
    report: Artifact, diagnosed: Artifact, golds: Artifact | None, run_dir: Path, costs: Mapping[str, Cost]
) -> RecordedDiagnosis:
    """Read what the stages left; the errata file is put beside the other files of the run."""
    doubts, errata = None, None
    if golds is not None:
        doubts = TypeAdapter(GoldDoubts).validate_json((golds.folder / DOUBTS_FILE).read_bytes())
        errata = write_whole(run_dir / ERRATA_FILE, (golds.folder / ERRATA_FILE).read_bytes())
    return RecordedDiagnosis(
        report=read_report_json(report.folder, ProbeReport),
        diagnosis=load_diagnosis(diagnosed.folder),
        file=diagnosed.folder / DIAGNOSIS_FILE,
        costs=costs,
        golds=doubts,
        errata=errata,
    )
