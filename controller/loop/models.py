"""The models of a run: the given one, that of round 0, those that trainings leave, the champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.reports import read_report_json
from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import FORWARD_BACKWARD
from controller.engine.hashes import fingerprint, hash_of
from controller.engine.runner import Result, Stage
from controller.loop.run import Run
from controller.stages.measure import Measured, measure
from controller.stages.model import Model
from controller.stages.train import build, train_initial
from controller.train.recipe import Recipe, Tokens, recipe
from controller.train.settings import PretrainedModel, TrainUpdate
from controller.train.start import load_tokenizer, num_parameters, trained_ref
from controller.train.trainer import MODEL_FOLDER, Training
from diagnose.model.checkpoint import Checkpoint, check_checkpoints
from evals.items import EvalReport, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split

CHAMPION_FILE = "champion.json"

HERE = "$RUN_DIR"
"""Stands in `champion.json` for the run directory, which may be moved."""


def base_model(run: Run, seed: int | None = None) -> Model:
    """The given model, before any training of ours.

    Args:
        seed: Of the weights of a model from nothing; `seed` of the settings by default.
    """
    settings = run.settings
    seed = settings.seed if seed is None else seed
    if isinstance(settings.model, PretrainedModel):
        ref = ModelRef(settings.model.name, settings.model.revision, settings.model.dtype)
        earlier = [Checkpoint(ModelRef(path, None, settings.model.dtype), 1.0) for path in settings.model.checkpoints]
        check_checkpoints([*earlier, Checkpoint(ref, 1.0)], len(load_tokenizer(ref)))
        key = hash_of([model_key(name) for name in (settings.model.name, *settings.model.checkpoints)])
        return Model(
            ref, f"{key}-{ref.revision}-{ref.dtype}", (*earlier, Checkpoint(ref, 1.0)), num_parameters(ref), run.corpus
        )
    result = run.runner.do(Stage("build", build, (settings.model, run.corpus, settings.train.max_length, seed)))
    ref = ModelRef(str(result.folder / result.value), None, "float32")
    return Model(ref, result.digest, (Checkpoint(ref, 1.0),), num_parameters(ref), run.corpus)


def initial_model(run: Run, base: Model) -> Model:
    """The model of round 0: the given one, trained on `corpus.train` where `train.initial` says so."""
    settings = run.settings
    is_wanted = settings.train.initial if settings.train.initial is not None else not settings.model.is_trained
    if not is_wanted:
        return base
    return train_initially(run, [base], [settings.seed])[0]


def train_initially(run: Run, bases: Sequence[Model], seeds: Sequence[int]) -> list[Model]:
    """Each base trained on `corpus.train` as it stands, with its seed."""
    plan = _initial_recipe(run)
    if isinstance(plan.length, Tokens):
        tokens = plan.length.count * len(seeds)
        run.books.check("the initial training", tokens, FORWARD_BACKWARD * bases[0].num_parameters * tokens)
    results = run.runner.do_all([initial_stage(run, base, seed) for base, seed in zip(bases, seeds, strict=True)])
    for result in results:
        training = result.value
        run.books.add("train_initial", result.seconds, training.num_tokens, training.flops, training.num_tokens)
    return [trained_model(base, result, run.corpus) for base, result in zip(bases, results, strict=True)]


def initial_stage(run: Run, base: Model, seed: int) -> Stage[Training]:
    """The training of `train_initially`."""
    return Stage("train-initial", train_initial, (base, run.corpus, _initial_recipe(run), seed))


def _initial_recipe(run: Run) -> Recipe:
    return recipe(run.settings.train, run.settings.model, TrainUpdate(), run.corpus.num_rows, mean_tokens=None)


def trained_model(start: Model, result: Result[Training], corpus: Data) -> Model:
    """The model that a training of `start` left."""
    checkpoints = tuple(
        Checkpoint(trained_ref(start.ref, result.folder / kept.folder), kept.learning_rate)
        for kept in result.value.checkpoints
    )
    ref = trained_ref(start.ref, result.folder / MODEL_FOLDER)
    return Model(ref, result.digest, checkpoints, start.num_parameters, corpus)


def is_trained_here(run: Run, model: Model) -> bool:
    """Whether a training of these settings made it, and not somebody else's."""
    return model.key != base_model(run).key


def is_initial(run: Run, base: Model, model: Model) -> bool:
    """Whether it is `base` after the initial training of these settings."""
    return model.key == initial_stage(run, base, run.settings.seed).key.digest


def write_champion(champion: Model, run_dir: Path) -> None:
    """What a later run needs to go on from this model."""
    text = TypeAdapter(Model).dump_json(champion, indent=1).decode()
    temporary = run_dir / f"{CHAMPION_FILE}.tmp"
    temporary.write_text(text.replace(f'"{run_dir}/', f'"{HERE}/'))
    temporary.replace(run_dir / CHAMPION_FILE)


def read_champion(run_dir: Path) -> Model:
    text = (run_dir / CHAMPION_FILE).read_text()
    return TypeAdapter(Model).validate_json(text.replace(f'"{HERE}/', f'"{run_dir.absolute()}/'))


def model_key(name: str) -> str:
    """Of a folder its files' hash; of a hub id the id."""
    return hash_of(fingerprint(Path(name).expanduser()))


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    report: EvalReport
    artifact: Artifact


def measure_model(run: Run, model: Model, split: Split, name: str) -> MeasuredModel:
    """Every item of the split, answered by the model.

    Raises:
        PermissionError: the split is `sealed`; `controller.loop.sealed` opens it.
    """
    if split is Split.SEALED:
        raise PermissionError("sealed items are asked by controller.loop.sealed alone, which notes it in the ledger")
    result = run.runner.do(measure_stage(run, model, split, name))
    return read_measured(run, result, split, "measure")


def measure_stage(run: Run, model: Model, split: Split, name: str) -> Stage[Measured]:
    return Stage(name, measure, (model, run.asked, split))


def read_measured(run: Run, result: Result[Measured], split: Split, book: str) -> MeasuredModel:
    """What a measurement left, its costs in the books under `book`."""
    run.books.add(book, result.seconds, result.value.num_tokens, result.value.flops)
    kind = ProbeReport if split is Split.PROBE else EvalReport
    return MeasuredModel(read_report_json(result.folder, kind), result.artifact)
