"""Compose settings from the words of a command line: Hydra composes and checks them, OmegaConf makes them dataclasses
once, and nothing below this file knows either."""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from controller.cli.config_errors import GROUPS, of_another_choice, one_line
from controller.cli.repeated_keys import refuse_repeated_keys
from controller.cli.sweeps import (
    Ended,
    Trial,
    best_of,
    constant_keys,
    keep_trial,
    kept_trials,
    open_sweep,
    sweep_lines,
    this_job,
)
from controller.data.corpus import Corpus
from controller.data.named_corpora import (
    ProblemsCorpus,
    QuestionsCorpus,
    ReportsCorpus,
    ScanJumpCorpus,
    StarterCorpus,
    TwoSourcesCorpus,
)
from controller.engine.errors import BudgetSpent
from controller.prove.settings import ProveSettings
from controller.results.tracking.job import Job
from controller.settings import LoopSettings
from controller.train.settings import PretrainedModel, RecordedModel, ScratchModel
from interventions.fixes.clean import Clean
from interventions.fixes.counter_examples import CounterExamples
from interventions.fixes.programs import Programs
from interventions.fixes.reformat import Reformat
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.planner import Auto

CONF = str(Path(__file__).parents[2] / "conf")  # the same for a checkout and for an installed package

_MULTIRUN = frozenset({"-m", "--multirun"})
_OPEN_KEYS = (
    "model.arch.",
    "interventions.wordings",
    "evals.gen_kwargs",
    "evals.model_args",
    "evals.per_task",
    "evals.templates",
    *(f"corpus.{name}{mark}" for name in ("train", "pool", "weights") for mark in (".", "={")),
)
"""Beginnings of words that may name new keys: fields of a transformers config, wordings, arguments, tasks, sources."""
_REPLACED = "model.arch="
"""Beginning of a word whose mapping takes the place of the one there whole: architectures differ in their fields."""

Settings = TypeVar("Settings", bound=LoopSettings)

ROOTS: Mapping[type[LoopSettings], str] = {LoopSettings: "loop", ProveSettings: "prove"}
"""File in `conf/` that each root of the settings is composed from."""

SCHEMAS: tuple[tuple[str | None, str, Any], ...] = (
    *((None, f"{name}_schema", root) for root, name in ROOTS.items()),
    ("schema/corpus", "files", Corpus),
    ("schema/corpus", "starter", StarterCorpus),
    ("schema/corpus", "scan_jump", ScanJumpCorpus),
    ("schema/corpus", "questions", QuestionsCorpus),
    ("schema/corpus", "problems", ProblemsCorpus),
    ("schema/corpus", "two_sources", TwoSourcesCorpus),
    ("schema/corpus", "reports", ReportsCorpus),
    ("schema/model", "scratch", ScratchModel),
    ("schema/model", "pretrained", PretrainedModel),
    ("schema/model", "recorded", RecordedModel),
    ("schema/interventions", "auto", Auto),
    ("schema/interventions", "reweight", Reweight),
    ("schema/interventions", "retrieve", Retrieve),
    ("schema/interventions", "clean", Clean),
    ("schema/interventions", "programs", Programs),
    ("schema/interventions", "counter_examples", CounterExamples),
    ("schema/interventions", "reformat", Reformat),
)


