"""The stages as functions of a folder: what a worker process does, and what it leaves there.

Each is called with the stage's folder and values that pickle, writes large results as files and returns
a small dataclass that the store keeps as JSON. `controller.rounds` says when they are called.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from pydantic import TypeAdapter
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from controller.arms import CHALLENGER, CONTINUE
from controller.budget import FORWARD, FORWARD_BACKWARD
from controller.corpus import Corpus, read_pool
from controller.effects import effects_of, save_effects
from controller.inputs import INDEX_FILE, DiagnosisInputs, PlanInputs
from controller.model_resources import ModelResources
from controller.progress import Progress
from controller.settings import ScratchModel
from controller.tables import (
    load_mix,
    load_pool,
    num_of_corpus,
    read_report_json,
    save_mix,
    save_pool,
    write_patch,
    write_report_json,
)
from controller.train.model import build_scratch, load_tokenizer
from controller.train.recipe import Recipe
from controller.train.trainer import MODEL_FOLDER, Training, expected_tokens, train
from diagnose.attribution.checkpoint import Checkpoint
from diagnose.attribution.queries import Queries
from diagnose.attribution.stream import Attribution
from diagnose.case import AskedModel, Case, Question
from diagnose.finding import Diagnosis
from diagnose.losses import RowLosses, row_losses
from diagnose.pool import TrainPool
from diagnose.tokens import encode
from evals.harness import LoadedSuite, evaluate, load_suite
from evals.harness.asking import Asker
from evals.index import index_items, load_index
from evals.items import ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite
from evals.templates import make_templates
from interventions.compose import compose
from interventions.controls import CONTROLS
from interventions.controls.contest import Contest
from interventions.mix import TrainingMix, original_mix
from interventions.plan import Plan
from interventions.proposal import NothingToDo, Proposal
from interventions.proposal import propose as propose_plan
from interventions.quality import take_stock
from interventions.step import Declined, Resources

PATCH_FILE = "patch.parquet"


@dataclass(frozen=True, slots=True)
class PoolSize:
    num_rows: int


@dataclass(frozen=True, slots=True)
class Measured:
    num_items: int
    num_tokens: int
    flops: float


@dataclass(frozen=True, slots=True)
class ControlMade:
    """What stands in the place of the fix, once the plan is known."""

    name: str
    """Key of `CONTROLS`."""
    what: str
    """What it trains on; or why this data allows no such control."""
    has_mix: bool
    num_tokens: int
    """Tokens through the model to choose its rows."""
    flops: float


@dataclass(frozen=True, slots=True)
class Proposed:
    num_rows: int
    """Rows of the challenger's mix: an epoch; 0 when nothing is changed."""
    num_left: int
    """Of them those of the corpus, or made in the place of some of these."""
    num_added: int
    """Of them the new ones, not in the place of others."""
    mean_tokens: float
    """Mean tokens of a draw from it."""
    action_tokens: tuple[int, ...]
    """Tokens of the rows that each action adds, once each."""
    controls: tuple[ControlMade, ...]
    """None when nothing is changed."""
    num_tokens: int
    """Tokens through the model, forward and backward, to choose rows of the fix."""
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

    diagnosis = inputs.diagnoser.diagnose(_case(inputs), model, folder / "attribution", told, keep, asker)
    shutil.rmtree(folder / "attribution", ignore_errors=True)  # diagnosis and effects hold what it says
    (folder / "diagnosis.json").write_bytes(TypeAdapter(Diagnosis).dump_json(diagnosis))
    flops = FORWARD_BACKWARD * num_parameters(measured) * diagnosis.num_tokens
    return Diagnosed(diagnosis.num_tokens, flops)


