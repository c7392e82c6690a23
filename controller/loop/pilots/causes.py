"""Pilots: small trainings that settle causes, where evidence leaves several open.

Each open cause's repair is made into a mix, one for all findings, and trained on from the champion for a tenth of an
arm's tokens, with two seeds, beside its control (`interventions.arms.rivals`). What each did is read on probe items by
which no row was chosen: failed ones that were not attributed, and passing ones. Where that does not settle a cause, the
mixes that it depends on get two more seeds, as far as `diagnose.pilot_share` allows. A control at equal compute gets
the FLOPs of these trainings.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import TypeAdapter

from controller.engine.artifacts import Data
from controller.engine.budget import FORWARD_BACKWARD
from controller.engine.errors import BudgetSpent
from controller.engine.runner import Done, Stage
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import MeasuredModel
from controller.loop.pilots.readings import AskedFinding, Readings, asked_finding, passing_items, trials_of
from controller.loop.proposing import plan_inputs
from controller.loop.run import Run
from controller.loop.trial import training_seed
from controller.stages.inputs import DIAGNOSIS_FILE
from controller.stages.model import Model
from controller.stages.retraining.pilot import (
    AskedItems,
    OpenCauses,
    RivalMade,
    RivalsMade,
    Settled,
    ask_model,
    make_rivals,
    settle,
    try_mix,
)
from controller.train.recipe import Recipe, Tokens, recipe
from controller.train.settings import TrainUpdate
from diagnose.finding.finding import Cause, Diagnosis, Finding
from diagnose.finding.open_causes import open_causes
from diagnose.finding.outcome import Tested, experiments, settled
from evals.items import ItemKey
from interventions.arms.rivals import REPAIRS, SAME
from interventions.plan.attempts import Attempts
from interventions.planner import Auto

log = logging.getLogger(__name__)

BOOK = "pilots"
_LENGTH = 0.1
"""Tokens of a small training as a share of an arm's, where the budget of pilots allows it."""
_LEAST_LENGTH = 0.02
_SEEDS = 2
"""Seeds of each look; there are two looks."""
_FIRST_LOOK = 0.6
"""Part of the budget of pilots that the first look may take."""
_CERTAIN = 0.9
"""Probability of a cause, or of its repair's working or not, from which nothing more is tried."""
_PLACE = 90
"""Place of the pilots' first training seed among those of a round; verdicts have the first ones."""
_LEAST_FAILED = 4
"""Fewest failed items of a finding that were not attributed, for anything to be read on them."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What small trainings share."""

    run: Run
    champion: Model
    made: Done[RivalsMade]
    asked: AskedItems
    recipe: Recipe
    """Recipe of a small training."""
    length: float
    """Its tokens as a share of an arm's."""
    number: int
    """Number of the round."""

    @property
    def mixes(self) -> tuple[RivalMade, ...]:
        return self.made.value.mixes


