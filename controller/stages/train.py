"""The stages that train: a model from nothing, the initial training, and the arms."""

from pathlib import Path

from controller.data.mixes import load_mix, load_pool
from controller.engine.artifacts import Data
from controller.engine.workers.progress import Progress
from controller.stages.model import Model
from controller.train.recipe import Recipe
from controller.train.settings import ScratchModel
from controller.train.start import build_scratch
from controller.train.trainer import MODEL_FOLDER, Training, train
from interventions.mix.mix import original_mix


def build(folder: Path, settings: ScratchModel, corpus: Data, max_length: int, seed: int) -> str:
    """The untrained model of `model=scratch`, with its tokenizer."""
    build_scratch(settings, load_pool(corpus.folder), max_length, folder / MODEL_FOLDER, seed)
    return MODEL_FOLDER


def train_initial(folder: Path, model: Model, corpus: Data, recipe: Recipe, seed: int) -> Training:
    """The training on `corpus.train` before round 0: every row alike, as it stands."""
    mix = original_mix(load_pool(corpus.folder))
    return train(model.ref, mix, recipe, seed, folder, keeps_middle=True, progress=Progress(folder))


def train_arm(folder: Path, model: Model, mix: Data, recipe: Recipe, seed: int, keeps_middle: bool) -> Training:
    """The training of an arm on its mix; with `keeps_middle` the model half way is left too, for attribution."""
    return train(model.ref, load_mix(mix.folder), recipe, seed, folder, keeps_middle, Progress(folder))
