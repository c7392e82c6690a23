"""The command line: `evalmend VERB key=value ...`.

Exit codes: 0 done, whatever the verdict; 1 failed; 2 bad input; 3 waits for approval; 130 interrupted.

Imports beyond this file's own stand inside `_dispatch`: help needs none of them, and the server that workers are forked
from can import beside the parent only if it is started first.
"""

import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from controller.engine import logs
from controller.engine.errors import BudgetSpent, is_user_error
from controller.engine.workers import server as worker_server

VERBS = ("loop", "plan", "measure", "diagnose", "propose", "verify", "nightly", "prove")
"""Names of verbs, functions of `controller.cli.verbs`."""

SERVICE_VERBS = {"serve": "service.cli.serve"} | dict.fromkeys(
    ("submit", "status", "cancel", "resume", "schedule", "token"), "service.cli.commands"
)
"""Verbs of the service, with modules that carry them out; these stand above this package and may not be installed."""

USAGE = """usage: evalmend VERB [key=value ...]

  loop      rounds of measure, diagnose, fix, retrain, verify, until nothing more can be gained
  plan      what a loop would do, cost and be able to detect; a few steps are timed, nothing is trained
  measure | diagnose | propose | verify
            one stage, on what earlier stages left in run_dir
  prove     the loop on a planted defect, held against the truth
  nightly   a night on the champion or the given model, for cron: what got worse, and why; a page of Markdown
  report RUN_DIR              write report.html again
  compare RUN_DIR RUN_DIR ... a table of runs
  approve | reject RUN_DIR [by=NAME why="..." round=N proposal=HASH]
                              decide on the plan that a loop with controller.approval=ask waits with;
                              approve leave_out=PLACE,... scale=PART takes actions or draws away from it first
  clean RUN_DIR [--force]     list weights that a finished loop does not need, with sizes; removed with --force alone

  serve                       the service: loops in a queue, watched and gone on with; all with serve.home=HOME
  submit RECIPE [field=value ...] | status [LOOP ...] | cancel LOOP ... | resume LOOP ...
  schedule add NAME RECIPE cron='0 1 * * *' zone=UTC | schedule list | schedule pause|resume|remove NAME
  token give NAME role=viewer|approver|admin [days=30] | token list | token take ID

  evalmend loop                                    the embedded starter
  evalmend loop experiment=scan_jump corpus.root=FOLDER
  evalmend loop --config-dir my_conf experiment=mine
  evalmend diagnose evals.samples=DIR              logs of lm-eval, Inspect, Every Eval Ever
  evalmend loop --multirun seed=0,1 interventions=reweight,retrieve
  evalmend prove scenario=starved_skill world=skills seed=0

Every key with its meaning: controller/settings.py and the README. Exit codes: 0 done, 1 failed, 2 bad input,
3 waits for approval, 4 a night is worse than the one before, 130 interrupted. With --debug bad input shows where it was
noticed, too.
"""

DEBUG = "--debug"


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command; returns the exit code."""
    logs.set_up()
    shows_all = DEBUG in arguments
    try:
        return _dispatch([word for word in arguments if word != DEBUG])
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; finished stages are kept: the same command goes on where this one stopped\n")
        return 130
    except ValueError as error:
        if is_user_error(error):
            if shows_all:
                traceback.print_exc()
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
        from controller.results.loop_json import read_loop
        from controller.results.page.page import write_report

        for folder in _folders(verb, rest):
            sys.stdout.write(f"{write_report(read_loop(folder), folder)}\n")
        return 0
    if verb == "clean":
        from controller.cli.clean import FORCE, clean_lines

        folders = _folders(verb, [word for word in rest if word != FORCE])
        for folder in folders:
            for line in clean_lines(folder, removes=FORCE in rest):
                sys.stdout.write(f"{line}\n")
        return 0
    if verb in {"approve", "reject"}:
        from controller.cli.approve import answer_lines

        for line in answer_lines(verb, rest):
            sys.stdout.write(f"{line}\n")
        return 0
    if verb == "compare":
        from controller.results.compare_runs import compare_table

        sys.stdout.write(compare_table(_folders(verb, rest)) + "\n")
        return 0
    if verb in SERVICE_VERBS:
        return _serve(verb, rest)
    if verb not in VERBS:
        known = [*VERBS, "report", "compare", "approve", "reject", "clean", *SERVICE_VERBS]
        near = get_close_matches(verb, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
        raise ValueError(f"unknown verb '{verb}'{hint}")
    worker_server.start()
    with worker_server.lasting_imports():
        from controller.cli import verbs
        from controller.cli.compose import call_with_settings
        from controller.prove.settings import ProveSettings
        from controller.settings import LoopSettings

    return call_with_settings(getattr(verbs, verb), ProveSettings if verb == "prove" else LoopSettings, rest)


def _serve(verb: str, words: list[str]) -> int:
    try:
        module = import_module(SERVICE_VERBS[verb])
    except ModuleNotFoundError as error:
        raise ValueError(
            f"evalmend {verb} needs the service, of which {error.name} is missing: pip install 'evalmend[serve]'"
        ) from error
    code: int = module.run(verb, words)
    return code


def _folders(verb: str, words: list[str]) -> list[Path]:
    if not words:
        raise ValueError(f"evalmend {verb} needs a run directory, for example: evalmend {verb} runs/starter-1a2b3c4d")
    if options := [word for word in words if word.startswith("-")]:
        raise ValueError(f"evalmend {verb} has no option {options[0]}; evalmend --help lists all")
    return [Path(word) for word in words]


if __name__ == "__main__":
    main()
