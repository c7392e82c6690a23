"""Run the loop: measure, diagnose, fix, retrain, verify; the accepted model opens the next round.

Model --evals--> EvalReport --diagnose--> Diagnosis --interventions--> Plan --controller--> Verdict
  ^                                                                                            |
  +------------------- the accepted model (champion) opens the next round ---------------------+
"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path

from controller.engine.budget import Cost
from controller.engine.errors import BudgetSpent
from controller.engine.runner import covered_seconds
from controller.engine.versions import code_version
from controller.loop.attempts import attempts_after
from controller.loop.diagnosing import DiagnosedRound, diagnose_round
from controller.loop.models import (
    base_model,
    counted_corpus,
    initial_model,
    measure_model,
    model_folders,
    write_champion,
)
from controller.loop.pilots.causes import settle_causes
from controller.loop.pilots.share import settle_share
from controller.loop.proposing import ProposedRound, agree, leave_patch, plan_record, propose_round
from controller.loop.run import (
    Run,
    asks_untrained,
    check_arms,
    check_run_dir,
    check_split,
    choose_run_dir,
    config_hash,
    data_hash,
    free_keys,
    opened,
)
from controller.loop.sealed import open_sealed
from controller.loop.studies.decontaminate import is_only_contaminated, scores_without_repeats
from controller.loop.studies.dose_curve import DoseCurve
from controller.loop.studies.fidelity import prove_attribution
from controller.loop.studies.study import JudgedFix, Study
from controller.loop.trial.judged import try_and_judge
from controller.results.arm_names import CHALLENGER, RANDOM
from controller.results.events import (
    DataRead,
    Event,
    ItemsAnswered,
    Listener,
    LoopEnded,
    LoopInterrupted,
    LoopOpened,
    ModelNamed,
    RoundEnded,
    Tell,
)
from controller.results.files import RunFiles
from controller.results.loop_json import (
    SCHEMA_VERSION,
    Champion,
    Decision,
    LoopResult,
    Round,
    Sealed,
    Status,
    VerdictRecord,
)
from controller.results.records import diagnosis_record, measure_record
from controller.results.tracking.job import Job
from controller.results.tracking.tracker import trackers
from controller.settings import LoopSettings
from controller.stages.model import Model
from controller.train.before.given import check_trainable
from controller.train.before.mixture import SourceCounts
from controller.train.kept import remove_weights, weights_beside, write_needed
from controller.train.settings import PretrainedModel
from controller.verdict.promise import Promise
from diagnose.finding.finding import NOT_DATA
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from evals.splits import Split
from evals.statistics.run_variance import RunVariance
from interventions.plan.attempts import Attempts

log = logging.getLogger(__name__)

STUDIES: tuple[Study, ...] = (DoseCurve(),)
LIBRARIES = ("torch", "transformers", "accelerate", "datasets", "lm-eval", "mlflow", "hydra-core", "peft")


@dataclass
class LoopState:
    """State of the loop, which alone changes from round to round."""

    champion: Model
    started: float
    """Start of the loop on the monotonic clock, in seconds."""
    corpus: tuple[SourceCounts, ...] = ()
    """Sources of `corpus.train` as it stands."""
    champion_round: int | None = None
    champions: tuple[Model, ...] = ()
    """Models of the arm that was taken last, one for each training seed; none as long as the first model stays."""
    start: EvalReport | None = None
    """Report on `select` of the model that the loop started with."""
    promises: list[Promise] = field(default_factory=list)
    """Promises of accepted rounds."""
    attempts: Attempts = field(default_factory=Attempts)
    """Attempts with the present champion."""
    variances: dict[tuple[bool, float, tuple[Slice, ...]], list[RunVariance]] = field(default_factory=dict)
    """Run variances of earlier rounds, by whether they retrained from the given model, by how far from the champion
    they went, and by endpoint: seeds differ more where the first weights do, farther on, and on a hard slice more than
    on one that is nearly solved."""
    rounds: list[Round] = field(default_factory=list)
    fixes: list[JudgedFix] = field(default_factory=list)
    """Fixes that were judged whole, for studies."""
    challengers: list[Model] = field(default_factory=list)
    """Challenger of the first training seed of each round that had one."""
    num_settled: int = 0
    """Number of stages that were asked for until the last round was over (`Runner.folders`)."""

    @property
    def first_round(self) -> int:
        """Number of the first round that the champion opened."""
        return 0 if self.champion_round is None else self.champion_round + 1


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
    tell(ModelNamed(_folder(start), "champion", -1))
    stopped, is_cut = "", False
    try:
        for number in count():
            if settings.budget.rounds is not None and number >= settings.budget.rounds:
                stopped = f"budget.rounds: {number} rounds are done"
                break
            played = play_round(run, base, state, number, tell)
            state.num_settled = len(run.runner.folders)
            if not settings.verify.doses:  # which train once more from the champions of all rounds
                _tidy(run, needed_folders(run, base, start, state), state.num_settled)
            if stopped := _why_it_ends(played.verdict):
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
    result = _result(run, state, "ended", stopped, sealed)
    tell(LoopEnded(result))
    return result


def needed_folders(run: Run, base: Model, start: Model, state: LoopState) -> set[Path]:
    """Folders of models with whose weights the loop can go on: those that a further round starts from or is compared
    with, the ones that the sealed items are asked, those that MLflow is told of, and what a round that was not finished
    has trained."""
    whole = {folder for model in (base, start, state.champion) for folder in model_folders(model)}
    asked = state.challengers if run.settings.tracking.models else state.challengers[-1:]
    shown = {_folder(model) for model in (*state.champions, *asked)}
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


def _result(run: Run, state: LoopState, status: Status, stopped: str = "", sealed: Sealed | None = None) -> LoopResult:
    return LoopResult(
        schema_version=SCHEMA_VERSION,
        name=run.settings.name,
        seed=run.settings.seed,
        rounds=tuple(state.rounds),
        sealed=sealed,
        champion=_champion(run, state),
        stopped_because=stopped,
        costs=run.books.costs() | {"overhead": _overhead(run, state.started)},
        versions={name: version(name) for name in LIBRARIES} | {"evalmend": code_version()} | dict(run.loaded.versions),
        config_hash=config_hash(run.settings),
        data_hash=data_hash(run),
        corpus=state.corpus,
        status=status,
    )


def _why_it_ends(verdict: VerdictRecord) -> str:
    """Reason why the loop ends; empty where another round may gain more."""
    is_over = verdict.decision in (Decision.NOT_DATA, Decision.NOTHING_TO_DO)
    return f"{verdict.decision.value}: {verdict.reason}" if is_over else ""


def play_round(run: Run, base: Model, state: LoopState, number: int, tell: Tell) -> Round:
    """Play one round; its results are added to the state."""
    mark = run.books.mark()
    champion = state.champion
    probe = measure_model(run, champion, Split.PROBE, "measure-probe")
    tell(ItemsAnswered(Split.PROBE, number, "champion", None, probe.report.results))
    diagnosed = diagnose_round(run, champion, probe)
    diagnosed = settle_causes(run, champion, probe, diagnosed, state.first_round)
    is_proven = run.settings.diagnose.fidelity
    fidelity = prove_attribution(run, base, champion, diagnosed) if is_proven else None
    proposal = propose_round(run, champion, diagnosed, state.attempts, number)
    if proposal.plan.actions:
        proposal = settle_share(run, champion, probe, diagnosed, proposal, number)
        state.attempts = proposal.made_from.attempts
    if not proposal.plan.actions:
        plan = plan_record(proposal, None)
        verdict = _no_change(diagnosed, proposal)
        if is_only_contaminated(diagnosed.diagnosis):
            scores = scores_without_repeats(run, base, champion, probe, diagnosed.diagnosis, proposal)
            verdict = replace(verdict, reason=f"{verdict.reason}; measured again: {scores}")
    else:
        before = measure_model(run, champion, Split.SELECT, "measure-select")
        earlier = {
            slices: found
            for (is_base, far, slices), found in state.variances.items()
            if (is_base, far) == (proposal.from_base, state.attempts.interpolation)
        }
        mended = tuple(where for agreed in state.promises for where in agreed.slices)
        candidates = agree(run, proposal, before, earlier, state.start, mended)
        state.start = state.start or before.report
        judged = try_and_judge(run, proposal, candidates, before, earlier, number)
        verdict, whole, proposal = judged.verdict, proposal, judged.proposal
        plan = plan_record(proposal, judged.agreed)
        if proposal is whole:
            state.fixes.append(JudgedFix(number, champion, proposal, judged.agreed, judged.arms))
        tell(ItemsAnswered(Split.SELECT, number, "before", None, before.report.results))
        for arm in judged.arms:
            for seed, report in enumerate(arm.reports):
                tell(ItemsAnswered(Split.SELECT, number, arm.name, seed, report.results))
        tell(ModelNamed(_folder(judged.challenger), "challenger", number))
        state.challengers.append(judged.challenger)
        if judged.run_variance is not None:
            alike = (proposal.from_base, state.attempts.interpolation, judged.agreed.slices)
            state.variances.setdefault(alike, []).append(judged.run_variance)
        if judged.champions:
            state.champion, state.champion_round, state.champions = judged.champions[0], number, judged.champions
            state.promises.append(judged.agreed)
            state.attempts = Attempts()
            tell(ModelNamed(_folder(state.champion), "champion", number))
        else:
            state.attempts = attempts_after(state.attempts, whole.plan, verdict, whole.from_base)
    leave_patch(proposal, run.run_dir, number)
    round_ = Round(
        number=number,
        measure=measure_record(probe.report, run.suite.slices, run.splits),
        diagnosis=diagnosis_record(diagnosed.diagnosis, fidelity),
        plan=plan,
        verdict=verdict,
        costs=run.books.costs(since=mark),
    )
    state.rounds.append(round_)
    patch = run.run_dir / f"mix-{number}.parquet"
    so_far = _result(run, state, "running")
    tell(RoundEnded(round_, fidelity, patch if patch.is_file() else None, so_far))
    return round_


def _describe(run: Run, state: LoopState, studies: Sequence[Study]) -> None:
    """Have studies describe fixes last: they decide nothing, so they take no budget from what does."""
    for study in studies:
        for fix in state.fixes:
            mark, played = run.books.mark(), state.rounds[fix.number]
            described = study.describe(run, fix, played)
            costs = {**played.costs, **run.books.costs(since=mark)}
            state.rounds[fix.number] = replace(described, costs=costs)


def _no_change(diagnosed: DiagnosedRound, proposal: ProposedRound) -> VerdictRecord:
    findings = diagnosed.diagnosis.findings
    is_not_data = bool(findings) and all(finding.cause in NOT_DATA for finding in findings)
    decision = Decision.NOT_DATA if is_not_data else Decision.NOTHING_TO_DO
    return VerdictRecord(decision, proposal.plan.reason, None, None, (), {}, (), None, None)


def _folder(model: Model) -> Path:
    return Path(model.ref.adapter or model.ref.path)


def _champion(run: Run, state: LoopState) -> Champion:
    path = _folder(state.champion)
    name = str(path.relative_to(run.run_dir)) if path.is_relative_to(run.run_dir) else str(path)
    if state.champion_round is None:
        return Champion(name, None, "the model of round 0")
    opened = state.rounds[state.champion_round]
    if opened.verdict.champion_arm != CHALLENGER:
        return Champion(name, state.champion_round, opened.plan.controls[RANDOM])
    return Champion(name, state.champion_round, "; ".join(action.why for action in opened.plan.actions))


def _overhead(run: Run, started: float) -> Cost:
    """Wall time of this process in which no stage was running."""
    return Cost(max(0.0, time.monotonic() - started - covered_seconds(run.runner.busy)), 0, 0.0)
