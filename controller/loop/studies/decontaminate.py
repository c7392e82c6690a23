"""Measure again after contamination: the score without the evaluation items that stood in the corpus.

A model that the loop itself trained is trained again without those rows; a given one cannot be made to forget, so it is
measured on the items that its corpus does not repeat.
"""

import numpy as np

from controller.loop.models import MeasuredModel, TrainingJob, measure_model, train_models
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.loop.trial.mixes import mix_in
from controller.results.arm_names import CONTINUE
from controller.stages.model import Model
from controller.train.recipe import recipe
from controller.train.settings import TrainUpdate
from diagnose.evidence.contamination import OTHERS, REPEATED
from diagnose.finding.finding import Cause, Diagnosis
from evals.splits import Split


def is_only_contaminated(diagnosis: Diagnosis) -> bool:
    return bool(diagnosis.findings) and all(f.cause is Cause.CONTAMINATION for f in diagnosis.findings)


def scores_without_repeats(
    run: Run, base: Model, champion: Model, probe: MeasuredModel, diagnosis: Diagnosis, proposal: ProposedRound
) -> str:
    """Describe each contaminated task: its score with and without the repeated items."""
    is_ours = champion.key != base.key
    words = []
    after = _retrained(run, base, champion, proposal) if is_ours else None
    for finding in diagnosis.findings:
        task = finding.slice.as_dict()["task"]
        before = _score(probe, task)
        if after is not None:
            words.append(f"{task} {before:.3f} with them, {_score(after, task):.3f} trained again without")
        elif OTHERS in finding.evidence:
            words.append(
                f"{task} {float(finding.evidence[REPEATED]):.3f} on repeated items, "
                f"{float(finding.evidence[OTHERS]):.3f} on the others"
            )
    return "; ".join(words)


def _retrained(run: Run, base: Model, champion: Model, proposal: ProposedRound) -> MeasuredModel:
    """Do the initial training on the corpus without those rows, and measure on the same probe items."""
    num_rows = champion.corpus.num_rows - len(proposal.plan.blocked)
    mix = mix_in(proposal.artifact, CONTINUE, num_rows)
    plan = recipe(run.settings.train, run.settings.model, TrainUpdate(), num_rows, mean_tokens=None)
    job = TrainingJob("train-again", base, mix, plan, run.settings.seed, keeps_middle=False)
    (retrained,) = train_models(run, [job], "train", "the training without repeated items")
    return measure_model(run, retrained.model, Split.PROBE, "measure-again")


def _score(measured: MeasuredModel, task: str) -> float:
    return float(np.mean([result.score for result in measured.report.results if result.item.task == task]))
