"""Pilots: small trainings that settle causes, where evidence leaves several open.

Each open cause's repair is made into a mix, one for all findings, and trained on from the champion for a tenth of an
arm's tokens, with two seeds, beside its control (`interventions.arms.rivals`). What each did is read on probe items by
which no row was chosen: failed ones that were not attributed, and passing ones. Where that does not settle a cause, the
mixes that it depends on get two more seeds, and where no repair works, or the model may have been trained for too
short, the same data is trained on for longer: what a new start costs is not made good in a tenth. All of it as far as
`diagnose.pilot_share` allows. A control at equal compute gets the FLOPs of these trainings.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import TypeAdapter

from controller.engine.errors import BudgetSpent
from controller.engine.runner import Stage
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import MeasuredModel
from controller.loop.pilots.bench import BOOK, SEEDS, Arm, Bench, make_bench, train
from controller.loop.pilots.readings import AskedFinding, Readings, asked_finding, passing_items, trials_of
from controller.loop.proposing import plan_inputs
from controller.loop.run import Run
from controller.stages.inputs import DIAGNOSIS_FILE
from controller.stages.model import Model
from controller.stages.retraining.pilot import AskedItems, ask_model
from controller.stages.retraining.rival_mixes import OpenCauses, make_rivals
from controller.stages.retraining.settle import Settled, settle
from diagnose.diagnoser import FORWARD_SHARE
from diagnose.finding.causes import LEAD
from diagnose.finding.finding import SHOWN, Cause, Diagnosis, Finding
from diagnose.finding.open_causes import open_causes
from diagnose.finding.outcome import Contrast, experiments, settled
from interventions.arms.rivals import REPAIRS, SAME
from interventions.plan.attempts import Attempts
from interventions.planner import Auto

log = logging.getLogger(__name__)

_LONGER = 3
"""Tokens of the training that shows whether more of the same helps, as a multiple of a small one's."""
LONG = f"{SAME}-longer"
"""Name of that training's arm."""
_LEAST_FAILED = 4
"""Fewest failed items of a finding that were not attributed, for anything to be read on them."""


def settle_causes(
    run: Run,
    champion: Model,
    probe: MeasuredModel,
    diagnosed: DiagnosedRound,
    number: int,
    *,
    is_alone: bool = False,
) -> DiagnosedRound:
    """Try the repairs of the causes that the diagnosis leaves open; it stays the same where none is, or none can be.

    Args:
        run: The run.
        champion: The diagnosed model.
        probe: Report of the champion on `probe`.
        diagnosed: Its diagnosis.
        number: Number of the first round that the champion opened; further ones find what that one tried.
        is_alone: Whether nothing but a diagnosis was asked for.
    """
    wanted = _wanted(run, diagnosed, is_alone=is_alone)
    if not wanted:
        return diagnosed
    made_from = plan_inputs(run, diagnosed, Attempts(), number)
    made = run.runner.do(Stage("make-rivals", make_rivals, (made_from, wanted), champion.fills_cores), "diagnose")
    diagnosed = replace(diagnosed, flops=diagnosed.flops + made.spent.flops)
    if not made.value.mixes:
        log.info("pilots: no repair of an open cause can be made from this data")
        return diagnosed
    bench = make_bench(run, champion, made, number)
    if bench is None:
        return diagnosed
    slices = {one.items for one in wanted}
    about = [
        asked_finding(finding, probe.report.results)
        for finding in diagnosed.diagnosis.attributed_findings
        if finding.slice in slices
    ]
    passing = passing_items(probe.report.results)
    keys = tuple(dict.fromkeys([*(key for one in about for key in (*one.keys, *one.rivals)), *passing]))
    batch_tokens = run.settings.diagnose.influence.batch_tokens
    most = bench.tokens(bench.length).count  # reading costs no more than the training, and answering neither
    asked = AskedItems(run.pinned_suite, keys, FORWARD_SHARE * most, most, run.settings.train.max_length, batch_tokens)
    try:
        before = run.runner.do(Stage("ask-champion", ask_model, (champion, asked), champion.fills_cores), BOOK)
        readings = Readings(asked, frozenset(passing), before, {})
        first = [Arm(one.name, one, bench.length) for one in bench.mixes]
        train(bench, readings, [(arm, seed) for seed in range(SEEDS) for arm in first])
        found = _concluded(bench, readings, about)
        if further := _further(bench, about, found):
            train(bench, readings, further)
            found = _concluded(bench, readings, about)
    except BudgetSpent as end:
        log.warning("pilots: causes stay as other evidence has them, %s", end)
        return diagnosed
    diagnosed = replace(diagnosed, flops=diagnosed.flops + readings.flops)
    return _with_causes(run, diagnosed, found) if found else diagnosed


