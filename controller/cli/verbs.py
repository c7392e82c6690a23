"""Verbs of the command line, each a function of its settings.

Single stages are the loop's own, stopped early: the journal finds what earlier commands left.
"""

import sys
from dataclasses import replace
from pathlib import Path

from controller.cli.forecast import compare_models, plan_lines
from controller.cli.nights.nightly import nightly
from controller.cli.recorded_lines import finding_line, gold_lines, recorded_lines, score_lines
from controller.cli.sweeps import Ended
from controller.data.mixes import load_mix
from controller.data.patches import export_mix
from controller.data.reports import ItemTable
from controller.engine.journal.approvals import waiting
from controller.loop.diagnosing import diagnose_round, leave_diagnosis
from controller.loop.loop import run_loop
from controller.loop.models import base_model, initial_model, measure_model
from controller.loop.pilots.causes import settle_causes
from controller.loop.proposing import leave_patch, propose_round
from controller.loop.recorded import diagnose_recorded_answers
from controller.loop.run import check_arms, choose_run_dir, opened
from controller.loop.studies.dose_curve import make_doses
from controller.loop.studies.fidelity import prove_attribution
from controller.prove.prover import prove as run_prove
from controller.prove.prover import prove_hash
from controller.prove.result import PROVE_FILE
from controller.prove.settings import ProveSettings
from controller.results.arm_names import CHALLENGER
from controller.results.loop_json import LoopResult
from controller.results.page.diagnosis.fidelity import believed, calibrated, of_slices
from controller.results.page.diagnosis_page import DiagnosedModel, write_diagnosis
from controller.results.page.words.summary import summary, waiting_lines
from controller.results.records import diagnosis_record, measure_record
from controller.results.tracking.job import Job
from controller.settings import LoopSettings
from controller.train.settings import RecordedModel
from diagnose.finding.outcome import concluded
from evals.splits import Split
from interventions.plan.attempts import Attempts

__all__ = ["diagnose", "loop", "measure", "nightly", "plan", "propose", "prove", "verify"]


def loop(settings: LoopSettings, job: Job) -> Ended:
    ended = _play(settings, job)
    _say(f"{choose_run_dir(settings) / 'report.html'}")
    return ended


def measure(settings: LoopSettings, job: Job) -> Ended:
    """Measure round 0's model on the probe items."""
    del job
    with opened(settings, choose_run_dir(settings)) as run:
        model = initial_model(run, base_model(run))
        measured = measure_model(run, model, Split.PROBE, "measure-probe")
        items = ItemTable()
        items.add(0, "champion", None, measured.report.results)
        path = run.run_dir / "items-probe.parquet"
        items.write(path)
        for line in score_lines(measured.report):
            _say(line)
        _say(f"{path}")
    return Ended(0)


def diagnose(settings: LoopSettings, job: Job) -> Ended:
    """Diagnose round 0's model, or recorded answers, and print the findings."""
    del job
    if settings.evals.samples or isinstance(settings.model, RecordedModel):
        return _diagnose_recorded(settings)
    with opened(settings, choose_run_dir(settings)) as run:
        base = base_model(run)
        model = initial_model(run, base)
        measured = measure_model(run, model, Split.PROBE, "measure-probe")
        diagnosed = diagnose_round(run, model, measured)
        diagnosed = settle_causes(run, model, measured, diagnosed, 0, is_alone=True)
        for finding in diagnosed.diagnosis.findings:
            _say(finding_line(finding))
            if finding.experiments:
                _say(f"  {concluded(finding)}")
        if not diagnosed.diagnosis.findings:
            _say("no failing slice")
        for one in diagnosed.diagnosis.left_out:
            _say(f"left out: {one.test}: {one.reason}")
        proven = prove_attribution(run, base, model, diagnosed) if settings.diagnose.fidelity else None
        if proven is not None:
            _say(believed(proven))
            _say(f"{of_slices(proven)} {calibrated(proven)}".strip())
        _say(f"{diagnosed.artifact.folder / 'diagnosis.json'}")
        _say(f"{leave_diagnosis(run, measured.report, diagnosed, proven)}")
    return Ended(0)


def _diagnose_recorded(settings: LoopSettings) -> Ended:
    run_dir = choose_run_dir(settings)
    recorded = diagnose_recorded_answers(settings, run_dir)
    for line in recorded_lines(recorded):
        _say(line)
    found = DiagnosedModel(
        name=settings.name,
        model=recorded.report.model.path,
        measure=measure_record(recorded.report, settings.evals.slices, {}),
        diagnosis=diagnosis_record(recorded.diagnosis),
        costs=recorded.costs,
        notes=tuple(gold_lines(recorded.golds)) if recorded.golds is not None else (),
    )
    _say(f"{write_diagnosis(found, run_dir)}")
    return Ended(0)


