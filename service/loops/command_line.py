"""Command line of a loop: a list of words, which no shell reads."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import controller

ROOT = Path(controller.__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the machine that a loop may use."""

    gpu: str | None
    """Name of its GPU, as `CUDA_VISIBLE_DEVICES` takes it; None where all may be used, or there is none."""
    workers: int | None
    """Trainings and evaluations side by side; None leaves it to the loop."""


def command(loop_id: str, words: Sequence[str], share: Share) -> list[str]:
    """Words that start a process of the loop; it is started in the home, where run directories are `runs/<loop>`.

    -P keeps the home's own files from being taken for modules.
    """
    chosen = [] if share.workers is None or names(words, "workers") else [f"workers={share.workers}"]
    loop = ["loop", *words, *chosen, f"run_dir=runs/{loop_id}"]
    return [sys.executable, "-P", "-m", "service.engine.child", str(os.getpid()), *loop]


def environment(share: Share) -> Mapping[str, str]:
    """The server's own environment, from which its process finds the same packages, with the GPU that it may use."""
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path))}
    return found if share.gpu is None else {**found, "CUDA_VISIBLE_DEVICES": share.gpu}


def names(words: Sequence[str], key: str) -> bool:
    """Whether a word sets the key."""
    return any(word.partition("=")[0].lstrip("+") == key for word in words)
