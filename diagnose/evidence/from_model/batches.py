"""Test whether the training itself is at fault, on batches as training makes them: loss mask, end tokens, truncation.

The model's own behaviour shows the same for a model trained elsewhere: one that never saw an end token in the loss
gives its training answers right and never ends them. Costs one forward pass over `_MOST` rows.
"""

import numpy as np

from diagnose.evidence.subject import Subject
from diagnose.finding.evidence import Evidence
from diagnose.model.asked_model import Trained
from diagnose.model.likelihoods import row_likelihoods

_MOST = 128
"""Most rows examined; a setting is wrong for all of them or for a large share."""


def check_batches(subject: Subject, trained: Trained) -> Evidence:
    """Tell how rows of the slice, or of others where it has none, stand in batches, and how the model ends answers."""
    places = np.flatnonzero(subject.inside if subject.inside.any() else subject.outside)[:_MOST]
    runs_on = _runs_on(subject)
    if not len(places):
        return Evidence("batches", {"runs_on": runs_on}, "There is no row of the corpus to make a batch of.")
    end_in_loss = trained.end_in_loss
    batch = subject.encoded(trained, places.tolist(), end_in_loss=end_in_loss is not False)
    ends = batch.offsets[1:] - 1
    num_loss = np.add.reduceat(batch.has_loss, batch.offsets[:-1])
    likelihoods = row_likelihoods(trained.model, subject.encoded(trained, places.tolist()), trained.batch_tokens)
    values = {
        "end_masked": float(1 - batch.has_loss[ends].mean()) if end_in_loss is not None else 0.0,
        "truncated": float(batch.is_truncated.mean()),
        "without_loss": float((num_loss == 0).mean()),
        "ends": float(np.exp(likelihoods.last_log_likelihood).mean()),
        "runs_on": runs_on,
    }
    return Evidence("batches", values, _says(values, len(places), end_in_loss), likelihoods.num_tokens)


def _runs_on(subject: Subject) -> float:
    golds = [(r.answer.split(), r.item.target.split()) for r in subject.failed if r.item.target]
    going_on = [len(answer) > len(gold) and answer[: len(gold)] == gold for answer, gold in golds]
    return float(np.mean(going_on)) if going_on else 0.0


def _says(values: dict[str, float], number: int, end_in_loss: bool | None) -> str:
    if values["end_masked"] > 0:
        return (
            f"In {values['end_masked']:.0%} of {number} rows the end token is not in the loss: the model is never "
            f"taught to stop (train.end_in_loss=false), and {values['runs_on']:.0%} of the failed answers begin right "
            "and run on."
        )
    if values["truncated"] > 0.01 or values["without_loss"] > 0:
        return (
            f"{values['truncated']:.0%} of {number} rows are longer than train.max_length and lose tokens; "
            f"{values['without_loss']:.0%} have no token in the loss."
        )
    recipe = "Batches are sound" if end_in_loss is not None else "How the model was trained is not known"
    return (
        f"{recipe} ({number} rows); after a right answer the model ends with probability {values['ends']:.2f}, and "
        f"{values['runs_on']:.0%} of the failed answers begin with the gold answer and run on."
    )