def propose(settings: LoopSettings, job: Job) -> Ended:
    """Propose the plan of round 0 and its mix, for people and for other trainers; of it nothing but small trainings is
    trained that settle causes."""
    del job
    run_dir = choose_run_dir(settings)
    if waiting(run_dir) is not None:
        raise ValueError(
            f"a loop waits in {run_dir} with a proposal, whose rows stand in the files that propose writes; decide on "
            "it with evalmend approve or reject, or choose another run_dir"
        )
    with opened(settings, run_dir) as run:
        check_arms(run)
        model = initial_model(run, base_model(run))
        probe = measure_model(run, model, Split.PROBE, "measure-probe")
        diagnosed = settle_causes(run, model, probe, diagnose_round(run, model, probe), 0)
        proposal = propose_round(run, model, diagnosed, Attempts(), 0)
        _say(proposal.plan.reason)
        for action in proposal.plan.actions:
            _say(f"{action.kind}: {action.why}")
        leave_patch(proposal, run.run_dir, 0)
        if proposal.plan.actions and not proposal.plan.is_share_told and settings.pilots.scales:
            _say(
                "the added rows have their largest share of the draws; a loop tries small whether the rest loses by it"
            )
        if proposal.plan.actions:
            _say(f"{run.run_dir / 'mix-0.parquet'}")
        for dose in make_doses(run, proposal):
            _say(f"dose {dose.dose:g}: {dose.num_added} rows added, {dose.mix.folder}")
        export = settings.propose.export
        if export is not None and not proposal.plan.actions:
            _say(f"{export} is not written: the plan changes no data")
        if export is not None and proposal.plan.actions:
            export_mix(load_mix(proposal.artifact.folder / CHALLENGER), Path(export))
            _say(export)
    return Ended(0)


def plan(settings: LoopSettings, job: Job) -> Ended:
    """Print what a loop would do, cost and be able to detect."""
    del job
    with opened(settings, choose_run_dir(settings)) as run:
        check_arms(run)
        for line in plan_lines(run):
            _say(line)
    return Ended(0)


def verify(settings: LoopSettings, job: Job) -> Ended:
    """Run round 0 up to its verdict; with `verify.model` and `verify.challenger`, compare two given models."""
    if settings.verify.model is not None and settings.verify.challenger:
        return _compare_models(settings, settings.verify.model, settings.verify.challenger)
    if settings.verify.model is not None or settings.verify.challenger:
        raise ValueError("verify.model and verify.challenger go together: the model before and the models after")
    return _play(replace(settings, budget=replace(settings.budget, rounds=1)), job)


def prove(settings: ProveSettings, job: Job) -> Ended:
    """Run the loop on a planted defect and compare it with the truth."""
    proving = settings.prove
    name = f"{proving.scenario.name}-{proving.world}-{settings.seed}-{prove_hash(settings)[:8]}"
    folder = Path(settings.run_dir or f"runs/prove/{name}").expanduser().absolute()
    result = run_prove(settings, folder, job)
    named = [f"{finding.cause} ({finding.probability:.0%}) of {dict(finding.slice)}" for finding in result.named]
    _say(f"true causes: {', '.join(result.true_causes) or 'none'}")
    _say(f"named: {'; '.join(named) or 'none'}")
    share = f", share of the gap {result.gap_share.mean:.2f}" if result.gap_share is not None else ""
    _say(f"decision: {result.decision or 'stopped after the plan'}{share}")
    _say(f"{folder / PROVE_FILE}")
    return Ended(0)


def _compare_models(settings: LoopSettings, before: str, after: list[str]) -> Ended:
    if settings.evals.asks_server:
        raise ValueError(
            "verify.model and verify.challenger are folders of models, and evals.backend=openai asks the one of a "
            "server; take evals.backend=hf or vllm"
        )
    with opened(settings, choose_run_dir(settings)) as run:
        for line in compare_models(run, before, after):
            _say(line)
    return Ended(0)


def _play(settings: LoopSettings, job: Job) -> Ended:
    """Run a loop and print its summary; one of a sweep keeps the sealed items closed where they are for the best."""
    result = run_loop(settings, job, opens_sealed=job.sweep is None or settings.sweep.sealed == "each")
    _say(summary(result))
    for line in waiting_lines(result, choose_run_dir(settings)):
        _say(line)
    return Ended(_exit_code(result), result, str(choose_run_dir(settings)))


def _exit_code(result: LoopResult) -> int:
    return 3 if result.status == "waiting" else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
