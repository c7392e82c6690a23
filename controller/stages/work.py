"""The stages as functions of a folder: what a worker process does, and what it leaves there.

Each is called with the stage's folder and values that pickle, writes large results as files and returns
a small dataclass that the store keeps as JSON. `controller.loop.proposing` says when they are called.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from pydantic import TypeAdapter
from transformers import AutoConfig, AutoModelForCausalLM

from controller.data.corpus import Corpus, read_pool
from controller.data.tables import (
    load_mix,
    load_pool,
    read_report_json,
    save_pool,
    write_report_json,
)
from controller.engine.budget import FORWARD, FORWARD_BACKWARD
from controller.engine.workers.progress import Progress
from controller.stages.inputs import INDEX_FILE, DiagnosisInputs
from controller.stages.row_effects import effects_of, save_effects
from controller.train.recipe import Recipe
from controller.train.settings import ScratchModel
from controller.train.start import build_scratch, load_tokenizer
from controller.train.trainer import MODEL_FOLDER, Training, train
from diagnose.attribution.stream import Attribution
from diagnose.case import Case, Question
from diagnose.finding.finding import Diagnosis
from diagnose.model.asked_model import AskedModel
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import Queries
from evals.harness import LoadedSuite, evaluate, load_suite
from evals.harness.asking import Asker
from evals.items import ProbeReport
from evals.leaks.item_index import index_items, load_index
from evals.leaks.templates import make_templates
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite
from interventions.mix.mix import original_mix


@dataclass(frozen=True, slots=True)
class PoolSize:
    num_rows: int


@dataclass(frozen=True, slots=True)
class Measured:
    num_items: int
    num_tokens: int
    flops: float


@dataclass(frozen=True, slots=True)
class Diagnosed:
    num_tokens: int
    flops: float


def read_data(folder: Path, corpus: Corpus, key: str, source: str) -> PoolSize:
    """Rows of `corpus.train` or `corpus.pool`, memory-mapped from here on."""
    pool = read_pool(corpus, key, source)
    save_pool(pool, folder)
    return PoolSize(len(pool))


def build(folder: Path, settings: ScratchModel, corpus: Path, max_length: int, seed: int) -> str:
    """The untrained model of `model=scratch`, with its tokenizer."""
    build_scratch(settings, load_pool(corpus), max_length, folder / MODEL_FOLDER, seed)
    return MODEL_FOLDER


def train_initial(folder: Path, model: ModelRef, corpus: Path, recipe: Recipe, seed: int) -> Training:
    """The training on `corpus.train` before round 0: every row alike, as it stands."""
    mix = original_mix(load_pool(corpus))
    return train(model, mix, recipe, seed, folder, keeps_middle=True, progress=Progress(folder))


def train_arm(folder: Path, model: ModelRef, mix: Path, recipe: Recipe, seed: int, keeps_middle: bool) -> Training:
    return train(model, load_mix(mix), recipe, seed, folder, keeps_middle, Progress(folder))


def measure(folder: Path, model: ModelRef, suite: EvalSuite, items_key: str, split: Split) -> Measured:
    """Every item of one split; `report.json` has the results."""
    report = evaluate(model, loaded_suite(suite, items_key), split)
    write_report_json(report, folder)
    flops = FORWARD * num_parameters(model) * report.num_tokens
    return Measured(len(report.results), report.num_tokens, flops)


def hash_items(folder: Path, suite: EvalSuite, items_key: str) -> str:
    """Hashes of the items of all splits: the one form in which diagnosis and fixes are told of them."""
    items = loaded_suite(suite, items_key).items
    index_items(items, make_templates(suite.templates)).save(folder / INDEX_FILE)
    return INDEX_FILE


def diagnose(folder: Path, inputs: DiagnosisInputs, checkpoints: Sequence[Checkpoint]) -> Diagnosed:
    """`diagnosis.json`, and `effects.npz` where a slice fails."""
    measured = checkpoints[-1].model
    model = AskedModel(load_tokenizer(measured), checkpoints, inputs.max_length, inputs.end_in_loss)
    asker = Asker(measured, loaded_suite(inputs.suite, inputs.items_key))
    told = Progress(folder).at

    def keep(asked: Question, queries: Queries, attribution: Attribution) -> None:
        save_effects(effects_of(asked, queries, attribution), folder)

    diagnosis = inputs.diagnoser.diagnose(case_of(inputs), model, folder / "attribution", told, keep, asker)
    shutil.rmtree(folder / "attribution", ignore_errors=True)  # diagnosis and effects hold what it says
    (folder / "diagnosis.json").write_bytes(TypeAdapter(Diagnosis).dump_json(diagnosis))
    flops = FORWARD_BACKWARD * num_parameters(measured) * diagnosis.num_tokens
    return Diagnosed(diagnosis.num_tokens, flops)


def case_of(inputs: DiagnosisInputs) -> Case:
    """What a diagnosis reads, opened."""
    return Case(
        probe=_probe(inputs),
        corpus=load_pool(inputs.corpus),
        pool=inputs.load_pool(),
        item_fields=inputs.item_fields,
        row_fields=inputs.row_fields,
        guards=inputs.guards,
        index=load_index(inputs.index / INDEX_FILE),
        seed=inputs.seed,
    )


def _probe(inputs: DiagnosisInputs) -> ProbeReport:
    probe = read_report_json(inputs.report, ProbeReport)
    assert isinstance(probe, ProbeReport)
    return probe


def loaded_suite(suite: EvalSuite, items_key: str) -> LoadedSuite:
    """Loaded once in a worker that measures many models: finding and reading tasks takes longer than small
    models do. `items_key` is the items' hash, so that changed files are read again."""
    return _loaded(TypeAdapter(EvalSuite).dump_json(suite), items_key)


@lru_cache(maxsize=1)
def _loaded(suite: bytes, items_key: str) -> LoadedSuite:
    del items_key
    return load_suite(TypeAdapter(EvalSuite).validate_json(suite))


def num_parameters(model: ModelRef) -> int:
    """Counted without loading weights."""
    config = AutoConfig.from_pretrained(model.path, revision=model.revision)
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())
