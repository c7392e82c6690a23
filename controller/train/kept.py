"""Weights of trainings that are done: which of them a loop still needs, and how the others are removed.

A stage without its weights is done all the same: its numbers, its configuration and its tokenizer stay, and everything
that was measured with the weights stands in stages of its own. So a loop that is played again repeats nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from controller.engine.whole_file import write_whole
from controller.train.training import MIDDLE_FOLDER, MODEL_FOLDER
from evals.model_ref import weight_files

NEEDED_FILE = "needed.json"


@dataclass(frozen=True, slots=True)
class KeptWeights:
    """Weights of one model on disk."""

    folder: Path
    """Folder of the model, in that of its stage."""
    num_bytes: int


def weights_beside(stages: Iterable[Path], needed: Collection[Path]) -> Iterator[KeptWeights]:
    """Yield the weights that stages left, but for the folders of models that are needed."""
    for stage in stages:
        for folder in (stage / MODEL_FOLDER, stage / MIDDLE_FOLDER):
            files = weight_files(folder)
            if files and folder not in needed:
                yield KeptWeights(folder, sum(file.stat().st_size for file in files))


def remove_weights(weights: Iterable[KeptWeights]) -> int:
    """Remove them from the disk; returns the number of bytes that they had."""
    removed = 0
    for one in weights:
        for file in weight_files(one.folder):
            file.unlink()
        removed += one.num_bytes
    return removed


def write_needed(needed: Collection[Path], run_dir: Path) -> None:
    """Write what a finished loop needs to go on: folders of models, as they lie in the run directory."""
    names = sorted(str(path.relative_to(run_dir)) for path in needed if path.is_relative_to(run_dir))
    write_whole(run_dir / NEEDED_FILE, TypeAdapter(list[str]).dump_json(names, indent=1))


def read_needed(run_dir: Path) -> Sequence[Path]:
    """Read what `write_needed` wrote.

    Raises:
        ValueError: no loop has ended there.
    """
    path = run_dir / NEEDED_FILE
    if not path.is_file():
        raise ValueError(
            f"{run_dir} holds no {NEEDED_FILE}, which a loop leaves when it is over, so nobody knows what it needs; "
            "give its command once more and let it end"
        )
    return [run_dir / name for name in TypeAdapter(list[str]).validate_json(path.read_bytes())]
