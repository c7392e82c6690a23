"""One run: its settings made definite, its data read, its tasks loaded; everything the rounds need."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from controller.budget import FORWARD_BACKWARD, Books
from controller.corpus import Corpus, check_source
from controller.runner import Result, Runner, Stage
from controller.settings import LoopSettings, PretrainedModel, ScratchModel, TrainUpdate
from controller.stages import PoolSize, build, num_parameters, read_data, train_initial
from controller.train.model import check_arch, check_pretrained
from controller.train.trainer import MODEL_FOLDER, Draws, Recipe, Tokens, Training
from diagnose.influence import Checkpoint
from evals.harness import LoadedSuite, load_suite
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite

log = logging.getLogger(__name__)

NOT_IN_HASH = ("run_dir", "tracking", "workers", "propose", "budget")
"""Where and how fast a run goes and how far, not what it does: a larger budget goes on where the smaller ended."""


@dataclass(frozen=True, slots=True)
class Data:
    """Rows on disk."""

    folder: Path
    digest: str
    num_rows: int
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model with what the loop knows of it."""

    ref: ModelRef
    key: str
    """Of its content: what was measured with one key holds for every model of that key."""
    checkpoints: tuple[Checkpoint, ...]
    """Oldest first, the model last; for attribution."""
    num_parameters: int
    corpus: Data
    """What it was trained on: `corpus.train`, and the rows of every accepted fix since."""


@dataclass(frozen=True, slots=True)
class Run:
    settings: LoopSettings
    run_dir: Path
    runner: Runner
    books: Books
    corpus: Data
    pool: Data | None
    suite: EvalSuite
    loaded: LoadedSuite
    data_slices: tuple[str, ...]

    @property
    def splits(self) -> dict[str, int]:
        counts = Counter(item.split for item in self.loaded.items)
        return {split.value: counts[split] for split in Split}

    @property
    def items_key(self) -> str:
        """Hash of every item and of how it is asked."""
        return hash_of([[item.task, item.id, item.prompt, item.target] for item in self.loaded.items])

    def split_hash(self, split: Split) -> str:
        """For the ledger: which items a judgement looked at."""
        return hash_of(sorted([item.task, item.id] for item in self.loaded.items if item.split is split))


def hash_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def settings_dict(settings: LoopSettings) -> dict[str, Any]:
    return asdict(settings)


def config_hash(settings: LoopSettings) -> str:
    kept = {key: value for key, value in settings_dict(settings).items() if key not in NOT_IN_HASH}
    return hash_of(kept)


def choose_run_dir(settings: LoopSettings) -> Path:
    """`run_dir`, or runs/<name>-<config hash>; absolute."""
    name = settings.run_dir or f"runs/{settings.name}-{config_hash(settings)[:8]}"
    return Path(name).expanduser().absolute()


def check_settings(settings: LoopSettings) -> None:
    """What can be told wrong from the settings alone, before any data is read."""
    if not settings.evals.tasks:
        raise ValueError("evals.tasks must name at least one task, got []; for example evals.tasks=[gsm8k]")
    if isinstance(settings.model, ScratchModel):
        check_arch(settings.model.arch)
        if settings.train.initial is False:
            raise ValueError("train.initial=false needs a trained model, got model=scratch; set model=pretrained")
    else:
        check_pretrained(settings.model)


def open_run(settings: LoopSettings, run_dir: Path, runner: Runner, books: Books) -> Run:
    """Check everything that is cheap to check, then read the data.

    Raises:
        ValueError: about the first key that cannot be right.
    """
    check_settings(settings)
    data_dir = run_dir / "data"
    files: Corpus = settings.corpus.materialise(data_dir)
    assert files.train is not None, "materialise checks it"
    check_source("corpus.train", files.train)
    if files.pool is not None:
        check_source("corpus.pool", files.pool)
    tasks = settings.corpus.task_folder(data_dir)
    suite = (
        settings.evals
        if tasks is None or settings.evals.include_path
        else replace(settings.evals, include_path=str(tasks))
    )
    loaded = load_suite(suite)
    corpus = _read(runner, books, files, "corpus.train", files.train)
    pool = _read(runner, books, files, "corpus.pool", files.pool) if files.pool is not None else None
    log.info(
        "corpus %d rows, pool %d rows, %d items of %d tasks",
        corpus.num_rows,
        pool.num_rows if pool is not None else 0,
        len(loaded.items),
        len({item.task for item in loaded.items}),
    )
    return Run(settings, run_dir, runner, books, corpus, pool, suite, loaded, tuple(files.slices))


def base_model(run: Run) -> Model:
    """The given model, before any training of ours."""
    settings = run.settings
    if isinstance(settings.model, PretrainedModel):
        ref = ModelRef(settings.model.name, settings.model.revision, settings.model.dtype)
        earlier = [Checkpoint(ModelRef(path, None, settings.model.dtype), 1.0) for path in settings.model.checkpoints]
        key = hash_of([model_key(name) for name in (settings.model.name, *settings.model.checkpoints)])
        return Model(
            ref, f"{key}-{ref.revision}-{ref.dtype}", (*earlier, Checkpoint(ref, 1.0)), num_parameters(ref), run.corpus
        )
    stage = Stage(
        "build",
        {
            "model": asdict(settings.model),
            "corpus": run.corpus.digest,
            "max_length": settings.train.max_length,
            "seed": settings.seed,
        },
        build,
        (settings.model, run.corpus.folder, settings.train.max_length, settings.seed),
        str,
    )
    result = run.runner.do(stage)
    ref = ModelRef(str(result.folder / result.value), None, "float32")
    return Model(ref, result.digest, (Checkpoint(ref, 1.0),), num_parameters(ref), run.corpus)


