"""Measure how reliable the attribution of a diagnosis is, by retraining its model (`diagnose.fidelity`).

Attribution predicts what retraining would do, so the trainings are those that made the diagnosed model, on parts of its
corpus: from the same weights, for as many rows, in other orders. A model that was given is trained further with the
arms' recipe. Costs (1 + `fidelity_parts` + 2 for each finding + up to 12 data slices) times `fidelity_seeds` trainings.
"""

import logging
from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np

from controller.data.row_effects import load_effects
from controller.engine.artifacts import Artifact
from controller.engine.budget import FORWARD_BACKWARD, Spent
from controller.engine.errors import BudgetSpent
from controller.engine.runner import Done, Stage
from controller.loop.diagnosing import DiagnosedRound
from controller.loop.models import is_initial
from controller.loop.run import Run
from controller.loop.studies.fidelity_record import Outcomes, fidelity_record
from controller.results.diagnosis_json import FidelityRecord
from controller.stages.model import Model
from controller.stages.retraining.retrain import (
    MOST_SLICES,
    SCORES_FILE,
    VALUES_FILE,
    Part,
    Parts,
    RetrainTargets,
    choose_parts,
    num_dropped,
    retrain,
)
from controller.train.recipe import Recipe, Tokens, recipe
from controller.train.settings import TrainUpdate
from diagnose.diagnoser import Diagnoser
from diagnose.finding.finding import Diagnosis
from diagnose.slices.predicate import Slice

log = logging.getLogger(__name__)


def prove_attribution(run: Run, base: Model, champion: Model, diagnosed: DiagnosedRound) -> FidelityRecord | None:
    """Retrain as often as needed; None, with the reason logged, where nothing can be tested.

    Args:
        base: The given model.
        champion: The diagnosed model.
        diagnosed: Diagnosis with the effects of the rows.
    """
    settings = run.settings.diagnose
    if diagnosed.diagnosis.attributed is None:
        log.info("fidelity: nothing was attributed, so there is nothing to hold it against")
        return None
    row_effects = load_effects(diagnosed.artifact.folder).of_corpus(champion.corpus.num_rows)
    least = 2 * num_dropped(len(row_effects.scored))
    if len(row_effects.scored) < least:
        log.info("fidelity: %d rows of the corpus are attributed, %d are needed", len(row_effects.scored), least)
        return None
    start, plan = recipe_of_champion(run, base, champion)
    chosen = run.runner.do(_parts_stage(run, base, champion, diagnosed), "fidelity")
    length = plan.length.count * (1 if isinstance(plan.length, Tokens) else chosen.value.mean_tokens)
    seeds = [1000 * run.settings.seed + seed + 1 for seed in range(settings.fidelity_seeds)]
    tokens = round(length * len(chosen.value.parts) * len(seeds))
    try:
        run.books.check("diagnose.fidelity", tokens, FORWARD_BACKWARD * champion.num_parameters * tokens)
    except BudgetSpent as end:
        log.warning("fidelity: not measured, %s", end)
        return None
    jobs = [(part, seed) for part in chosen.value.parts for seed in seeds]
    targets = _targets(run, diagnosed)
    trained = run.runner.do_all(
        [_training_stage(start, plan, champion, chosen, part, seed, targets) for part, seed in jobs],
        "fidelity",
    )
    shape = (len(chosen.value.parts), len(seeds), -1)
    outcomes = Outcomes(
        row_effects=row_effects,
        failing=targets.failing,
        parts=chosen.value.parts,
        left_out=[np.load(chosen.folder / part.file) for part in chosen.value.parts],
        values=np.stack([np.load(result.folder / VALUES_FILE) for result in trained]).reshape(shape),
        scores=np.stack([np.load(result.folder / SCORES_FILE) for result in trained]).reshape(shape),
    )
    record = fidelity_record(outcomes, run.settings.seed)
    log.info(
        "fidelity: %d trainings, rank correlation %s, at most %s",
        len(jobs),
        record.reason if record.lds is None else f"{record.lds.mean:.2f} [{record.lds.low:.2f}, {record.lds.high:.2f}]",
        "unknown" if record.ceiling is None else f"{record.ceiling:.2f}",
    )
    return record


def most_trainings(settings: Diagnoser) -> int:
    """Most trainings that fidelity can take, before the findings are known."""
    return (1 + settings.fidelity_parts + 2 * settings.max_findings + MOST_SLICES) * settings.fidelity_seeds


def recipe_of_champion(run: Run, base: Model, champion: Model) -> tuple[Model, Recipe]:
    """Weights and recipe by which the champion was trained, or would be trained further."""
    is_from_base = run.settings.train.start == "base" or is_initial(run, base, champion)
    start, update = (base, TrainUpdate()) if is_from_base else (champion, run.settings.train.update)
    return start, recipe(run.settings.train, run.settings.model, update, champion.corpus.num_rows, mean_tokens=None)


def _parts_stage(run: Run, base: Model, champion: Model, diagnosed: DiagnosedRound) -> Stage[Parts]:
    settings = run.settings
    return Stage(
        "fidelity-parts",
        choose_parts,
        (
            champion.corpus,
            diagnosed.artifact,
            _data_slices(diagnosed.diagnosis),
            run.data_slices,
            settings.diagnose.fidelity_parts,
            base,
            settings.train.max_length,
            settings.seed,
        ),
    )


def _training_stage(
    start: Model, plan: Recipe, champion: Model, chosen: Done[Parts], part: Part, seed: int, targets: RetrainTargets
) -> Stage[Spent]:
    """Make the stage of a training, keyed by the rows left out, so that more parts keep the trainings of fewer."""
    left_out = Artifact(chosen.folder, part.digest)
    arguments = (start, champion.corpus, left_out, part.file, plan, seed, targets)
    return Stage(f"fidelity-{part.name}-{seed}", retrain, arguments, start.fills_cores)


def _targets(run: Run, diagnosed: DiagnosedRound) -> RetrainTargets:
    return RetrainTargets(
        diagnosis=diagnosed.artifact,
        failing=tuple(finding.slice for finding in diagnosed.diagnosis.attributed_findings),
        suite=run.pinned_suite,
        batch_tokens=run.settings.diagnose.influence.batch_tokens,
    )


def _data_slices(diagnosis: Diagnosis) -> Sequence[Slice]:
    """Data slices of the findings: the first of each, then the second."""
    listed = [[data.slice for data in finding.data_slices] for finding in diagnosis.findings]
    return tuple(dict.fromkeys(where for where in chain.from_iterable(zip_longest(*listed)) if where is not None))