def _wanted(run: Run, diagnosed: DiagnosedRound, *, is_alone: bool) -> tuple[OpenCauses, ...]:
    """Failing slices with the causes that are to be tried."""
    mode = run.settings.diagnose.pilots
    is_wanted = mode == "always" or (mode == "auto" and not is_alone and isinstance(run.settings.interventions, Auto))
    if not is_wanted or not diagnosed.inputs.is_training_data:
        return ()
    findings = diagnosed.diagnosis.attributed_findings
    found = [OpenCauses(one.slice, open_causes(one, [repair.cause for repair in REPAIRS])) for one in findings]
    if any(one.cause is Cause.TRAINING_SETUP and not each.causes for one, each in zip(findings, found, strict=True)):
        return ()  # a setting that is plainly wrong is corrected first
    return tuple(
        each for one, each in zip(findings, found, strict=True) if each.causes and len(one.held_out) >= _LEAST_FAILED
    )


def _concluded(bench: Bench, readings: Readings, about: Sequence[AskedFinding]) -> tuple[Settled, ...]:
    """Conclude for each finding; one of which too little could be read is left out."""
    found = []
    for number, asked in enumerate(about):
        trials = trials_of(asked, readings)
        if trials is None:
            continue
        sound = {"", *trials.likelihood.arms}
        tested = [one for one in _tested(bench, readings, asked.finding) if {one.arm, one.control} <= sound]
        if not tested:
            continue
        made = experiments(trials, tested, np.random.default_rng([bench.run.settings.seed, number]))
        found.append(Settled(asked.finding.slice, settled(asked.finding.causes, made), made))
    return tuple(found)


def _tested(bench: Bench, readings: Readings, finding: Finding) -> list[Contrast]:
    """Repairs that were tried for a finding; training on is one that every finding has."""
    by_name = {one.name: one for one in bench.mixes}
    arm, length = (LONG, _LONGER * bench.length) if LONG in readings.of_arms else (SAME, bench.length)
    says = "trained on with the same data"
    tested = [Contrast(Cause.TRAINING_SETUP, arm, "", says, "the model as it is", length)]
    for repair in REPAIRS:
        made = by_name.get(repair.name)
        if made is not None and finding.slice in made.items:
            control, at_random = by_name[repair.control].says, repair.at_random if repair.at_random in by_name else ""
            tested.append(
                Contrast(repair.cause, repair.name, repair.control, made.says, control, bench.length, at_random)
            )
    return tested


def _further(bench: Bench, about: Sequence[AskedFinding], found: Sequence[Settled]) -> list[tuple[Arm, int]]:
    """Trainings that may settle what the first ones left open, each with the place of its seed; none where nothing is
    open, or the budget of pilots does not allow them."""
    prior = {one.finding.slice: one.finding.causes for one in about}
    of_cause = {repair.cause: (repair.name, repair.control) for repair in REPAIRS}
    names: set[str] = set()
    is_long = False
    for one in found:
        by_cause = {each.cause: each for each in one.experiments}
        works = max((each.works for cause, each in by_cause.items() if cause is not Cause.TRAINING_SETUP), default=0.0)
        is_long |= works < SHOWN or prior[one.items].get(Cause.TRAINING_SETUP, 0.0) >= LEAD
        if max(one.causes.values()) < SHOWN:
            open_ones = [cause for cause, each in by_cause.items() if 1 - SHOWN < each.works < SHOWN]
            names.update(name for cause in open_ones for name in (SAME, *of_cause.get(cause, ())))
    left = bench.budget - bench.length * SEEDS * len(bench.mixes)
    jobs: list[tuple[Arm, int]] = []
    by_name = {one.name: one for one in bench.mixes}
    if is_long and (spent := _LONGER * bench.length * SEEDS) <= left:
        jobs += [(Arm(LONG, by_name[SAME], _LONGER * bench.length), seed) for seed in range(SEEDS)]
        left -= spent
    if names and bench.length * SEEDS * len(names) <= left:
        again = [Arm(name, by_name[name], bench.length) for name in by_name if name in names]
        jobs += [(arm, seed) for seed in range(SEEDS, 2 * SEEDS) for arm in again]
    return jobs


def _with_causes(run: Run, diagnosed: DiagnosedRound, found: tuple[Settled, ...]) -> DiagnosedRound:
    """Write the diagnosis with the causes that are left."""
    done = run.runner.do(Stage("settle", settle, (diagnosed.artifact, found)), None)
    diagnosis = TypeAdapter(Diagnosis).validate_json((done.folder / DIAGNOSIS_FILE).read_bytes())
    for finding in (one for one in diagnosis.findings if one.experiments):
        for one in finding.experiments:
            log.info(
                "pilot for %s: %s, against %s: %+.2f [%+.2f, %+.2f] of the gap, score %+.3f; works: %.2f",
                finding.slice,
                one.repair,
                one.control,
                one.effect.mean,
                one.effect.low,
                one.effect.high,
                float("nan") if one.score is None else one.score.mean,
                one.works,
            )
        log.info("cause of %s: %s (%.0f %%)", finding.slice, finding.cause.value, 100 * finding.causes[finding.cause])
    return replace(diagnosed, diagnosis=diagnosis, artifact=done.artifact)
