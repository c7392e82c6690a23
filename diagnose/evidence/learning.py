"""Has the model learnt its own training rows: those of the slice, and the others?

What it gives right of rows that it was trained on tells causes apart. Few rows, all known: raising them does nothing,
more are missing. Many rows with a fair share, not known, while the other rows are: their labels are doubtful. No row
known anywhere: the model is too small, or not trained to the end; then losses still fall. Costs a forward pass over
`2 * _MOST` rows.
"""

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.evidence import Evidence
from diagnose.evidence.subject import Subject, Trained
from diagnose.readings import Readings, read_rows

_MOST = 192


def check_learning(subject: Subject, trained: Trained) -> Evidence:
    """Values: `learnt` and `learnt_elsewhere` (share of training rows, of the slice and outside, that greedy decoding
    gives right, end token not counted), `falling` (by how much of itself the loss of the corpus's rows fell between the
    last two checkpoints, in [0, 1]: whether training had ended is a matter of all rows, and a model that is too small
    for the others may learn one slice late)."""
    inside, outside = np.flatnonzero(subject.inside), np.flatnonzero(subject.outside)
    values: dict[str, float] = {}
    num_tokens, parts = 0, []
    for name, places in (("learnt", inside), ("learnt_elsewhere", outside)):
        if not len(places):
            continue
        chosen = places[np.linspace(0, len(places) - 1, min(len(places), _MOST)).astype(np.int64)]
        reading = _read(subject, trained, chosen)
        num_tokens += reading.num_tokens
        values[name] = float(reading.is_greedy.mean())
        kind = "of the slice" if name == "learnt" else "of other slices"
        parts.append(f"{values[name]:.0%} of {len(chosen)} training rows {kind}")
    losses = subject.rows.losses[~subject.rows.in_pool]
    if losses.shape[1] > 1 and len(losses):
        before, last = losses[:, -2].mean(), losses[:, -1].mean()
        values["falling"] = float(np.clip(1 - last / before, 0, 1)) if before > 0 else 0.0
        parts.append(f"the corpus's loss fell from {before:.3f} to {last:.3f} nats a token between two checkpoints")
    if not parts:
        return Evidence("learning", values, "The corpus has no row to try.")
    return Evidence("learning", values, f"The model gives right {'; '.join(parts)}.", num_tokens)


def _read(subject: Subject, trained: Trained, places: NDArray[np.int64]) -> Readings:
    texts = [(subject.rows.prompts[k], subject.rows.completions[k]) for k in places.tolist()]
    # Without the end token: a model that never learnt to stop may still know every answer.
    rows = trained.encode(texts, subject.corpus.delimiter, end_in_loss=False)
    return read_rows(trained.model, rows, trained.batch_tokens)