def propose(folder: Path, made_from: PlanInputs, controls: Sequence[str]) -> Proposed:
    """`plan.json`, and a folder with the mix of the challenger and of each control when the plan changes something.

    Args:
        folder: Of the stage.
        made_from: What the plan is made from.
        controls: Keys of `CONTROLS`.
    """
    inputs, found, asked = made_from.inputs, made_from.load_diagnosis(), made_from.ask_model()
    corpus, model = load_pool(inputs.corpus), made_from.model

    def resources() -> Resources:
        return asked.resources(made_from.take_stock(), made_from.tried, made_from.seed)

    proposal = propose_plan(made_from.intervention, found, resources, made_from.seed)
    num_tokens = asked.num_tokens  # what controls ask for is not the fix's
    flops = FORWARD_BACKWARD * num_parameters(model) * num_tokens
    (folder / "plan.json").write_bytes(TypeAdapter(Plan).dump_json(proposal.plan))
    if isinstance(proposal, NothingToDo):
        if proposal.plan.blocked:
            index = load_index(inputs.index / INDEX_FILE)
            save_arm(compose((), take_stock(corpus, None, index)), folder / CONTINUE)
        return Proposed(0, 0, 0, 0.0, (), (), num_tokens, flops)
    save_arm(proposal.mix, folder / CHALLENGER)
    write_patch(proposal.mix, proposal.removed, corpus, folder / PATCH_FILE)
    tokenizer = load_tokenizer(model)
    contest = Contest(
        intervention=made_from.intervention,
        diagnosis=found,
        plan=proposal.plan,
        mix=proposal.mix,
        resources=proposal.resources,
        row_fields=tuple(inputs.row_fields),
        max_rows=inputs.diagnoser.max_rows,
        row_losses=lambda rows: _row_losses(rows, model, tokenizer, inputs),
        without_influence=lambda: inputs.diagnoser.diagnose_by_words(_case(inputs)),
        seed=made_from.seed,
    )
    made = tuple(_made(name, contest, folder, num_parameters(model), asked) for name in controls)
    return Proposed(
        num_rows=len(proposal.mix.weights),
        num_left=num_of_corpus(proposal.mix),
        num_added=proposal.num_added,
        mean_tokens=expected_tokens(tokenizer, proposal.mix, inputs.max_length),
        action_tokens=_tokens_by_reason(proposal, tokenizer, inputs.max_length),
        controls=made,
        num_tokens=num_tokens,
        flops=flops,
    )


def _made(name: str, contest: Contest, folder: Path, model_size: int, asked: ModelResources) -> ControlMade:
    before = asked.num_tokens
    done = CONTROLS[name].mix(contest)
    # A control that plans as the fix does asks the model what the fix asks.
    num_asked = asked.num_tokens - before
    flops = FORWARD_BACKWARD * model_size * num_asked
    if isinstance(done, Declined):
        return ControlMade(name, done.reason, has_mix=False, num_tokens=num_asked, flops=flops)
    save_arm(done.mix, folder / name)
    flops += FORWARD * model_size * done.num_tokens
    return ControlMade(name, done.what, True, num_asked + done.num_tokens, flops)


def save_arm(mix: TrainingMix, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    save_mix(mix, folder)


def _row_losses(
    rows: TrainPool, model: ModelRef, tokenizer: PreTrainedTokenizerBase, inputs: DiagnosisInputs
) -> RowLosses:
    prompts, completions = rows.rows["prompt"][:], rows.rows["completion"][:]
    encoded = encode(prompts, completions, tokenizer, rows.delimiter, inputs.max_length)
    return row_losses(model, encoded, inputs.diagnoser.influence.batch_tokens)


def _case(inputs: DiagnosisInputs) -> Case:
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


def _tokens_by_reason(proposal: Proposal, tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[int, ...]:
    """Tokens of the rows of each action, once each; rows carry the reason of their action."""
    mix = proposal.mix
    rows = mix.examples.rows
    lengths = encode(rows["prompt"][:], rows["completion"][:], tokenizer, mix.examples.delimiter, max_length).lengths
    of_reason = {origin.reason: place for place, origin in enumerate(mix.origins)}
    return tuple(int(lengths[mix.origin == of_reason.get(a.why, -1)].sum()) for a in proposal.plan.actions)


def num_parameters(model: ModelRef) -> int:
    """Counted without loading weights."""
    config = AutoConfig.from_pretrained(model.path, revision=model.revision)
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())
