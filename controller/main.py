"""The command line: `evalmend VERB key=value ...`.

Hydra composes and checks the settings, OmegaConf makes them dataclasses once, and nothing below this file
knows either. Exit codes: 0 done, whatever the verdict; 1 failed; 2 bad input; 3 waits for approval; 130
interrupted.
"""

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from controller import logs
from controller.budget import BudgetSpent
from controller.compare_runs import compare_table
from controller.config_errors import one_line
from controller.corpus import Corpus
from controller.errors import is_user_error
from controller.named_corpora import ScanJumpCorpus, StarterCorpus
from controller.report.page import write_report
from controller.result import read_loop
from controller.settings import LoopSettings, PretrainedModel, ScratchModel
from controller.verbs import VERBS
from interventions.planner import Auto
from interventions.retrieve import Retrieve
from interventions.reweight import Reweight

log = logging.getLogger(__name__)

CONF = str(Path(__file__).parents[1] / "conf")  # the same for a checkout and for an installed package

USAGE = """usage: evalmend VERB [key=value ...]

  loop      rounds of measure, diagnose, fix, retrain, verify, until nothing more can be gained
  plan      what a loop would do, cost and be able to detect; nothing is run
  measure | diagnose | propose | verify
            one stage, on what earlier stages left in run_dir
  nightly   one round on the champion, for cron; a Markdown summary in run_dir
  report RUN_DIR              write report.html again
  compare RUN_DIR RUN_DIR ... a table of runs

  evalmend loop                                    the embedded starter
  evalmend loop experiment=scan_jump corpus.root=FOLDER
  evalmend loop --config-dir my_conf experiment=mine
  evalmend loop --multirun seed=0,1 interventions=reweight,retrieve

Every key with its meaning: controller/settings.py and the README. Exit codes: 0 done, 1 failed, 2 bad input,
3 waits for approval, 130 interrupted.
"""

SCHEMAS: tuple[tuple[str | None, str, Any], ...] = (
    (None, "loop_schema", LoopSettings),
    ("schema/corpus", "files", Corpus),
    ("schema/corpus", "starter", StarterCorpus),
    ("schema/corpus", "scan_jump", ScanJumpCorpus),
    ("schema/model", "scratch", ScratchModel),
    ("schema/model", "pretrained", PretrainedModel),
    ("schema/interventions", "auto", Auto),
    ("schema/interventions", "reweight", Reweight),
    ("schema/interventions", "retrieve", Retrieve),
)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command; returns the exit code."""
    logs.set_up()
    try:
        return _dispatch(list(arguments))
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; finished stages are kept: the same command goes on where this one stopped\n")
        return 130
    except (HydraException, OmegaConfBaseException) as error:
        sys.stderr.write(f"evalmend: {one_line(error, [schema for _, _, schema in SCHEMAS])}\n")
        return 2
    except ValueError as error:
        if is_user_error(error):
            sys.stderr.write(f"evalmend: {error}\n")
            return 2
        traceback.print_exc()
        return 1
    except BudgetSpent as end:
        sys.stderr.write(f"evalmend: stopped before round 0: {end}\n")
        return 2
    except (RuntimeError, OSError) as error:
        traceback.print_exc()
        sys.stderr.write(f"evalmend: failed: {error}\n")
        return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        sys.stdout.write(USAGE)
        return 0 if arguments else 2
    verb, rest = arguments[0], arguments[1:]
    if verb == "report":
        for folder in _folders(verb, rest):
            sys.stdout.write(f"{write_report(read_loop(folder), folder)}\n")
        return 0
    if verb == "compare":
        sys.stdout.write(compare_table(_folders(verb, rest)) + "\n")
        return 0
    if verb not in VERBS:
        known = [*VERBS, "report", "compare"]
        near = get_close_matches(verb, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
        raise ValueError(f"unknown verb '{verb}'{hint}")
    return _compose_and_call(VERBS[verb], rest)


def _compose_and_call(verb: Callable[[LoopSettings, str | None], int], overrides: list[str]) -> int:
    store = ConfigStore.instance()
    for group, name, node in SCHEMAS:
        store.store(group=group, name=name, node=node)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us instead of Hydra printing them and exiting with 1
    if any(word in {"-m", "--multirun"} for word in overrides):
        os.environ.setdefault("EVALMEND_SWEEP", f"{time.strftime('%Y-%m-%d %H:%M:%S')} ({os.getpid()})")
    if not any(word.lstrip("+").startswith(("experiment=", "corpus=", "corpus.train=")) for word in overrides):
        overrides = [*overrides, "experiment=starter"]
    # `arch` takes any field of a transformers config, and Hydra adds new keys to a typed group only with "++".
    overrides = [f"++{word}" if word.startswith("model.arch.") else word for word in overrides]
    codes: list[int] = []
    errors: list[Exception] = []

    @hydra.main(version_base="1.3", config_path=CONF, config_name="loop")  # type: ignore[untyped-decorator]
    def job(cfg: Any) -> None:
        settings = OmegaConf.to_object(cfg)
        assert isinstance(settings, LoopSettings)
        is_sweep = HydraConfig.get().mode is hydra.types.RunMode.MULTIRUN
        if is_sweep:
            codes.append(verb(settings, os.environ["EVALMEND_SWEEP"]))
            return
        try:
            codes.append(verb(settings, None))
        except (ValueError, RuntimeError, OSError, BudgetSpent) as error:
            errors.append(error)  # Hydra would print a line of its own about it

    sys.argv = [sys.argv[0], *_options_first(overrides)]  # Hydra reads it from there
    job()
    if errors:
        raise errors[0]
    return max(codes, default=0)


def _options_first(words: list[str]) -> list[str]:
    """Hydra's parser does not take key=value on both sides of an option."""
    options, keys = [], []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            keys.append(word)
            continue
        options.append(word)
        if word in {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package", "-p"}:
            options += [value for value in [next(rest, None)] if value is not None]
    return [*options, *keys]


def _folders(verb: str, words: list[str]) -> list[Path]:
    if not words:
        raise ValueError(f"evalmend {verb} needs a run directory, for example: evalmend {verb} runs/starter-1a2b3c4d")
    return [Path(word) for word in words]


if __name__ == "__main__":
    main()
