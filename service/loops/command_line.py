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


def command(loop_id: str, words: Sequence[str], share: Share, schedule: str | None = None) -> list[str]:
    """Words that start a process of the loop, or of a night of a schedule; it is started in the home, where run
    directories are `runs/<loop>`.

    -P keeps the home's own files from being taken for modules.
    """
    chosen = [] if share.workers is None or names(words, "workers") else [f"workers={share.workers}"]
    if schedule is None:
        verb, own = "loop", [f"run_dir=runs/{loop_id}"]
    else:
        date = loop_id.removeprefix(f"{schedule}-")
        verb, own = "nightly", [f"nightly.name='{schedule}'", f"nightly.date='{date}'", "run_dir=runs"]
    return [sys.executable, "-P", "-m", "service.engine.child", str(os.getpid()), verb, *words, *chosen, *own]


def environment(share: Share) -> Mapping[str, str]:
    """The server's own environment, from which its process finds the same packages, with the GPU that it may use."""
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path))}
    return found if share.gpu is None else {**found, "CUDA_VISIBLE_DEVICES": share.gpu}


def names(words: Sequence[str], key: str) -> bool:
    """Whether a word sets the key."""
    return any(word.partition("=")[0].lstrip("+") == key for word in words)
