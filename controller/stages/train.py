"""Stages that make models: one from nothing, and trainings."""

from pathlib import Path

from controller.data.mixes import load_corpus, load_pool
from controller.engine.artifacts import Data
from controller.engine.workers.progress import Progress
from controller.stages.model import Model
from controller.train.recipe import Recipe
from controller.train.settings import ScratchModel
from controller.train.start import build_scratch
from controller.train.training import MODEL_FOLDER, Training


def build(folder: Path, settings: ScratchModel, corpus: Data, max_length: int, seed: int) -> str:
    """Build the untrained model of `model=scratch`, with its tokenizer."""
    build_scratch(settings, load_pool(corpus.folder), max_length, folder / MODEL_FOLDER, seed)
    return MODEL_FOLDER


def train(folder: Path, model: Model, rows: Data, recipe: Recipe, seed: int, keeps_middle: bool) -> Training:
    """Train a model on a mix, or on a corpus as it stands, every row alike; `keeps_middle` leaves the model half way
    too, for attribution."""
    from controller.train.trainer import train_on

    return train_on(model.ref, load_corpus(rows.folder), recipe, seed, folder, keeps_middle, Progress(folder))