def initial_model(run: Run, base: Model) -> Model:
    """The model of round 0: the given one, trained on `corpus.train` where `train.initial` says so."""
    settings = run.settings
    is_wanted = settings.train.initial if settings.train.initial is not None else not settings.model.is_trained
    if not is_wanted:
        return base
    plan = recipe(settings, TrainUpdate(), run.corpus.num_rows, mean_tokens=None)
    if isinstance(plan.length, Tokens):
        flops = FORWARD_BACKWARD * base.num_parameters * plan.length.count
        run.books.check("the initial training", plan.length.count, flops)
    stage = Stage(
        "train-initial",
        {"model": base.key, "corpus": run.corpus.digest, "recipe": asdict(plan), "seed": settings.seed},
        train_initial,
        (base.ref, run.corpus.folder, plan, settings.seed),
        Training,
    )
    result = run.runner.do(stage)
    training = result.value
    run.books.add("train_initial", result.seconds, training.num_tokens, training.flops, training.num_tokens)
    return trained_model(base, result, run.corpus)


def trained_model(start: Model, result: Result[Training], corpus: Data) -> Model:
    """The model that a training of `start` left; an adapter stands on the base it was made for."""

    def ref(name: str) -> ModelRef:
        folder = result.folder / name
        if (folder / "adapter_config.json").is_file():
            return replace(start.ref, adapter=str(folder))
        return ModelRef(str(folder), None, start.ref.dtype)

    checkpoints = tuple(Checkpoint(ref(kept.folder), kept.learning_rate) for kept in result.value.checkpoints)
    return Model(ref(MODEL_FOLDER), result.digest, checkpoints, start.num_parameters, corpus)


CHAMPION_FILE = "champion.json"


HERE = "$RUN_DIR"
"""Stands in `champion.json` for the run directory, which may be moved."""


def write_champion(champion: Model, run_dir: Path) -> None:
    """What a later run needs to go on from this model."""
    text = TypeAdapter(Model).dump_json(champion, indent=1).decode()
    temporary = run_dir / f"{CHAMPION_FILE}.tmp"
    temporary.write_text(text.replace(f'"{run_dir}/', f'"{HERE}/'))
    temporary.replace(run_dir / CHAMPION_FILE)


def read_champion(run_dir: Path) -> Model:
    text = (run_dir / CHAMPION_FILE).read_text()
    return TypeAdapter(Model).validate_json(text.replace(f'"{HERE}/', f'"{run_dir.absolute()}/'))


def recipe(settings: LoopSettings, update: TrainUpdate, num_rows: int, mean_tokens: float | None) -> Recipe:
    """`train.*` with `update` laid over it.

    Args:
        num_rows: Rows of the mix: an epoch.
        mean_tokens: Mean tokens of a draw. Given, the length is in tokens, so that arms have the same; else
            in rows.
    """
    train = settings.train
    batch = train.per_device_train_batch_size * train.gradient_accumulation_steps
    own = any(getattr(update, name) is not None for name in ("tokens", "max_steps", "num_train_epochs"))
    tokens = update.tokens if own else train.tokens
    max_steps = update.max_steps if own else train.max_steps
    epochs = update.num_train_epochs if own and update.num_train_epochs is not None else train.num_train_epochs
    draws = max_steps * batch if max_steps is not None else max(1, round(epochs * num_rows))
    length: Draws | Tokens
    if tokens is not None:
        length = Tokens(tokens)
    elif mean_tokens is not None:
        length = Tokens(max(1, round(draws * mean_tokens)))
    else:
        length = Draws(draws)
    return Recipe(
        length=length,
        learning_rate=update.learning_rate or train.learning_rate or _default_learning_rate(settings.model),
        per_device_train_batch_size=train.per_device_train_batch_size,
        gradient_accumulation_steps=train.gradient_accumulation_steps,
        max_length=train.max_length,
        lr_scheduler_type=train.lr_scheduler_type,
        warmup_steps=train.warmup_steps,
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        bf16=train.bf16,
        activation_checkpointing=train.activation_checkpointing,
        lora=settings.model.lora if isinstance(settings.model, PretrainedModel) else None,
    )


def _default_learning_rate(model: ScratchModel | PretrainedModel) -> float:
    if isinstance(model, ScratchModel):
        return 1e-3
    return 5e-5 if model.lora.r is None else 2e-4


def model_key(name: str) -> str:
    """Of a folder its files' hash; of a hub id the id."""
    return hash_of(_fingerprint(Path(name).expanduser()))


def _read(runner: Runner, books: Books, files: Corpus, key: str, source: str) -> Data:
    inputs: Mapping[str, Any] = {
        "corpus": asdict(replace(files, train=None, pool=None)),
        "content": _content(source),
    }
    stage = Stage(key.replace(".", "-"), inputs, read_data, (files, key, source), PoolSize)
    result = runner.do(stage)
    books.add("read_data", result.seconds, 0, 0.0)
    return Data(result.folder, hash_of(inputs), result.value.num_rows, source)


def _content(source: str) -> Any:
    """Hash of every file; of a hub data set its name, which a revision may change under us."""
    return source if source.startswith("hub:") else _fingerprint(Path(source).expanduser())


def _fingerprint(path: Path) -> Any:
    """Names and hashes of a file or of a folder's files; the name itself where there is neither."""
    if path.is_file():
        return [[path.name, _file_hash(path)]]
    if path.is_dir():
        return [[file.name, _file_hash(file)] for file in sorted(path.iterdir()) if file.is_file()]
    return str(path)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def data_hash(run: Run) -> str:
    """Of corpus, pool and items: runs with the same one can be compared."""
    return hash_of([run.corpus.digest, run.pool.digest if run.pool is not None else None, run.items_key])
