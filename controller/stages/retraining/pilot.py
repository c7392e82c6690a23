"""Train on a mix for a moment and read what it did to some probe items; the model is not kept.

These are stages, functions of a folder. Costs a small training each, a forward pass over the items' gold answers, and
their answers.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from controller.data.mixes import load_corpus, load_mix
from controller.data.row_effects import EFFECTS_FILE
from controller.engine.artifacts import Artifact, Data
from controller.engine.budget import FORWARD, FORWARD_BACKWARD, Spent
from controller.engine.workers.progress import Progress
from controller.stages.inputs import DIAGNOSIS_FILE, PlanInputs
from controller.stages.measure import PinnedSuite
from controller.stages.model import Model
from controller.stages.propose import save_arm
from controller.train.recipe import Recipe
from controller.train.sampling import expected_tokens
from controller.train.start import load_tokenizer, trained_ref
from controller.train.training import MODEL_FOLDER
from diagnose.finding.finding import Cause, Diagnosis, Experiment
from diagnose.model.asked_model import Trained
from diagnose.model.checkpoint import context_length, load_model
from diagnose.model.likelihoods import row_likelihoods
from diagnose.rows.rendering import encode_pool
from diagnose.slices.predicate import Slice
from evals.harness import evaluate
from evals.items import Item, ItemKey, OutputType
from evals.model_ref import ModelRef
from interventions.arms.rivals import rivals

LIKELIHOODS_FILE, SCORES_FILE = "likelihoods.npy", "scores.npy"


@dataclass(frozen=True, slots=True)
class OpenCauses:
    """Causes of a failing slice that the evidence leaves open."""

    items: Slice
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class RivalMade:
    """Mix of the repair of a rival cause, or of a control."""

    name: str
    """Name of the mix, and of its folder."""
    num_rows: int
    items: tuple[Slice, ...]
    """Failing slices that it is a repair for; empty for a control."""
    says: str
    added_tokens: int
    """Tokens of the rows that it adds, once each."""
    share: float
    """Share of the draws that these have."""


@dataclass(frozen=True, slots=True)
class RivalsMade:
    mixes: tuple[RivalMade, ...]
    """Mixes; none where no repair is possible."""
    mean_tokens: float
    """Mean tokens of a draw from the corpus."""
    num_tokens: int
    """Tokens through the model, forward and backward, to choose rows."""
    flops: float

    @property
    def spent(self) -> Spent:
        return Spent(tokens=self.num_tokens, flops=self.flops)


@dataclass(frozen=True, slots=True)
class AskedItems:
    """Probe items that a model is asked, and how."""

    suite: PinnedSuite
    keys: tuple[ItemKey, ...]
    """Items whose gold answers are read, as far as `most_read` allows."""
    most_read: int
    """Most tokens of items that are read. Which items those are is drawn at random, the same for all models of one
    tokenizer."""
    most_answered: int
    """Most tokens of items that are answered and scored too, where models write their answers: prompts, and golds
    twice."""
    max_length: int
    batch_tokens: int

    def load(self) -> list[Item]:
        by_key = {item.key: item for item in self.suite.load().items}
        return [by_key[key] for key in self.keys]


@dataclass(frozen=True, slots=True)
class Settled:
    """What experiments made of a finding."""

    items: Slice
    causes: Mapping[Cause, float]
    experiments: tuple[Experiment, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    train_tokens: int
    num_tokens: int
    """Tokens through the model, answers included."""
    flops: float

    @property
    def spent(self) -> Spent:
        return Spent(tokens=self.num_tokens, flops=self.flops, train_tokens=self.train_tokens)


def make_rivals(folder: Path, made_from: PlanInputs, open_causes: Sequence[OpenCauses]) -> RivalsMade:
    """Write a folder with the mix of each repair that is possible, and of each control."""
    model_resources, inputs = made_from.model_resources(), made_from.inputs
    resources = model_resources.resources(made_from.take_stock(), made_from.attempts, made_from.seed)
    wanted = {one.items: one.causes for one in open_causes}
    made = rivals(made_from.intervention, made_from.load_diagnosis(), wanted, resources)
    tokenizer = load_tokenizer(inputs.model.ref)
    mixes = []
    for rival in made:
        save_arm(rival.mix, folder / rival.name)
        of_corpus = len(rival.mix.parts[0].rows)
        added = rival.mix.examples.select(np.arange(of_corpus, len(rival.mix.weights)))
        tokens = encode_pool(added, tokenizer, inputs.max_length).num_tokens if len(added) else 0
        size = len(rival.mix.weights)
        mixes.append(RivalMade(rival.name, size, rival.items, rival.says, tokens, rival.share))
    num_tokens = model_resources.num_tokens
    return RivalsMade(
        mixes=tuple(mixes),
        mean_tokens=expected_tokens(tokenizer, load_corpus(inputs.corpus.folder), inputs.max_length),
        num_tokens=num_tokens,
        flops=FORWARD_BACKWARD * made_from.model.num_parameters * num_tokens,
    )


def try_mix(folder: Path, start: Model, mix: Data, recipe: Recipe, seed: int, asked: AskedItems) -> Asked:
    """Train from a model on a mix, and write what `ask_model` does."""
    from controller.train.trainer import train_on

    training = train_on(
        start.ref, load_mix(mix.folder), recipe, seed, folder, keeps_middle=False, progress=Progress(folder)
    )
    num_tokens = _ask(trained_ref(start.ref, folder / MODEL_FOLDER), asked, folder)
    shutil.rmtree(folder / MODEL_FOLDER)
    flops = training.flops + FORWARD * start.num_parameters * num_tokens
    return Asked(training.num_tokens, training.num_tokens + num_tokens, flops)


def ask_model(folder: Path, model: Model, asked: AskedItems) -> Asked:
    """Write `likelihoods.npy` of the gold answers and `scores.npy`, [num_items] each.

    A likelihood is the geometric mean of the tokens' probabilities, in [0, 1]; of a text whose likelihood is all that
    is asked the mean log-probability of a token, in nats. Nan where there is none, or an item is not answered.
    """
    num_tokens = _ask(model.ref, asked, folder)
    return Asked(0, num_tokens, FORWARD * model.num_parameters * num_tokens)


def settle(folder: Path, diagnosis: Artifact, settled: Sequence[Settled]) -> int:
    """Write the diagnosis with the causes that experiments left, and its effects; returns the number of findings."""
    found = TypeAdapter(Diagnosis).validate_json((diagnosis.folder / DIAGNOSIS_FILE).read_bytes())
    by_items = {one.items: one for one in settled}
    findings = tuple(
        replace(finding.with_causes(one.causes), experiments=one.experiments) if one is not None else finding
        for finding, one in ((finding, by_items.get(finding.slice)) for finding in found.findings)
    )
    (folder / DIAGNOSIS_FILE).write_bytes(TypeAdapter(Diagnosis).dump_json(replace(found, findings=findings)))
    shutil.copyfile(diagnosis.folder / EFFECTS_FILE, folder / EFFECTS_FILE)
    return len(settled)


def _ask(ref: ModelRef, asked: AskedItems, folder: Path) -> int:
    """Write the two files; returns the number of tokens through the model."""
    items = asked.load()
    most = min(asked.max_length, context_length(ref) or asked.max_length)
    trained = Trained(load_model(ref), load_tokenizer(ref), most, None, asked.batch_tokens)
    rows = trained.encode_answers(items, [item.target for item in items])
    chosen = np.array(_affordable(rows.lengths.tolist(), asked.most_read), np.int64)
    read = row_likelihoods(trained.model, rows.select(chosen), asked.batch_tokens)
    # A likelihood of 0 nats that greedy decoding does not give is one that is not finite.
    is_sound = (read.num_loss_tokens > 0) & ((read.log_likelihood != 0) | read.is_greedy)
    per_token = np.where(is_sound, read.log_likelihood / np.maximum(read.num_loss_tokens, 1), np.nan)
    is_rolling = np.array([items[k].output_type is OutputType.LOGLIKELIHOOD_ROLLING for k in chosen.tolist()], bool)
    likelihoods, scores = np.full(len(items), np.nan), np.full(len(items), np.nan)
    likelihoods[chosen] = np.where(is_rolling, per_token, np.exp(per_token))
    np.save(folder / LIKELIHOODS_FILE, likelihoods)
    # What offers its answers is scored by reading them.
    costs = [
        length + golds if items[k].output_type is OutputType.GENERATE_UNTIL else 0
        for k, length, golds in zip(
            chosen.tolist(), rows.lengths[chosen].tolist(), read.num_loss_tokens.tolist(), strict=True
        )
    ]
    answered = chosen[_affordable(costs, asked.most_answered)].tolist()
    num_tokens = read.num_tokens
    if answered:
        report = evaluate(ref, asked.suite.load(), [items[k] for k in answered])
        score = {result.item.key: result.score for result in report.results}
        scores[answered] = [score.get(items[k].key, np.nan) for k in answered]
        num_tokens += report.num_tokens
    np.save(folder / SCORES_FILE, scores)
    return num_tokens


def _affordable(costs: Sequence[int], most: int) -> list[int]:
    """Choose places at random, as many as their costs together allow; ascending."""
    chosen, left = [], most
    for place in np.random.default_rng(0).permutation(len(costs)).tolist():
        if costs[place] <= left:
            chosen.append(place)
            left -= costs[place]
    return sorted(chosen)
