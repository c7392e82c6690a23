"""Open a run: its settings made definite, its data read, its tasks loaded; everything the rounds need."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from controller.data.corpus import Corpus
from controller.data.mixes import load_pool
from controller.data.sources import check_sources, reading
from controller.engine.artifacts import Data
from controller.engine.budget import Books
from controller.engine.hashes import hash_of
from controller.engine.journal.lock import locked
from controller.engine.keys import determining
from controller.engine.runner import Runner, Stage
from controller.engine.versions import code_version
from controller.engine.workers.pool import Workers
from controller.results.loop_json import LOOP_FILE
from controller.settings import LoopSettings
from controller.stages.measure import PinnedSuite
from controller.stages.read import read_data
from controller.train.before.drift import find_drift
from controller.train.before.given import check_arch, check_pretrained
from controller.train.settings import PretrainedModel, RecordedModel, ScratchModel
from controller.train.start import load_tokenizer
from controller.verdict.arms import check_arm_sources
from diagnose.modes.examples import read_mode_labels
from diagnose.slices.failing.find import check_fields
from evals.harness import LoadedSuite, load_suite
from evals.harness.backends.reachable import check_backend
from evals.harness.chat import load_chat_tokenizer, named_template
from evals.harness.tasks import tell_filters
from evals.items import OutputType
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite
from evals.validation import FREE
from interventions.controls import source_of

log = logging.getLogger(__name__)

NOT_IN_HASH = ("run_dir", "tracking", "workers", "propose", "budget", "sweep", "controller", "nightly")
"""Settings of where and how fast a run goes and how far, not of what it does: a larger budget continues where the
smaller ended, and a loop that waits for approval can go on without. The settings of `diagnose.fidelity` and
`verify.doses` are free too, which a finished run may add, and `train.keep`."""


@dataclass(frozen=True, slots=True)
class Run:
    settings: LoopSettings
    run_dir: Path
    runner: Runner
    corpus: Data
    pool: Data | None
    suite: EvalSuite
    loaded: LoadedSuite
    data_slices: tuple[str, ...]

    @property
    def books(self) -> Books:
        return self.runner.books

    @property
    def splits(self) -> dict[str, int]:
        counts = Counter(item.split for item in self.loaded.items)
        return {split.value: counts[split] for split in Split}

    @property
    def items_key(self) -> str:
        """Hash of every item with its prompt and target, and of the tasks' versions."""
        versions = {task: self.loaded.versions[task] for task in (*self.loaded.tasks, *self.loaded.guards)}
        return hash_of([versions, [[item.task, item.id, item.prompt, item.target] for item in self.loaded.items]])

    @property
    def pinned_suite(self) -> PinnedSuite:
        """The suite as stages take it."""
        return PinnedSuite(self.suite, self.items_key, template_of(self.settings))

    def split_hash(self, split: Split) -> str:
        """Hash of the split's items, by which the ledger knows what a judgement looked at."""
        return hash_of(sorted([item.task, item.id] for item in self.loaded.items if item.split is split))


def config_hash(settings: LoopSettings) -> str:
    kept = {key: value for key, value in asdict(settings).items() if key not in NOT_IN_HASH}
    groups = {name: getattr(settings, name).determining for name in ("train", "diagnose", "verify")}
    return hash_of(kept | groups)


def free_keys(settings: LoopSettings) -> frozenset[str]:
    """Dotted keys, or beginnings of them, that say where, how fast and how far: they do not determine the result."""
    return frozenset(NOT_IN_HASH) | frozenset(_free_fields(settings))


def _free_fields(settings: Any, prefix: str = "") -> Iterator[str]:
    for one in fields(settings):
        value = getattr(settings, one.name)
        if one.metadata == FREE:
            yield f"{prefix}{one.name}"
        elif is_dataclass(value):
            yield from _free_fields(value, f"{prefix}{one.name}.")


def choose_run_dir(settings: LoopSettings) -> Path:
    """Choose `run_dir`, or runs/<name>-<config hash>; absolute."""
    name = settings.run_dir or f"runs/{settings.name}-{config_hash(settings)[:8]}"
    return Path(name).expanduser().absolute()


def check_run_dir(settings: LoopSettings, run_dir: Path) -> None:
    """Raise a ValueError where the folder holds the results of a loop with other settings, which would be written over.

    Settings can be told apart by the same version of the program alone.
    """
    path = run_dir / LOOP_FILE
    if not path.is_file():
        return
    left = json.loads(path.read_text())
    if left["versions"].get("evalmend") == code_version() and left["config_hash"] != config_hash(settings):
        raise ValueError(
            f"run_dir {run_dir} holds the results of other settings, those of {left['name']} with config hash "
            f"{left['config_hash'][:8]}; choose another run_dir, leave it out for one of their own, or remove "
            f"its {LOOP_FILE} to write over them"
        )


def check_settings(settings: LoopSettings) -> None:
    """Check what the settings and small files that they name show, before any data is read."""
    if settings.evals.samples or isinstance(settings.model, RecordedModel):
        raise ValueError(
            "evals.samples and model=recorded are read by evalmend diagnose alone, which trains nothing; name a model "
            "with model=pretrained and measure it with evals.tasks for any other verb"
        )
    if not settings.evals.tasks:
        raise ValueError("evals.tasks must name at least one task, got []; for example evals.tasks=[gsm8k]")
    if settings.evals.asks_server and settings.train.initial:
        raise asks_untrained("train.initial=true")
    if settings.diagnose.mode_labels is not None:
        read_mode_labels(settings.diagnose.mode_labels)
    if isinstance(settings.model, ScratchModel):
        check_arch(settings.model.arch)
        if settings.train.initial is False:
            raise ValueError("train.initial=false needs a trained model, got model=scratch; set model=pretrained")
    else:
        check_pretrained(settings.model)


