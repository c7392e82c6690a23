"""Pilots: small trainings that settle causes, where evidence leaves several open.

Each open cause's repair is made into a mix, one for all findings, and trained on from the champion for a tenth of an
arm's tokens, with two seeds, beside its control (`interventions.arms.rivals`). What each did is read on probe items by
which no row was chosen: failed ones that were not attributed, and passing ones. Where that does not settle a cause, the
mixes that it depends on are trained on for three times as long, the likeliest first, until it does; and where no repair
works, or the model may have been trained for too short, the same data is: what a new start costs is not made good in a
tenth. All of it as far as `diagnose.pilot_share` allows. A control at equal compute gets the FLOPs of these trainings.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from controller.engine.errors import BudgetSpent
from controller.engine.runner import Stage
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import MeasuredModel
from controller.loop.pilots.bench import BOOK, SEEDS, Arm, Bench, make_bench, train
from controller.loop.pilots.further import LONGER, Concluded, further, longer, spent
from controller.loop.pilots.readings import AskedFinding, Readings, asked_finding, passing_items, trials_of
from controller.loop.proposing import plan_inputs
from controller.loop.run import Run
from controller.stages.diagnose import Settled, settle
from controller.stages.inputs import load_diagnosis
from controller.stages.model import Model
from controller.stages.retraining.pilot import AskedItems, ask_model
from controller.stages.retraining.rival_mixes import OpenCauses, make_rivals
from diagnose.diagnoser import FORWARD_SHARE
from diagnose.finding.finding import Cause, Finding
from diagnose.finding.open_causes import open_causes
from diagnose.finding.outcome import Contrast, experiments, rising, settled
from interventions.arms.rivals import REPAIRS, SAME
from interventions.plan.attempts import Attempts
from interventions.planner import Auto

log = logging.getLogger(__name__)

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
    made = run.runner.do(
        Stage("make-rivals", make_rivals, (made_from, wanted, SEEDS), champion.fills_cores), "diagnose"
    )
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
    except BudgetSpent as end:
        log.warning("pilots: causes stay as other evidence has them, %s", end)
        return diagnosed
    found = _concluded(bench, readings, about)
    try:
        while jobs := further(bench, found, readings.num_trained):
            train(bench, readings, jobs)
            found = _concluded(bench, readings, about)
    except BudgetSpent as end:
        log.warning("pilots: causes are settled as far as the first trainings can, %s", end)
    share = bench.share(spent(bench, readings.num_trained))
    diagnosed = replace(diagnosed, flops=diagnosed.flops + readings.flops, pilot_share=share)
    return _with_causes(run, diagnosed, tuple(one.told for one in found)) if found else diagnosed


def _wanted(run: Run, diagnosed: DiagnosedRound, *, is_alone: bool) -> tuple[OpenCauses, ...]:
    """Failing slices with the causes that are to be tried."""
    mode = run.settings.diagnose.pilots
    is_wanted = mode == "always" or (mode == "auto" and not is_alone and isinstance(run.settings.interventions, Auto))
    if not is_wanted or not diagnosed.inputs.is_training_data:
        return ()
    findings = diagnosed.diagnosis.attributed_findings
    tested = [repair.cause for repair in REPAIRS]
    found = [OpenCauses(one.slice, open_causes(one, tested, doubts_all=mode == "always")) for one in findings]
    if any(one.cause is Cause.TRAINING_SETUP and not each.causes for one, each in zip(findings, found, strict=True)):
        return ()  # a setting that is plainly wrong is corrected first
    return tuple(
        each for one, each in zip(findings, found, strict=True) if each.causes and len(one.held_out) >= _LEAST_FAILED
    )


def _concluded(bench: Bench, readings: Readings, about: Sequence[AskedFinding]) -> tuple[Concluded, ...]:
    """Conclude for each finding; one of which too little could be read is left out."""
    found = []
    for number, asked in enumerate(about):
        trials = trials_of(asked, readings)
        if trials is None:
            continue
        sound = {"", *trials.likelihood.arms}
        tested = [one for one in _tested(bench, readings, asked.finding) if {one.arm, *one.controls} <= sound]
        if not tested:
            continue
        rng = np.random.default_rng([bench.run.settings.seed, number])
        made = experiments(trials, tested, rng, asked.finding.causes)
        one = Settled(asked.finding.slice, settled(asked.finding.causes, made), made)
        found.append(Concluded(one, asked.finding, rising(trials, tested, rng)))
    return tuple(found)


def _tested(bench: Bench, readings: Readings, finding: Finding) -> list[Contrast]:
    """Repairs that were tried for a finding, each in its longest training beside a control of that length; training on
    is one that every finding has."""
    by_name = {one.name: one for one in bench.mixes}
    arm, length = _longest(bench, readings, SAME)
    says = "trained on with the same data"
    of_full = bench.tokens(length).count / bench.trained_for
    tested = [Contrast(Cause.TRAINING_SETUP, arm, ("",), says, ("the model as it is",), length, of_full)]
    for repair in REPAIRS:
        made = by_name.get(repair.name)
        if made is None or finding.slice not in made.items:
            continue
        controls = bench.controls(repair)
        arm, length = _longest(bench, readings, repair.name, *controls)
        is_longer = arm != repair.name
        tested.append(
            Contrast(
                cause=repair.cause,
                arm=arm,
                controls=tuple(map(longer, controls)) if is_longer else controls,
                repair_says=made.says,
                control_says=tuple(by_name[name].says for name in controls),
                length=length,
                shorter=(repair.name, controls, bench.length) if is_longer else None,
                part=made.part(finding.slice),
                at_random=repair.at_random if repair.at_random in by_name and not is_longer else "",
            )
        )
    return tested


def _longest(bench: Bench, readings: Readings, *names: str) -> tuple[str, float]:
    """Name of the first mix's longest arm that all of them have, and its length."""
    if all(longer(name) in readings.of_arms for name in names):
        return longer(names[0]), LONGER * bench.length
    return names[0], bench.length


def _with_causes(run: Run, diagnosed: DiagnosedRound, found: tuple[Settled, ...]) -> DiagnosedRound:
    """Write the diagnosis with the causes that are left."""
    done = run.runner.do(Stage("settle", settle, (diagnosed.artifact, found)), None)
    diagnosis = load_diagnosis(done.folder)
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
        log.info(
            "cause of %s: %s (%.0f %%)",
            finding.slice,
            " and ".join(cause.value for cause in finding.named),
            100 * finding.causes[finding.cause],
        )
    return replace(diagnosed, diagnosis=diagnosis, artifact=done.artifact)
