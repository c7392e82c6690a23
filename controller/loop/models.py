"""Models of a run: the given one, that of round 0, those that trainings leave, the champion."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.reports import read_report_json
from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import FORWARD_BACKWARD
from controller.engine.hashes import fingerprint, hash_of
from controller.engine.runner import Done, Stage
from controller.engine.whole_file import write_whole
from controller.loop.run import Run
from controller.stages.measure import measure
from controller.stages.model import Model
from controller.stages.read import count_corpus
from controller.stages.train import build, train
from controller.train.before.mixture import SourceCounts, complaints
from controller.train.recipe import Recipe, Tokens, recipe
from controller.train.settings import PretrainedModel, TrainUpdate
from controller.train.start import load_tokenizer, num_parameters, trained_ref
from controller.train.training import MODEL_FOLDER, Training
from diagnose.model.checkpoint import Checkpoint, check_checkpoints
from evals.harness.room import check_room
from evals.items import EvalReport, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split

log = logging.getLogger(__name__)

CHAMPION_FILE = "champion.json"

HERE = "$RUN_DIR"
"""Placeholder in `champion.json` for the run directory, which may be moved."""


def base_model(run: Run, seed: int | None = None) -> Model:
    """Make the given model, before any training of ours.

    Args:
        seed: Seed of the weights of a model from nothing; `seed` of the settings by default.
    """
    settings = run.settings
    seed = settings.seed if seed is None else seed
    if isinstance(settings.model, PretrainedModel):
        ref = ModelRef(settings.model.name, settings.model.revision, settings.model.dtype)
        earlier = [Checkpoint(ModelRef(path, None, settings.model.dtype), 1.0) for path in settings.model.checkpoints]
        check_checkpoints([*earlier, Checkpoint(ref, 1.0)], len(load_tokenizer(ref)))
        key = hash_of([model_key(name) for name in (settings.model.name, *settings.model.checkpoints)])
        return Model(
            ref,
            f"{key}-{ref.revision}-{ref.dtype}",
            (*earlier, Checkpoint(ref, 1.0)),
            num_parameters(ref),
            run.corpus,
            passes=None if settings.model.knows_corpus else 0.0,
        )
    done = run.runner.do(Stage("build", build, (settings.model, run.corpus, settings.train.max_length, seed)), None)
    ref = ModelRef(str(done.folder / done.value), None, "float32")
    return Model(ref, done.artifact.digest, (Checkpoint(ref, 1.0),), num_parameters(ref), run.corpus, passes=0.0)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One training to be done."""

    name: str
    """Name of the stage."""
    start: Model
    mix: Data
    """Data to train on: a mix, or a corpus as it stands."""
    recipe: Recipe
    seed: int
    keeps_middle: bool
    """Whether the model half way is left too, for attribution."""

    @property
    def stage(self) -> Stage[Training]:
        return Stage(
            self.name, train, (self.start, self.mix, self.recipe, self.seed, self.keeps_middle), self.start.fills_cores
        )

    @property
    def tokens(self) -> int:
        """Number of tokens that it will train on, where known beforehand; else 0."""
        return self.recipe.length.count if isinstance(self.recipe.length, Tokens) else 0


@dataclass(frozen=True, slots=True)
class TrainedModel:
    model: Model
    training: Training


