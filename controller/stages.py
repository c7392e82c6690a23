"""The stages as functions of a folder: what a worker process does, and what it leaves there.

Each is called with the stage's folder and values that pickle, writes large results as files and returns
a small dataclass that the store keeps as JSON. `controller.rounds` says when they are called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from controller.budget import FORWARD, FORWARD_BACKWARD
from controller.corpus import Corpus, read_pool
from controller.progress import Progress
from controller.settings import ScratchModel
from controller.tables import load_mix, load_pool, read_report_json, save_mix, save_pool, write_report_json
from controller.train.model import build_scratch, load_tokenizer
from controller.train.recipe import Recipe
from controller.train.trainer import MODEL_FOLDER, Training, expected_tokens, train
from controller.verify import CHALLENGER, CONTINUE, RANDOM
from diagnose.diagnoser import Diagnoser
from diagnose.finding import Diagnosis
from diagnose.influence import Checkpoint
from diagnose.tokens import encode
from evals.harness import LoadedSuite, evaluate, load_suite
from evals.index import index_items, load_index
from evals.items import ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite
from evals.templates import make_templates
from interventions.controls import continue_mix, random_mix
from interventions.mix import TrainingMix, original_mix
from interventions.plan import Plan
from interventions.proposal import NothingToDo, Proposal
from interventions.proposal import propose as propose_plan
from interventions.step import Intervention

INDEX_FILE = "index.npz"


@dataclass(frozen=True, slots=True)
class PoolSize:
    num_rows: int


@dataclass(frozen=True, slots=True)
class Measured:
    num_items: int
    num_tokens: int
    flops: float


@dataclass(frozen=True, slots=True)
class Proposed:
    num_rows: int
    """Rows of the challenger's mix: an epoch; 0 when nothing is changed."""
    mean_tokens: float
    """Mean tokens of a draw from it."""
    action_tokens: tuple[int, ...]
    """Tokens of the rows that each action adds, once each."""


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
    report = evaluate(model, _loaded(TypeAdapter(EvalSuite).dump_json(suite), items_key), split)
    write_report_json(report, folder)
    flops = FORWARD * num_parameters(model) * report.num_tokens
    return Measured(len(report.results), report.num_tokens, flops)


def hash_items(folder: Path, suite: EvalSuite, items_key: str) -> str:
    """Hashes of the items of all splits: the one form in which diagnosis and fixes are told of them."""
    items = _loaded(TypeAdapter(EvalSuite).dump_json(suite), items_key).items
    index_items(items, make_templates(suite.templates)).save(folder / INDEX_FILE)
    return INDEX_FILE


def diagnose(
    folder: Path,
    diagnoser: Diagnoser,
    report: Path,
    checkpoints: Sequence[Checkpoint],
    corpus: Path,
    pool: Path | None,
    item_fields: Sequence[str],
    row_fields: Sequence[str],
    guards: Sequence[str],
    index: Path,
    max_length: int,
    seed: int,
) -> Diagnosed:
    """`diagnosis.json`; the report is read as a `ProbeReport`, which refuses items of other splits."""
    probe = read_report_json(report, ProbeReport)
    assert isinstance(probe, ProbeReport)
    diagnosis = diagnoser.diagnose(
        probe=probe,
        corpus=load_pool(corpus),
        pool=load_pool(pool) if pool is not None else None,
        tokenizer=load_tokenizer(checkpoints[-1].model),
        checkpoints=checkpoints,
        item_fields=item_fields,
        row_fields=row_fields,
        guards=guards,
        index=load_index(index / INDEX_FILE),
        max_length=max_length,
        seed=seed,
    )
    (folder / "diagnosis.json").write_bytes(TypeAdapter(Diagnosis).dump_json(diagnosis))
    flops = FORWARD_BACKWARD * num_parameters(checkpoints[-1].model) * diagnosis.num_tokens
    return Diagnosed(diagnosis.num_tokens, flops)


def propose(
    folder: Path,
    intervention: Intervention,
    diagnosis: Path,
    corpus: Path,
    pool: Path | None,
    index: Path,
    judged: Sequence[str],
    model: ModelRef,
    max_length: int,
    seed: int,
) -> Proposed:
    """`plan.json`, and a folder with the mix of each arm when the plan changes something."""
    old = load_pool(corpus)
    new = load_pool(pool) if pool is not None else None
    found = TypeAdapter(Diagnosis).validate_json((diagnosis / "diagnosis.json").read_bytes())
    items = load_index(index / INDEX_FILE)
    proposal = propose_plan(intervention, found, old, new, items, judged, seed)
    (folder / "plan.json").write_bytes(TypeAdapter(Plan).dump_json(proposal.plan))
    if isinstance(proposal, NothingToDo):
        if proposal.plan.blocked:
            _save_mixes({CONTINUE: continue_mix(old, items)}, folder)
        return Proposed(0, 0.0, ())
    mixes = {
        CHALLENGER: proposal.mix,
        CONTINUE: continue_mix(old, items),
        RANDOM: random_mix(proposal.plan, old, new, items, seed),
    }
    _save_mixes(mixes, folder)
    tokenizer = load_tokenizer(model)
    return Proposed(
        num_rows=len(proposal.mix.weights),
        mean_tokens=expected_tokens(tokenizer, proposal.mix, max_length),
        action_tokens=_tokens_by_reason(proposal, tokenizer, max_length),
    )


def _save_mixes(mixes: Mapping[str, TrainingMix], folder: Path) -> None:
    for name, mix in mixes.items():
        (folder / name).mkdir(exist_ok=True)
        save_mix(mix, folder / name)


@lru_cache(maxsize=1)
def _loaded(suite: bytes, items_key: str) -> LoadedSuite:
    """Loaded once in a worker that measures many models: finding and reading tasks takes longer than small
    models do. `items_key` is the items' hash, so that changed files are read again."""
    del items_key
    return load_suite(TypeAdapter(EvalSuite).validate_json(suite))


def _tokens_by_reason(proposal: Proposal, tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[int, ...]:
    """Tokens of the rows of each action, once each; rows carry the reason of their action."""
    mix = proposal.mix
    rows = mix.examples.rows
    lengths = encode(rows["prompt"][:], rows["completion"][:], tokenizer, mix.examples.delimiter, max_length).lengths
    reasons = np.array(mix.reasons)
    return tuple(int(lengths[reasons == action.why].sum()) for action in proposal.plan.actions)


def num_parameters(model: ModelRef) -> int:
    """Counted without loading weights."""
    config = AutoConfig.from_pretrained(model.path, revision=model.revision)
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())