def asks_untrained(what: str) -> ValueError:
    """What is wrong with training a model that a server is to answer for."""
    return ValueError(
        f"evals.backend=openai asks a server, which does not have the models that {what} trains; measure and diagnose "
        "a given model with it, and take hf or vllm for all else"
    )


@contextmanager
def opened(settings: LoopSettings, run_dir: Path) -> Iterator[Run]:
    """Open a run with workers and books of its own; other processes are locked out of its folder meanwhile.

    Raises:
        ValueError: as in `open_run`, or another process works in the folder.
    """
    with locked(run_dir), Workers(settings.workers) as workers:
        yield open_run(settings, run_dir, Runner(run_dir, workers, Books(settings.budget)))


def open_run(settings: LoopSettings, run_dir: Path, runner: Runner) -> Run:
    """Check everything that is cheap to check, then read the data.

    Raises:
        ValueError: a key is invalid; the message names the first one.
    """
    check_settings(settings)
    data_dir = run_dir / "data"
    files = _files(settings, data_dir)
    tasks = settings.corpus.task_folder(data_dir)
    suite = replace(settings.evals, guard_rest=EvalSuite.guard_rest)  # which the verdict alone reads
    if tasks is not None and not suite.include_path:
        suite = replace(suite, include_path=str(tasks))
    if files.is_chat:
        files = _with_template(files, settings)
    loaded = load_suite(suite, template_of(settings))
    check_fields(loaded.items, suite.slices)
    check_split(loaded, Split.PROBE)
    needs_likelihoods = any(item.output_type is not OutputType.GENERATE_UNTIL for item in loaded.items)
    check_backend(suite, template_of(settings), needs_likelihoods=needs_likelihoods)
    for sentence in tell_filters(loaded.settings, loaded.leaves):
        log.info("%s", sentence)
    rows = _read_all(runner, files)
    corpus, pool = rows.corpus, rows.pool
    log.info(
        "corpus %d rows, pool %d rows, %d items of %d tasks",
        corpus.num_rows,
        pool.num_rows if pool is not None else 0,
        len(loaded.items),
        len({item.task for item in loaded.items}),
    )
    if (model := template_of(settings)) is not None:
        for sentence in find_drift(
            load_pool(corpus.folder),
            loaded.items,
            load_tokenizer(model),
            settings.train.max_length,
            settings.evals.system_instruction,
        ):
            log.warning("%s", sentence)
    return Run(settings, run_dir, runner, corpus, pool, suite, loaded, tuple(files.slices))


def check_arms(run: Run) -> None:
    """Raise a ValueError where an arm is named after a source that no row of corpus or pool comes from."""
    named = [arm for arm in run.settings.verify.controls if source_of(arm.control) is not None]
    if named:
        sides = [load_pool(side.folder).rows for side in (run.corpus, run.pool) if side is not None]
        check_arm_sources(named, {source for rows in sides for source in rows.unique("source")})


def check_split(loaded: LoadedSuite, split: Split) -> None:
    """Raise a ValueError where no item is in the split."""
    if not any(item.split is split for item in loaded.items):
        raise ValueError(
            f"no item of {len(loaded.items)} of evals.tasks is in split {split}, which takes a third of them; raise "
            "evals.limit or add tasks"
        )


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Corpus and pool on disk."""

    files: Corpus
    corpus: Data
    pool: Data | None


def read_rows(settings: LoopSettings, run_dir: Path, runner: Runner) -> ReadRows:
    """Read corpus and pool alone.

    Raises:
        ValueError: there is no corpus, or it cannot be read.
    """
    return _read_all(runner, _files(settings, run_dir / "data"))


def _files(settings: LoopSettings, data_dir: Path) -> Corpus:
    """Files of corpus and pool, checked as far as is known at once."""
    files: Corpus = settings.corpus.materialise(data_dir)
    for side in ("train", "pool"):
        check_sources(files, side)
    return files


def _read_all(runner: Runner, files: Corpus) -> ReadRows:
    corpus = _read(runner, files, "train")
    return ReadRows(files, corpus, _read(runner, files, "pool") if files.pool is not None else None)


def _read(runner: Runner, files: Corpus, side: str) -> Data:
    what = reading(files, side)
    done = runner.do(Stage(what.key.replace(".", "-"), read_data, (what,)), "read_data")
    return Data(done.folder, hash_of(determining(what)), done.value, what.shown)


def _with_template(files: Corpus, settings: LoopSettings) -> Corpus:
    """Rows are rendered as items are where `corpus.*` says nothing else.

    Raises:
        ValueError: the model has no chat template.
    """
    tokenizer = load_chat_tokenizer(template_of(settings))
    own, of_items = files.apply_chat_template, settings.evals.apply_chat_template
    template = own if isinstance(own, str) else of_items if isinstance(of_items, str) else True
    named_template(tokenizer, template)
    system = files.system_instruction if files.system_instruction is not None else settings.evals.system_instruction
    return replace(files, apply_chat_template=template, system_instruction=system)


def template_of(settings: LoopSettings) -> ModelRef | None:
    """The model whose chat template items and rows are rendered in; None for one that is made from nothing."""
    model = settings.model
    return ModelRef(model.name, model.revision) if isinstance(model, PretrainedModel) else None


def data_hash(run: Run) -> str:
    """Hash corpus, pool and items: runs with the same hash can be compared."""
    return hash_of([run.corpus.digest, run.pool.digest if run.pool is not None else None, run.items_key])
