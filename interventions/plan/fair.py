"""Fair share of draws for added rows, at which the answers of a mix are distributed as those of the measured items.

Where answers are labels, more rows of one make it the answer of items of the others too (prior shift, Saerens et al.
2002, Neural Computation 14(1)). The mix is a mixture of the corpus's answers and of the added rows'; the share of each
is the most likely one given the measured items' gold answers, found by expectation maximisation, whose log-likelihood
is concave. Where the golds do not speak against the largest share (likelihood ratio), as of a slice that has every
label as often as the rest has it, the largest stays. Answers that are no labels determine no share: whether one is too
large shows only in trainings (`controller.loop.pilots.share`). Milliseconds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from diagnose.finding.answer_labels import labels_of
from diagnose.rows.pool import TrainPool

LEVEL = 0.05
"""Level of the likelihood-ratio test of golds against the largest share."""
_LEAST_LABELLED = 0.5
"""Smallest share of added rows with a label of the items as completion; with fewer, they answer in another form."""
MOSTLY = 0.5
"""Share of a lot's rows with the same label above which more of the lot is more of that answer."""
_STEPS = 500


def answer_counts(rows: TrainPool, labels: Sequence[str]) -> NDArray[np.float64]:
    """Share of the draws from the rows that have each label as completion, [num_labels]; the rest have other ones."""
    number = {label: place for place, label in enumerate(labels)}
    places = np.array([number.get(label, -1) for label in labels_of(rows)], np.int64)
    found = places >= 0
    return np.asarray(np.bincount(places[found], rows.draws()[found], minlength=len(labels)), np.float64)


def commonest(rows: TrainPool) -> tuple[str, float]:
    """Most frequent completion, and the share of the rows that have it."""
    [(label, number)] = Counter(labels_of(rows)).most_common(1)
    return label, number / len(rows)


def fair_shares(
    golds: Mapping[str, int], corpus: TrainPool, added: Sequence[TrainPool], largest: Sequence[float]
) -> list[float] | None:
    """Share of the draws of each lot of added rows, at most its largest; None where answers do not determine it.

    Args:
        golds: Number of measured items with each gold answer; empty where these are no labels.
        corpus: Rows that keep the rest of the draws.
        added: Rows of each lot.
        largest: Largest share of each lot, sum below 1.
    """
    if not golds or not added:
        return None
    labels = sorted(golds)
    lots = np.array([answer_counts(rows, labels) for rows in (corpus, *added)])  # [1 + num_lots, num_labels]
    labelled = lots.sum(axis=1)
    if not labelled[0] or (labelled[1:] < _LEAST_LABELLED).any():
        return None
    gold_counts = np.array([golds[label] for label in labels], np.float64) * (lots.sum(axis=0) > 0)
    if not gold_counts.any():
        return None
    most = np.array([1 - sum(largest), *largest])
    answers = lots / labelled[:, None]
    start = most * labelled / (most * labelled).sum()
    part = start
    for _ in range(_STEPS):
        part = part * ((answers * (gold_counts / np.maximum(part @ answers, 1e-300))).sum(axis=1) / gold_counts.sum())
    gained = 2 * float(gold_counts @ (_logs(part @ answers) - _logs(start @ answers)))
    if gained <= chi2.ppf(1 - LEVEL, len(added)):
        return list(largest)
    drawn = part / labelled
    shares = drawn[1:] / drawn.sum()
    return [min(float(share), limit) for share, limit in zip(shares, largest, strict=True)]


def _logs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(values, 1e-300)))
