"""Test whether one source of the corpus has wrong labels, where others have right ones: a bad source, not a bad class.

Rows of a source are held against the golds of probe items, as those of a slice are
(`diagnose.evidence.from_rows.wrong_labels`), and what other sources are denied beyond golds is subtracted: labels that
are wrong in every source blame none, nor do those that are wrong in the slice of the failing items, if they are most of
them. A source of another domain is hard to tell for the classifier although its labels are right; so a source is blamed
only if, by attribution, its rows also help the failed items less than others do.

Costs the classifier, seconds for 10,000 rows; nothing where the corpus has one source.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.from_rows.label_doubts import LabelDoubts, Labelled, doubt_labels
from diagnose.evidence.from_rows.labels import (
    SliceLabels,
    evidence_of,
    judge_labels,
    label_sample,
    slice_labels,
)
from diagnose.evidence.from_rows.wrong_labels import SLICE_LEVEL
from diagnose.evidence.subject import Subject
from diagnose.finding.answer_labels import as_label, labels_of
from diagnose.finding.evidence import Evidence
from diagnose.rows.pool import TrainPool
from diagnose.slices.data.effects import contrast
from diagnose.slices.predicate import SOURCE, Slice, row_members

_LEAST_ROWS = 20
"""Fewest rows of a source in the sample that can blame it."""
_LEAST_TAUGHT = 0.1
"""Smallest share of the draws of the slice's rows that must be wrong labels of a source, for it to be to blame."""
_MANY_MORE = 1.5
"""Factor by which the wrong labels of a source exceed those of the slice, for the source to be to blame: they may be
the same rows."""
_WORKS_AGAINST = -2.0
"""Largest z of the contrast of effects, the source's rows less the others', that blames it."""
_TEST = "source_labels"


def check_sources(subject: Subject) -> Evidence:
    """Give how many labels of the worst source are wrong or denied, and what its rows do. Blame it, point at its denied
    rows, the most doubtful first, and say which may leave. Without values where no source is worse."""
    _, sample = label_sample(subject.corpus)
    names = np.array(sample.rows["source"][:], object)
    known, counts = np.unique(names.astype(str), return_counts=True)
    many = [name for name, count in zip(known.tolist(), counts.tolist(), strict=True) if count >= _LEAST_ROWS]
    if len(known) < 2 or not many:
        return Evidence(_TEST, {}, "The corpus has one source.")
    items = [result.item for result in subject.case.probe.results]
    given = Labelled(sample.rows["prompt"][:], labels_of(sample))
    golds = Labelled([item.text for item in items], [as_label(item.target) for item in items])
    doubts = doubt_labels(given, golds)
    if doubts is None:
        return Evidence(_TEST, {}, "Completions are no labels, so that sources cannot be held against each other.")
    judged = [_judge(subject, name, names, doubts, SLICE_LEVEL / len(many)) for name in many]
    worst = max((one for one in judged if one is not None), key=lambda one: one.num_wrong, default=None)
    if worst is None or worst.num_wrong <= _MANY_MORE * _wrong_in_slice(subject, sample):
        return Evidence(_TEST, {}, "In no source are labels shown to be wrong that others have right.")
    denied = worst.labels.denied
    values = {
        "source_wrong": denied.wrong,
        "source_denied": denied.rows,
        "source_denied_elsewhere": denied.elsewhere,
        "source_share": worst.share,
        "source_z": worst.z,
    }
    says = (
        f"At least {denied.wrong:.0%} of the labels of source {worst.name} are wrong: a classifier that has not seen "
        f"them denies {denied.rows:.0%} there, {denied.elsewhere:.0%} in other sources and {denied.items:.0%} of the "
        f"items' golds, and its rows work against the failed items (z {worst.z:+.1f})"
    )
    return evidence_of(_TEST, values, says, worst.labels, sample, Slice(((SOURCE, worst.name),)))


@dataclass(frozen=True, slots=True)
class _Judged:
    name: str
    labels: SliceLabels
    z: float
    """Welch's z of the contrast of its rows' effects."""
    share: float
    """Share of the draws of the slice's rows."""
    num_wrong: float
    """Lower bound on the wrong labels of the source in the sample."""


def _judge(
    subject: Subject, name: str, names: NDArray[np.object_], doubts: LabelDoubts, level: float
) -> _Judged | None:
    """Judge one source; None where nothing is shown against it."""
    is_own = np.asarray(names == name, bool)
    found = judge_labels(doubts, is_own, None, level)
    share = _share(subject, name)
    if found is None or found.denied.wrong * share < _LEAST_TAUGHT:
        return None
    effect = subject.rows.effect[~subject.rows.in_pool, subject.number].astype(np.float64)
    z = contrast(effect, _sources(subject) == name)
    return _Judged(name, found, z, share, found.denied.wrong * int(is_own.sum())) if z <= _WORKS_AGAINST else None


def _wrong_in_slice(subject: Subject, sample: TrainPool) -> float:
    """Lower bound on the wrong labels of the slice in the sample; 0 where a source names the slice."""
    if subject.where is None or SOURCE in subject.where.as_dict():
        return 0.0
    failing = {r.item.key for r in (*subject.failed, *subject.passed)}
    items = [result.item for result in subject.case.probe.results]
    found = slice_labels(sample, items, np.array([item.key in failing for item in items], bool), subject.where)
    return 0.0 if found is None else found.denied.wrong * int(row_members(subject.where, sample).sum())


def _sources(subject: Subject) -> NDArray[np.object_]:
    """Source of each row of the corpus in the attributed sample, [num_corpus_rows]."""
    return np.array(subject.sampled_corpus.rows["source"][:], object)


def _share(subject: Subject, name: str) -> float:
    """Share of the draws of the slice's rows; of the whole corpus where these are not known but by another source."""
    inside = subject.inside[~subject.rows.in_pool]
    is_known = subject.where is not None and SOURCE not in subject.where.as_dict() and inside.any()
    weights = subject.sampled_corpus.weights() * (inside if is_known else 1.0)
    return float(weights[_sources(subject) == name].sum() / weights.sum()) if weights.sum() > 0 else 0.0
