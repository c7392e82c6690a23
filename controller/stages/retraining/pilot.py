"""Train on a mix for a moment and read what it did to some probe items; the model is not kept.

These are stages, functions of a folder. Costs a small training each, a forward pass over the items' gold answers, and
their answers.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from controller.data.mixes import load_mix
from controller.engine.artifacts import Data
from controller.engine.budget import FORWARD, Spent
from controller.engine.workers.progress import Progress
from controller.stages.measure import PinnedSuite
from controller.stages.model import Model
from controller.train.recipe import Recipe
from controller.train.start import load_tokenizer, trained_ref
from controller.train.training import MODEL_FOLDER
from diagnose.model.asked_model import Trained
from diagnose.model.checkpoint import context_length, load_model
from diagnose.model.likelihoods import row_likelihoods
from evals.harness import evaluate
from evals.items import Item, ItemKey, OutputType
from evals.model_ref import ModelRef

LIKELIHOODS_FILE, SCORES_FILE = "likelihoods.npy", "scores.npy"


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


def try_mix(folder: Path, start: Model, mix: Data, recipe: Recipe, seed: int, asked: AskedItems) -> Spent:
    """Train from a model on a mix, and write what `ask_model` does."""
    from controller.train.trainer import train_on

    training = train_on(
        start.ref, load_mix(mix.folder), recipe, seed, folder, keeps_middle=False, progress=Progress(folder)
    )
    num_tokens = _ask(trained_ref(start.ref, folder / MODEL_FOLDER), asked, folder)
    shutil.rmtree(folder / MODEL_FOLDER)
    flops = training.flops + FORWARD * start.num_parameters * num_tokens
    return Spent(tokens=training.num_tokens + num_tokens, flops=flops, train_tokens=training.num_tokens)


def ask_model(folder: Path, model: Model, asked: AskedItems) -> Spent:
    """Write `likelihoods.npy` of the gold answers and `scores.npy`, [num_items] each.

    A likelihood is the geometric mean of the tokens' probabilities, in [0, 1]; of a text whose likelihood is all that
    is asked the mean log-probability of a token, in nats. Nan where there is none, or an item is not answered.
    """
    num_tokens = _ask(model.ref, asked, folder)
    return Spent(tokens=num_tokens, flops=FORWARD * model.num_parameters * num_tokens)


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
