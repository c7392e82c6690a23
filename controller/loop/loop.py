"""Run the loop: measure, diagnose, fix, retrain, verify; the accepted model opens the next round.

Model --evals--> EvalReport --diagnose--> Diagnosis --interventions--> Plan --controller--> Verdict
  ^                                                                                            |
  +------------------- the accepted model (champion) opens the next round ---------------------+
"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

from controller.engine.errors import BudgetSpent
from controller.engine.journal.approvals import withdraw
from controller.engine.versions import code_version
from controller.loop.models import base_model, counted_corpus, initial_model, model_folders, write_champion
from controller.loop.rounds.round import play_round
from controller.loop.rounds.state import LoopState, model_folder, result_of
from controller.loop.run import (
    Run,
    asks_untrained,
    check_arms,
    check_run_dir,
    check_split,
    choose_run_dir,
    config_hash,
    free_keys,
    opened,
)
from controller.loop.sealed import open_sealed
from controller.loop.studies.dose_curve import DoseCurve
from controller.loop.studies.study import Study
from controller.results.events import (
    DataRead,
    Event,
    Listener,
    LoopEnded,
    LoopInterrupted,
    LoopOpened,
    LoopWaits,
    ModelNamed,
    RoundEnded,
    Tell,
)
from controller.results.files import RunFiles
from controller.results.loop_json import LoopResult
from controller.results.tracking.job import Job
from controller.results.tracking.tracker import trackers
from controller.results.verdict_json import Decision, VerdictRecord
from controller.settings import LoopSettings
from controller.stages.model import Model
from controller.train.before.given import check_trainable
from controller.train.kept import remove_weights, weights_beside, write_needed
from controller.train.settings import PretrainedModel
from evals.splits import Split

log = logging.getLogger(__name__)

STUDIES: tuple[Study, ...] = (DoseCurve(),)


def run_loop(
    settings: LoopSettings,
    job: Job | None,
    champion: Model | None = None,
    listeners: Sequence[Listener] = (),
    studies: Sequence[Study] = STUDIES,
    *,
    opens_sealed: bool = True,
) -> LoopResult:
    """Play rounds until nothing more can be gained or the budget ends; leaves `loop.json` and the files beside it.

    Args:
        settings: All settings.
        job: What the command chose, for the names of what is logged; None where a program calls.
        champion: Model of round 0 that an earlier run left (`champion.json`), instead of the given one.
        listeners: Listeners to events, beside the files of the run and MLflow, which hear them first.
        studies: Describe each judged fix when all rounds are played and the sealed items read.
        opens_sealed: Open the sealed items where there is a new champion; the same settings again can do it later.

    Raises:
        ValueError: a setting, the data or the tasks are invalid; nothing expensive was begun.
    """
    if settings.evals.asks_server:
        raise asks_untrained("a loop")
    if settings.controller.asks and job is not None and job.sweep is not None:
        raise ValueError(
            "controller.approval=ask is not for a sweep, whose jobs are compared by what they come to; leave it out, "
            "or start the jobs one by one"
        )
    run_dir = choose_run_dir(settings)
    started = time.monotonic()
    check_run_dir(settings, run_dir)
    with opened(settings, run_dir) as run:
        check_arms(run)
        if isinstance(settings.model, PretrainedModel):
            check_trainable(settings.model)
        loggers = trackers(settings.tracking, run_dir, settings.name, job or Job())
        everyone: tuple[Listener, ...] = (RunFiles(run_dir), *loggers, *listeners)

        def tell(event: Event) -> None:
            for listener in everyone:
                listener.hear(event)

        try:
            return _play(run, tell, champion, studies, started, opens_sealed)
        except KeyboardInterrupt:
            tell(LoopInterrupted(is_error=False))
            raise
        except (ValueError, RuntimeError, OSError):
            tell(LoopInterrupted(is_error=True))
            raise


def _play(
    run: Run, tell: Tell, champion: Model | None, studies: Sequence[Study], started: float, opens_sealed: bool
) -> LoopResult:
    settings = run.settings
    check_split(run.loaded, Split.SELECT)
    tell(_opened(run))
    base = base_model(run)
    corpus = counted_corpus(run, base)
    start = champion if champion is not None else initial_model(run, base)
    state = LoopState(champion=start, started=started, corpus=corpus)
    tell(ModelNamed(model_folder(start), "champion", -1))
    stopped, is_cut = "", False
    try:
        for number in count():
            if settings.budget.rounds is not None and number >= settings.budget.rounds:
                stopped = f"budget.rounds: {number} rounds are done"
                break
            played = play_round(run, base, state, number, tell)
            if played.waits:
                return _wait(run, state, tell)
            so_far = result_of(run, state, "running")
            tell(RoundEnded(played.round, played.fidelity, played.patch, so_far))
            state.num_settled = len(run.runner.folders)
            if not settings.verify.doses:  # which train once more from the champions of all rounds
                _tidy(run, needed_folders(run, base, start, state), state.num_settled)
            if stopped := _why_it_ends(played.round.verdict):
                break
    except BudgetSpent as end:
        stopped, is_cut = str(end), True
    log.info("stopped: %s", stopped)
    sealed = None
    try:
        if state.champions and opens_sealed:
            sealed = open_sealed(run, start, state.champions, state.promises, tell, len(state.rounds))
    except BudgetSpent as end:
        log.warning("the sealed items stay closed: %s", end)
    _describe(run, state, studies)
    # At the end alone: a finished loop that is played again and stopped keeps its champion.
    write_champion(state.champion, run.run_dir)
    needed = needed_folders(run, base, start, state)
    write_needed(needed, run.run_dir)
    is_last_alone = settings.train.keep == "champion" and not is_cut
    _tidy(
        run,
        model_folders(state.champion) if is_last_alone else needed,
        state.num_settled if is_cut else len(run.runner.folders),
    )
    withdraw(run.run_dir)  # as of a round that another version of the code proposes nothing in
    result = result_of(run, state, "ended", stopped, sealed)
    tell(LoopEnded(result))
    return result


def _wait(run: Run, state: LoopState, tell: Tell) -> LoopResult:
    """End where a person has to approve: nothing is described, removed or opened, as more may follow."""
    verdict = state.rounds[-1].verdict
    result = result_of(run, state, "waiting", f"{verdict.decision.value}: {verdict.reason}")
    tell(LoopWaits(result))
    return result


def needed_folders(run: Run, base: Model, start: Model, state: LoopState) -> set[Path]:
    """Folders of models with whose weights the loop can go on: those that a further round starts from or is compared
    with, the ones that the sealed items are asked, those that MLflow is told of, and what a round that was not finished
    has trained."""
    whole = {folder for model in (base, start, state.champion) for folder in model_folders(model)}
    asked = state.challengers if run.settings.tracking.models else state.challengers[-1:]
    shown = {model_folder(model) for model in (*state.champions, *asked)}
    underway = run.runner.folders[state.num_settled :]
    return whole | shown | {one.folder for one in weights_beside(underway, ())}


def _tidy(run: Run, needed: set[Path], num_settled: int) -> None:
    """Remove weights that are not needed, of the first stages that were asked for; later ones may be under way."""
    if run.settings.train.keep == "all":
        return
    stages = dict.fromkeys(run.runner.folders[:num_settled])
    if removed := remove_weights(weights_beside(stages, needed)):
        log.info("train.keep=%s: removed %.1f MB of weights", run.settings.train.keep, removed / 1e6)


def _opened(run: Run) -> LoopOpened:
    settings = run.settings
    read = (("corpus", run.corpus), ("pool", run.pool))
    tasks = ", ".join((*run.loaded.tasks, *run.loaded.guards))
    items = DataRead("items", run.items_key, tasks, len(run.loaded.items))
    return LoopOpened(
        run_dir=run.run_dir,
        settings=asdict(settings),
        free=free_keys(settings),
        tags={"config_hash": config_hash(settings), "code_version": code_version(), "pid": str(os.getpid())},
        data=(*(DataRead(what, d.digest, d.source, d.num_rows) for what, d in read if d is not None), items),
    )


def _why_it_ends(verdict: VerdictRecord) -> str:
    """Reason why the loop ends; empty where another round may gain more."""
    is_over = verdict.decision in (Decision.NOT_DATA, Decision.NOTHING_TO_DO)
    return f"{verdict.decision.value}: {verdict.reason}" if is_over else ""


def _describe(run: Run, state: LoopState, studies: Sequence[Study]) -> None:
    """Have studies describe fixes last: they decide nothing, so they take no budget from what does."""
    for study in studies:
        for fix in state.fixes:
            mark, played = run.books.mark(), state.rounds[fix.number]
            described = study.describe(run, fix, played)
            costs = {**played.costs, **run.books.costs(since=mark)}
            state.rounds[fix.number] = replace(described, costs=costs)
