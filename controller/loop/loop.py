"""The loop: measure, diagnose, fix, retrain, verify; the accepted model opens the next round.

Model --evals--> EvalReport --diagnose--> Diagnosis --interventions--> Plan --controller--> Verdict
  ^                                                                                            |
  +------------------- the accepted model (champion) opens the next round ---------------------+
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path

from controller.data.reports import ItemTable
from controller.engine.budget import Cost
from controller.engine.errors import BudgetSpent
from controller.engine.versions import code_version
from controller.loop.attempts import attempts_after
from controller.loop.diagnosing import DiagnosedRound, diagnose_round
from controller.loop.models import MeasuredModel, base_model, initial_model, measure_model, write_champion
from controller.loop.pilots import settle_share
from controller.loop.proposing import ProposedRound, agree, leave_patch, plan_record, propose_round
from controller.loop.run import Run, choose_run_dir, config_hash, data_hash, opened, settings_dict
from controller.loop.sealed import open_sealed
from controller.loop.studies.decontaminate import is_only_contaminated, measured_again
from controller.loop.studies.dose_curve import dose_curve
from controller.loop.studies.fidelity import prove_attribution
from controller.loop.trial import try_and_judge
from controller.results.arm_names import CHALLENGER, RANDOM
from controller.results.loop_json import (
    SCHEMA_VERSION,
    Champion,
    Decision,
    DosePoint,
    LoopResult,
    Round,
    VerdictRecord,
    write_loop,
)
from controller.results.page.page import write_report
from controller.results.records import diagnosis_record, measure_record
from controller.results.tracking import Tracker, default_uri
from controller.settings import LoopSettings
from controller.stages.model import Model
from controller.verdict.arm_scores import Arm
from controller.verdict.promise import Promise
from diagnose.finding.finding import NOT_DATA
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from evals.splits import Split
from evals.statistics.run_variance import RunVariance
from interventions.plan.attempts import Attempts

log = logging.getLogger(__name__)

LIBRARIES = ("torch", "transformers", "accelerate", "datasets", "lm-eval", "mlflow", "hydra-core", "peft")


@dataclass
class LoopState:
    """What the loop knows so far; the one place that changes from round to round."""

    champion: Model
    champion_round: int | None = None
    champions: tuple[Model, ...] = ()
    """Of the arm that was taken last, one for each training seed; none as long as the first model stays."""
    start: EvalReport | None = None
    """The model that the loop started with, on `select`."""
    promises: list[Promise] = field(default_factory=list)
    """Of accepted rounds."""
    tried: Attempts = field(default_factory=Attempts)
    """What the present champion was tried with."""
    variances: dict[tuple[bool, float, tuple[Slice, ...]], list[RunVariance]] = field(default_factory=dict)
    """Of earlier rounds, by whether they retrained from the given model, by how far from the champion they went, and by
    endpoint: seeds differ more where the first weights do, farther on, and on a hard slice more than on one that is
    nearly solved."""
    rounds: list[Round] = field(default_factory=list)
    curves: dict[int, Callable[[], tuple[DosePoint, ...]]] = field(default_factory=dict)
    """By round, what measures its dose curve, when everything else is done."""


def run_loop(settings: LoopSettings, sweep: str | None, champion: Model | None = None) -> LoopResult:
    """Rounds until nothing more can be gained or the budget ends; leaves `loop.json` and what stands beside it.

    Args:
        settings: All of them.
        sweep: Name of the sweep that this is a job of.
        champion: Model of round 0 that an earlier run left (`champion.json`), instead of the given one.

    Raises:
        ValueError: a setting, the data or the tasks cannot be right; nothing expensive was begun.
    """
    run_dir = choose_run_dir(settings)
    started = time.monotonic()
    with opened(settings, run_dir) as run:
        uri = settings.tracking.uri or default_uri(run_dir)
        tracker = Tracker(uri, run_dir, settings.name, sweep)
        try:
            return _tracked_loop(run, tracker, champion, started)
        except KeyboardInterrupt:
            tracker.interrupt("KILLED")
            raise
        except (ValueError, RuntimeError, OSError):
            tracker.interrupt("FAILED")
            raise


def _tracked_loop(run: Run, tracker: Tracker, champion: Model | None, started: float) -> LoopResult:
    settings = run.settings
    tracker.log_settings(
        settings_dict(settings),
        {"config_hash": config_hash(settings), "code_version": code_version(), "pid": str(os.getpid())},
    )
    for context, data in (("corpus", run.corpus), ("pool", run.pool)):
        if data is not None:
            tracker.log_data(context, context, data.digest, data.source, data.num_rows)
    items = {split: ItemTable() for split in Split}
    base = base_model(run)
    start = champion if champion is not None else initial_model(run, base)
    state = LoopState(champion=start)
    tracker.register(_folder(start), "champion", -1)
    stopped = ""
    try:
        for number in count():
            if settings.budget.rounds is not None and number >= settings.budget.rounds:
                stopped = f"budget.rounds: {number} rounds are done"
                break
            stopped = play_round(run, base, state, number, items, tracker)
            if stopped:
                break
    except BudgetSpent as end:
        stopped = str(end)
    log.info("stopped: %s", stopped)
    sealed = None
    try:
        if state.champions:
            sealed = open_sealed(run, start, state.champions, state.promises, items[Split.SEALED], len(state.rounds))
    except BudgetSpent as end:
        log.warning("the sealed items stay closed: %s", end)
    _measure_doses(run, state)
    for split, table in items.items():
        table.write(run.run_dir / f"items-{split.value}.parquet")
    result = LoopResult(
        schema_version=SCHEMA_VERSION,
        name=settings.name,
        seed=settings.seed,
        rounds=tuple(state.rounds),
        sealed=sealed,
        champion=_champion(run, state),
        stopped_because=stopped,
        costs=run.books.costs() | {"overhead": _overhead(run, started)},
        versions={name: version(name) for name in LIBRARIES} | {"evalmend": code_version()} | dict(run.loaded.versions),
        config_hash=config_hash(settings),
        data_hash=data_hash(run),
    )
    write_champion(state.champion, run.run_dir)
    write_loop(result, run.run_dir)
    report = write_report(result, run.run_dir)
    tracker.finish(result, [run.run_dir / "loop.json", report])
    return result


def play_round(
    run: Run, base: Model, state: LoopState, number: int, items: dict[Split, ItemTable], tracker: Tracker
) -> str:
    """One round; returns why the loop stops after it, or nothing."""
    mark = run.books.mark()
    champion = state.champion
    probe = measure_model(run, champion, Split.PROBE, "measure-probe")
    items[Split.PROBE].add(number, "champion", None, probe.report.results)
    diagnosed = diagnose_round(run, champion, probe)
    is_proven = run.settings.diagnose.fidelity
    fidelity = prove_attribution(run, base, champion, diagnosed) if is_proven else None
    proposal = propose_round(run, champion, diagnosed, state.tried, number)
    if proposal.plan.actions:
        piloted = settle_share(run, champion, probe, diagnosed, proposal, state.tried, number)
        proposal, state.tried = piloted.proposal, piloted.tried
    plan = proposal.record
    stopped = ""
    if not proposal.plan.actions:
        verdict = _no_change(diagnosed, proposal)
        if is_only_contaminated(diagnosed.diagnosis):
            again = measured_again(run, base, champion, probe, diagnosed.diagnosis, proposal)
            verdict = replace(verdict, reason=f"{verdict.reason}; measured again: {again}")
        stopped = f"{verdict.decision.value}: {verdict.reason}"
    else:
        before = measure_model(run, champion, Split.SELECT, "measure-select")
        earlier = {
            slices: found
            for (is_base, far, slices), found in state.variances.items()
            if (is_base, far) == (proposal.from_base, state.tried.interpolation)
        }
        mended = tuple(where for agreed in state.promises for where in agreed.slices)
        candidates = agree(run, proposal, before, earlier, state.start, mended)
        state.start = state.start or before.report
        judged = try_and_judge(run, champion, proposal, candidates, before, earlier, number)
        verdict, whole, proposal = judged.verdict, proposal, judged.proposal
        plan = plan_record(proposal.plan, proposal.proposed, judged.agreed, proposal.pilots)
        if proposal is whole:
            state.curves[number] = partial(dose_curve, run, champion, proposal, judged.agreed, judged.arms[0], number)
        _note_items(items[Split.SELECT], number, before, judged.arms)
        tracker.register(_folder(judged.challenger), "challenger", number)
        if judged.run_variance is not None:
            alike = (proposal.from_base, state.tried.interpolation, judged.agreed.slices)
            state.variances.setdefault(alike, []).append(judged.run_variance)
        if judged.champions:
            state.champion, state.champion_round, state.champions = judged.champions[0], number, judged.champions
            state.promises.append(judged.agreed)
            state.tried = Attempts()
            tracker.register(_folder(state.champion), "champion", number)
        else:
            state.tried = attempts_after(state.tried, whole.plan, verdict, whole.from_base)
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
    mix = run.run_dir / f"mix-{number}.parquet"
    tracker.log_round(round_, [mix] if mix.is_file() else [])
    if fidelity is not None:
        tracker.log_fidelity(fidelity, number)
    return stopped


def _measure_doses(run: Run, state: LoopState) -> None:
    """Last of all: they decide nothing, so they take nothing of a budget from what does."""
    for number, measure in state.curves.items():
        mark, played = run.books.mark(), state.rounds[number]
        verdict = replace(played.verdict, doses=measure())
        costs = {**played.costs, **run.books.costs(since=mark)}
        state.rounds[number] = replace(played, verdict=verdict, costs=costs)


def _no_change(diagnosed: DiagnosedRound, proposal: ProposedRound) -> VerdictRecord:
    findings = diagnosed.diagnosis.findings
    is_not_data = bool(findings) and all(finding.cause in NOT_DATA for finding in findings)
    decision = Decision.NOT_DATA if is_not_data else Decision.NOTHING_TO_DO
    return VerdictRecord(decision, proposal.plan.reason, None, None, (), {}, (), None, None)


def _folder(model: Model) -> Path:
    return Path(model.ref.adapter or model.ref.path)


def _note_items(table: ItemTable, number: int, before: MeasuredModel, arms: Sequence[Arm]) -> None:
    table.add(number, "before", None, before.report.results)
    for arm in arms:
        for seed, report in enumerate(arm.reports):
            table.add(number, arm.name, seed, report.results)


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
    """Wall time of this process in which no stage was under way."""
    return Cost(max(0.0, time.monotonic() - started - run.runner.busy_seconds()), 0, 0.0)