def call_with_settings(verb: Callable[[Settings, Job], Ended], root: type[Settings], overrides: list[str]) -> int:
    """Call `verb` with the settings that the words make, once for each job of a sweep; return the largest exit code.

    A sweep ends with its trials and the best of them; for that one the sealed items are opened (`sweep.sealed`).

    Args:
        verb: Function to call.
        root: Type of its settings, one of `ROOTS`.
        overrides: Words of the command line.

    Raises:
        ValueError: a word is no setting; the message is one line that names it and the nearest that is one.
    """
    try:
        return _compose_and_call(verb, root, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(one_line(error, root, [schema for group, _, schema in SCHEMAS if group])) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{mark.name}, line {mark.line + 1}" if mark is not None else "a file of settings"
        raise ValueError(f"{where} cannot be read: {error.problem}") from error


def register_schemas() -> None:
    """Tell Hydra which dataclass each group's files are checked against."""
    store = ConfigStore.instance()
    for group, name, node in SCHEMAS:
        store.store(group=group, name=name, node=node)


def composed(words: Sequence[str]) -> LoopSettings:
    """Compose the settings of a loop from words, without a command line, for scripts and tests."""
    return _composed(words, LoopSettings)


def composed_prove(words: Sequence[str]) -> ProveSettings:
    """Compose the settings of the proving ground from words, without a command line, for scripts and tests."""
    return _composed(words, ProveSettings)


def _composed(words: Sequence[str], root: type[Settings]) -> Settings:
    register_schemas()
    with hydra.initialize_config_dir(CONF, version_base="1.3"):
        return _settings(hydra.compose(ROOTS[root], _opened(words)), root)


def _opened(words: Sequence[str]) -> list[str]:
    """Let words name new keys where these are open; Hydra adds them to a typed group only with "++".

    Raises:
        ValueError: a word names a key twice.
    """
    refuse_repeated_keys(words)
    opened = [f"++{word}" if word.startswith((*_OPEN_KEYS, _REPLACED)) else word for word in words]
    if any(word.startswith(_REPLACED) for word in words):
        opened.insert(0, f"++{_REPLACED}null")  # Hydra lays one mapping over another; over null it stands alone
    return opened


def _settings(cfg: Any, root: type[Settings]) -> Settings:
    settings = OmegaConf.to_object(cfg)
    assert isinstance(settings, root)
    # A key that was added with "++" is in no schema's way.
    for group in GROUPS:
        if foreign := sorted(set(cfg[group]) - {one.name for one in fields(getattr(settings, group))}):
            raise ValueError(of_another_choice(f"{group}.{foreign[0]}"))
    return settings


def _compose_and_call(verb: Callable[[Settings, Job], Ended], root: type[Settings], overrides: list[str]) -> int:
    register_schemas()
    for word in overrides:
        if listed := re.match(r"(corpus|model|interventions|verify)=\[", word):
            # Hydra would lay them over each other, so that of two lists of arms only the last were left.
            more = "; a set of arms is verify.arms=[continue,random,bm25]" if listed[1] == "verify" else ""
            raise ValueError(f"{listed[1]} takes one file, got {word}{more}")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us instead of Hydra printing them and exiting with 1
    is_sweep = any(word in _MULTIRUN for word in overrides)
    if is_sweep:
        open_sweep()
    overrides = _opened([*overrides, *_defaults(root, overrides)])
    options, keys = _options_and_keys(overrides)
    alone = [option for option in options if option not in _MULTIRUN]
    constant = constant_keys(keys)
    codes: list[int] = []
    errors: list[Exception] = []

    @hydra.main(version_base="1.3", config_path=CONF, config_name=ROOTS[root])  # type: ignore[untyped-decorator]
    def job(cfg: Any) -> float | None:
        asked = this_job(verb.__name__, alone, constant)
        if asked.sweep is not None:
            settings = _settings(cfg, root)
            ended = verb(settings, asked)
            codes.append(ended.code)
            return keep_trial(asked, ended, settings.sweep)
        try:
            codes.append(verb(_settings(cfg, root), asked).code)
        except (ValueError, RuntimeError, OSError, BudgetSpent, OmegaConfBaseException) as error:
            errors.append(error)  # Hydra would print a line of its own about it
        return None

    sys.argv = [sys.argv[0], *options, *keys]  # Hydra reads it from there; its parser wants the options first
    job()
    if errors:
        raise errors[0]
    if is_sweep and (trials := kept_trials()):
        codes.append(_end_sweep(verb, root, trials))
    return max(codes, default=0)


def _end_sweep(verb: Callable[[Settings, Job], Ended], root: type[Settings], trials: Sequence[Trial]) -> int:
    """Name the best trial and play it again: all but the sealed items, which are opened for it alone, is there."""
    for line in sweep_lines(trials):
        sys.stdout.write(line + "\n")
    best = best_of(trials)
    return _compose_and_call(verb, root, list(best.words)) if best.is_to_confirm else 0


def _defaults(root: type[LoopSettings], words: Sequence[str]) -> list[str]:
    """Choose the experiment where the words choose no corpus; no model for recorded answers where they choose none; and
    that Optuna is to make the objective large.

    Raises:
        ValueError: the words for the proving ground name no scenario.
    """

    def names(*groups: str) -> bool:
        return any(word.lstrip("+").startswith(groups) for word in words)

    # Optuna makes numbers small unless it is told otherwise, and every objective of ours is better when larger.
    direction = ["hydra.sweeper.direction=maximize"]
    more = direction if names("hydra/sweeper=optuna") and not names("hydra.sweeper.direction=") else []
    if root is LoopSettings and names("evals.samples="):
        return more if names("experiment=", "model=", "model.") else ["model=recorded", *more]
    if root is LoopSettings:
        return more if names("experiment=", "corpus=", "corpus.train=") else ["experiment=starter", *more]
    if not names("scenario="):
        known = sorted(path.stem for path in (Path(CONF) / "scenario").glob("*.yaml"))
        raise ValueError(f"prove needs a scenario, for example scenario=starved_skill; known are {', '.join(known)}")
    return more


def _options_and_keys(words: list[str]) -> tuple[list[str], list[str]]:
    """Part options, with their values, from settings."""
    options: list[str] = []
    keys: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            keys.append(word)
            continue
        options.append(word)
        if word in {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p"}:
            options += [value for value in [next(rest, None)] if value is not None]
    return options, keys
