"""Jobs of a sweep: what each chose and came to, and which of them is the best.

Jobs may run in other processes or on other machines, so each leaves a line in a file of the sweep, beside the folders
that Hydra makes for it.
"""

import fcntl
import json
import os
import re
import shlex
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from pydantic import TypeAdapter

from controller.results.loop_json import LoopResult
from controller.results.objective import objective_value
from controller.results.page.words.numbers import number, signed, signed_interval
from controller.results.tracking.job import Job
from controller.settings import Sweep

_NAME = "EVALMEND_SWEEP"
"""Variable of the environment with the sweep's name, which the processes of launchers inherit."""


@dataclass(frozen=True, slots=True)
class Ended:
    """End of a verb."""

    code: int
    """Exit code."""
    result: LoopResult | None = None
    """Result that a sweep can compare; None for verbs that leave none."""
    run_dir: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One job of a sweep, finished."""

    swept: tuple[str, ...]
    """Settings that are its own, `key=value`."""
    words: tuple[str, ...]
    """Words of the command that does this job alone."""
    run_dir: str
    value: float
    """Value of `sweep.objective`."""
    gain: tuple[float, float, float] | None
    """Gain over the strongest control on `select` with its interval; None where nothing was compared."""
    objective: str
    is_to_confirm: bool
    """Whether a new model is the champion and the sealed items wait for the best trial."""


def open_sweep() -> None:
    """Name the sweep that this process and those that it starts belong to."""
    os.environ[_NAME] = f"{time.strftime('%Y-%m-%d %H:%M:%S')} ({os.getpid()})"


def constant_keys(words: Sequence[str]) -> frozenset[str]:
    """Keys of the words that give one value; whatever else a job sets was swept."""
    parsed = OverridesParser.create().parse_overrides(list(words))
    return frozenset(one.key_or_group for one in parsed if not one.is_sweep_override())


def this_job(verb: str, options: Sequence[str], constant: Collection[str]) -> Job:
    """Say what Hydra composes for: a command, or one job of a sweep.

    Args:
        verb: Name of the verb.
        options: Options of the command, such as `--config-dir`, that hold for each job.
        constant: Keys that all jobs have alike.
    """
    hydra = HydraConfig.get()
    words = [str(word) for word in hydra.overrides.task]
    command = shlex.join(["evalmend", verb, *options, *words])
    choices = {
        group: str(choice)
        for group, choice in hydra.runtime.choices.items()
        if choice is not None and re.fullmatch(r"\w+", group)  # neither Hydra's own nor our schemas
    }
    if hydra.mode is not RunMode.MULTIRUN:
        return Job(command, choices)
    parsed = OverridesParser.create().parse_overrides(words)
    swept = tuple(word for word, one in zip(words, parsed, strict=True) if one.key_or_group not in constant)
    return Job(command, choices, swept, os.environ[_NAME])


def keep_trial(job: Job, ended: Ended, settings: Sweep) -> float | None:
    """Add a job to the file of its sweep; returns its value, None where it has none."""
    result = ended.result
    if result is None:
        return None
    value = objective_value(result, settings.objective)
    gains = [round_.verdict.gain for round_ in result.rounds if round_.verdict.gain is not None]
    gain = (gains[-1].mean, *gains[-1].ci) if gains else None
    words = tuple(shlex.split(job.command)[2:])
    waits = settings.sealed == "best" and result.champion.round is not None
    trial = Trial(job.swept, words, ended.run_dir, value, gain, settings.objective, waits)
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(asdict(trial)) + "\n")
    return value


def kept_trials() -> list[Trial]:
    """Read the trials of the sweep that this process has opened."""
    path = _file()
    lines = path.read_text().splitlines() if path.is_file() else []
    return [TypeAdapter(Trial).validate_json(line) for line in lines]


def best_of(trials: Sequence[Trial]) -> Trial:
    """Trial with the largest value; of equal ones the first."""
    return max(trials, key=lambda trial: trial.value)


def sweep_lines(trials: Sequence[Trial]) -> Iterator[str]:
    """List the trials, the best first, and name it."""
    for trial in sorted(trials, key=lambda trial: -trial.value):
        gain = f"  gain {signed(trial.gain[0])} {signed_interval(*trial.gain[1:])}" if trial.gain else ""
        value = f"{trial.value:.3g}" if trial.objective == "score_per_token" else number(trial.value)
        yield f"{value:>8}  {' '.join(trial.swept) or trial.run_dir}{gain}"
    best = best_of(trials)
    yield f"best of {len(trials)} by {best.objective}: {' '.join(best.swept) or best.run_dir}, in {best.run_dir}"


def _file() -> Path:
    return Path("runs/sweeps") / f"{re.sub(r'[^0-9A-Za-z]+', '-', os.environ[_NAME]).strip('-')}.jsonl"