def train_models(run: Run, jobs: Sequence[TrainingJob], book: str, what: str) -> list[TrainedModel]:
    """Train models side by side; all trainings of a run are done here.

    Args:
        what: Name of the trainings, for the message that refuses them.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    tokens = sum(job.tokens for job in jobs)
    run.books.check(what, tokens, sum(FORWARD_BACKWARD * job.start.num_parameters * job.tokens for job in jobs))
    trained = run.runner.do_all([job.stage for job in jobs], book)
    return [_trained(job, done) for job, done in zip(jobs, trained, strict=True)]


def _trained(job: TrainingJob, done: Done[Training]) -> TrainedModel:
    checkpoints = tuple(
        Checkpoint(trained_ref(job.start.ref, done.folder / kept.folder), kept.learning_rate)
        for kept in done.value.checkpoints
    )
    ref = trained_ref(job.start.ref, done.folder / MODEL_FOLDER)
    own = sum(one.num_draws for one in done.value.drawn) / job.mix.num_rows
    passes = None if job.start.passes is None else job.start.passes + own
    model = Model(ref, done.artifact.digest, checkpoints, job.start.num_parameters, job.mix, passes)
    return TrainedModel(model, done.value)


def counted_corpus(run: Run, base: Model) -> tuple[SourceCounts, ...]:
    """Count the rows of each source of `corpus.train` as a model is trained on them, and tell, before any training,
    what they are and which of them teach less than they seem to."""
    train = run.settings.train
    arguments = (run.corpus, base, train.max_length, train.end_in_loss)
    counts = run.runner.do(Stage("count-corpus", count_corpus, arguments), "read_data").value
    for one in counts:
        log.info(
            "%s: %d rows, %d tokens, %.1f %% of the draws, %.1f %% of the tokens drawn",
            one.source,
            one.num_rows,
            one.num_tokens,
            100 * one.share,
            100 * one.token_share,
        )
    for sentence in complaints(counts):
        log.warning("%s", sentence)
    return counts


def initial_model(run: Run, base: Model) -> Model:
    """Make the model of round 0: the given one, trained on `corpus.train` where `train.initial` says so.

    Raises:
        ValueError: as in `check_room`.
    """
    settings = run.settings
    check_room(run.loaded, base.ref)
    return train_initially(run, [base], [settings.seed])[0] if settings.trains_initially else base


def train_initially(run: Run, bases: Sequence[Model], seeds: Sequence[int]) -> list[Model]:
    """Train each base on `corpus.train` as it stands, with its seed."""
    jobs = [initial_job(run, base, seed) for base, seed in zip(bases, seeds, strict=True)]
    return [one.model for one in train_models(run, jobs, "train_initial", "the initial training")]


def initial_job(run: Run, base: Model, seed: int) -> TrainingJob:
    """Make the job of an initial training."""
    how = recipe(run.settings.train, run.settings.model, TrainUpdate(), run.corpus.num_rows, mean_tokens=None)
    return TrainingJob("train-initial", base, run.corpus, how, seed, keeps_middle=True)


def is_trained_here(run: Run, model: Model) -> bool:
    """Whether a training of a loop made the model; false for the given one."""
    return model.key != base_model(run).key


def is_initial(run: Run, base: Model, model: Model) -> bool:
    """Whether the model is `base` after the initial training of these settings."""
    return model.key == initial_job(run, base, run.settings.seed).stage.key.digest


def write_champion(champion: Model, run_dir: Path) -> None:
    """Write what a later run needs to continue from this model."""
    text = TypeAdapter(Model).dump_json(champion, indent=1).decode()
    write_whole(run_dir / CHAMPION_FILE, text.replace(f'"{run_dir}/', f'"{HERE}/').encode())


def read_champion(run_dir: Path) -> Model:
    text = (run_dir / CHAMPION_FILE).read_text()
    return TypeAdapter(Model).validate_json(text.replace(f'"{HERE}/', f'"{run_dir.absolute()}/'))


def model_folders(model: Model) -> set[Path]:
    """Folders that hold weights of a model: its own, those of its checkpoints, and the base of adapters."""
    refs = [model.ref, *(checkpoint.model for checkpoint in model.checkpoints)]
    return {Path(path) for ref in refs for path in (ref.path, ref.adapter) if path is not None}


def model_key(name: str) -> str:
    """Hash the files of a folder, or the id of a hub model."""
    return hash_of(fingerprint(Path(name).expanduser()))


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    report: EvalReport
    artifact: Artifact


def measure_model(run: Run, model: Model, split: Split, name: str) -> MeasuredModel:
    """Measure the model on every item of the split.

    Raises:
        PermissionError: the split is `sealed`; `controller.loop.sealed` opens it.
    """
    if split is Split.SEALED:
        raise PermissionError("sealed items are asked by controller.loop.sealed alone, which notes it in the ledger")
    return measure_models(run, [(name, model)], split, "measure")[0]


def measure_models(run: Run, models: Sequence[tuple[str, Model]], split: Split, book: str) -> list[MeasuredModel]:
    """Measure each model, given with the name of its stage, on every item of the split, side by side; the caller is
    responsible for asking sealed ones."""
    stages = [Stage(name, measure, (model, run.pinned_suite, split), model.fills_cores) for name, model in models]
    # One alone has more of the cores.
    measured = [run.runner.do(stages[0], book)] if len(stages) == 1 else run.runner.do_all(stages, book)
    kind = ProbeReport if split is Split.PROBE else EvalReport
    return [MeasuredModel(read_report_json(done.folder, kind), done.artifact) for done in measured]