def settle_causes(
    run: Run,
    champion: Model,
    probe: MeasuredModel,
    diagnosed: DiagnosedRound,
    attempts: Attempts,
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
        attempts: Earlier attempts with this champion.
        number: Number of the round.
        is_alone: Whether nothing but a diagnosis was asked for.
    """
    wanted = _wanted(run, diagnosed, is_alone=is_alone)
    if not wanted:
        return diagnosed
    made_from = plan_inputs(run, diagnosed, attempts, number)
    made = run.runner.do(Stage("make-rivals", make_rivals, (made_from, wanted), champion.fills_cores), "diagnose")
    diagnosed = replace(diagnosed, flops=diagnosed.flops + made.spent.flops)
    if not made.value.mixes:
        log.info("pilots: no repair of an open cause can be made from this data")
        return diagnosed
    verify = run.settings.verify
    budget = run.settings.diagnose.pilot_share * (1 + len(verify.controls)) * verify.seeds  # in tokens of arms
    length = min(_LENGTH, _FIRST_LOOK * budget / (len(made.value.mixes) * _SEEDS))
    if length < _LEAST_LENGTH:
        log.info("pilots: diagnose.pilot_share is too small for %d mixes", len(made.value.mixes))
        return diagnosed
    slices = {one.items for one in wanted}
    about = [
        asked_finding(finding, probe.report.results)
        for finding in diagnosed.diagnosis.attributed_findings
        if finding.slice in slices
    ]
    passing = passing_items(probe.report.results)
    keys = tuple(dict.fromkeys([*(key for one in about for key in one.keys), *passing]))
    bench = _bench(run, champion, made, keys, length, number)
    try:
        before = run.runner.do(Stage("ask-champion", ask_model, (champion, bench.asked), champion.fills_cores), BOOK)
        readings = Readings(keys, frozenset(passing), before, {one.name: [] for one in bench.mixes})
        _train(bench, readings, bench.mixes, range(_SEEDS))
        found = _concluded(bench, readings, about)
        undecided = _undecided(found, bench.mixes)
        spent = length * _SEEDS * len(bench.mixes)
        if undecided and spent + length * _SEEDS * len(undecided) <= budget:
            _train(bench, readings, undecided, range(_SEEDS, 2 * _SEEDS))
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


def _bench(
    run: Run, champion: Model, made: Done[RivalsMade], keys: tuple[ItemKey, ...], length: float, number: int
) -> Bench:
    settings = run.settings
    update = settings.train.update if settings.train.start == "champion" else TrainUpdate()
    whole = recipe(settings.train, settings.model, update, champion.corpus.num_rows, made.value.mean_tokens)
    assert isinstance(whole.length, Tokens), "a mean of tokens is given"
    return Bench(
        run=run,
        champion=champion,
        made=made,
        asked=AskedItems(
            run.pinned_suite, keys, len(keys), settings.train.max_length, settings.diagnose.influence.batch_tokens
        ),
        recipe=replace(whole, length=Tokens(max(1, round(length * whole.length.count)))),
        length=length,
        number=number,
    )


def _train(bench: Bench, readings: Readings, mixes: Sequence[RivalMade], places: range) -> None:
    """Train on each mix with each seed, all side by side; the readings are added.

    Raises:
        BudgetSpent: the trainings would pass a limit.
    """
    run, champion = bench.run, bench.champion
    assert isinstance(bench.recipe.length, Tokens), "a small training has a part of an arm's tokens"
    jobs = [(one, training_seed(run, bench.number, _PLACE + place)) for place in places for one in mixes]
    tokens = bench.recipe.length.count * len(jobs)
    run.books.check("diagnose.pilots", tokens, FORWARD_BACKWARD * champion.num_parameters * tokens)
    stages = [
        Stage(
            f"pilot-{one.name}-{seed}",
            try_mix,
            (champion, _data(bench.made, one), bench.recipe, seed, bench.asked),
            champion.fills_cores,
        )
        for one, seed in jobs
    ]
    for (one, _), done in zip(jobs, run.runner.do_all(stages, BOOK), strict=True):
        readings.of_mixes[one.name].append(done)


def _data(made: Done[RivalsMade], one: RivalMade) -> Data:
    folder = made.folder / one.name
    return Data(folder, f"{made.artifact.digest}-{one.name}", one.num_rows, str(folder))


def _concluded(bench: Bench, readings: Readings, about: Sequence[AskedFinding]) -> tuple[Settled, ...]:
    """Conclude for each finding; one of which too little could be read is left out."""
    found = []
    for number, asked in enumerate(about):
        trials = trials_of(asked, readings, bench.length)
        if trials is None:
            continue
        tested = _tested(bench.mixes, asked.finding)
        made = experiments(trials, tested, np.random.default_rng([bench.run.settings.seed, number]))
        found.append(Settled(asked.finding.slice, settled(asked.finding.causes, made), made))
    return tuple(found)


def _tested(mixes: Sequence[RivalMade], finding: Finding) -> list[Tested]:
    """Repairs that were tried for a finding; training on is one that every finding has."""
    by_name = {one.name: one for one in mixes}
    tested = [Tested(Cause.TRAINING_SETUP, SAME, "", "trained on with the same data", "the model as it is")]
    for repair in REPAIRS:
        made = by_name.get(repair.name)
        if made is not None and finding.slice in made.items:
            tested.append(Tested(repair.cause, repair.name, repair.control, made.says, by_name[repair.control].says))
    return tested


def _undecided(found: Sequence[Settled], mixes: Sequence[RivalMade]) -> list[RivalMade]:
    """Mixes on which causes depend that are not settled; none where all are."""
    of_cause = {repair.cause: (repair.name, repair.control) for repair in REPAIRS}
    names: set[str] = set()
    for one in found:
        if max(one.causes.values()) < _CERTAIN:
            open_ones = [each for each in one.experiments if 1 - _CERTAIN < each.works < _CERTAIN]
            names.update(name for each in open_ones for name in (SAME, *of_cause.get(each.cause, ())))
    return [made for made in mixes if made.name in names]


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
                one.score.mean,
                one.works,
            )
        log.info("cause of %s: %s (%.0f %%)", finding.slice, finding.cause.value, 100 * finding.causes[finding.cause])
    return replace(diagnosed, diagnosis=diagnosis, artifact=done.artifact)
