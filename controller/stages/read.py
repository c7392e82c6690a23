"""Stages that read rows of a corpus or a pool, and count what a model is given of them."""

from pathlib import Path

from controller.data.mixes import load_pool, save_pool
from controller.data.sources import Reading, read_pool
from controller.engine.artifacts import Data
from controller.stages.model import Model
from controller.train.before.mixture import SourceCounts, count_sources
from controller.train.start import load_tokenizer
from diagnose.rows.rendering import encode_pool


def read_data(folder: Path, reading: Reading) -> int:
    """Read rows of `corpus.train` or `corpus.pool` and store them, to be memory-mapped from then on; returns their
    number."""
    pool = read_pool(reading)
    save_pool(pool, folder)
    return len(pool)


def count_corpus(
    folder: Path, corpus: Data, model: Model, max_length: int, end_in_loss: bool
) -> tuple[SourceCounts, ...]:
    """Count the rows of each source, that of most draws first, as the model is trained on them; costs a pass of its
    tokenizer."""
    del folder
    rows = load_pool(corpus.folder)
    return count_sources(rows, encode_pool(rows, load_tokenizer(model.ref), max_length, end_in_loss))
