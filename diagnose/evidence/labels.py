"""Do training rows disagree among themselves? Effects of either sign inside the slice, and labels that neighbours deny.

Rows of one skill that are all right help its failed items, every one of them; where a share of them has wrong labels,
those teach against the others, and attribution gives them effects of the other sign. Where rows have few distinct
completions, labels are also held against a classifier that has not seen them (confident learning, Northcutt et al.
2021, arXiv 1911.00068): a label is denied where it is sure of another one.

Costs no model beyond what attribution has computed; the classifier seconds for 10,000 rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from diagnose.evidence.evidence import Evidence
from diagnose.evidence.subject import Subject
from evals.near_copies import normalise

_MOST_LABELS = 60
"""Distinct completions of a classification."""
_LEAST_ROWS = 100
_LEAST_OF_LABEL = 5
_FOLDS = 5
_LISTED = 1000


@dataclass(frozen=True, slots=True)
class LabelDoubts:
    """Of rows with few distinct completions."""

    of_given: NDArray[np.float64]
    """[num_rows]: probability of the row's label by a classifier that has not seen it."""
    of_best: NDArray[np.float64]
    """Of the label that it finds most probable."""
    best: NDArray[np.object_]
    """That label."""
    is_denied: NDArray[np.bool_]
    """Another label is more probable than all others together."""


def check_effects(subject: Subject) -> Evidence:
    """Value `against`: of all absolute effect of the slice's rows on its failed items, the share with the wrong sign;
    about half where labels contradict each other, near 0 where the rows agree."""
    effect = subject.rows.effect[subject.inside, subject.number].astype(np.float64)
    total = np.abs(effect).sum()
    if len(effect) < 5 or total == 0:
        return Evidence("effects", {}, "Too few rows of the slice are attributed to tell whether they agree.")
    against = float(-effect[effect < 0].sum() / total)
    says = (
        f"{(effect < 0).mean():.0%} of the slice's {len(effect)} attributed rows work against its failed items, with "
        f"{against:.0%} of all their effect."
    )
    return Evidence("effects", {"against": against}, says)


def check_labels(subject: Subject) -> Evidence:
    """Values: `conflicts` (share of the slice's rows whose prompt stands in the corpus with another completion),
    `denied` and `denied_elsewhere` (share of rows whose label is denied, of those whose true label, by the classifier,
    is that of the failed items, and of the rest). Points at the doubted rows, the most doubtful first."""
    corpus = np.flatnonzero(~subject.rows.in_pool)
    prompts = [normalise(subject.rows.prompts[k]) for k in corpus.tolist()]
    labels = np.array([subject.rows.completions[k].strip() for k in corpus.tolist()], object)
    inside = subject.inside[corpus]
    values: dict[str, float] = {}
    if inside.any() and any(prompts):
        values["conflicts"] = float(_conflicts(prompts, labels)[inside].mean())
    doubts = label_doubts(prompts, labels)
    conflicts = f"{values.get('conflicts', 0):.0%} of the slice's prompts stand in the corpus with another answer."
    if doubts is None:
        return Evidence("labels", values, conflicts)
    golds = {r.item.target.strip() for r in subject.failed}
    kind = np.isin(doubts.best, list(golds))
    values["denied"] = float(doubts.is_denied[kind].mean()) if kind.any() else 0.0
    values["denied_elsewhere"] = float(doubts.is_denied[~kind].mean()) if (~kind).any() else 0.0
    order = np.argsort(-defect_scores(subject, corpus, doubts), kind="stable")
    rows = [int(corpus[k]) for k in order.tolist() if doubts.is_denied[k]]
    ids = tuple(subject.case.row(int(subject.rows.numbers[k]), 0.0).id for k in rows[:_LISTED])
    says = (
        f"{conflicts} A classifier that has not seen them denies {values['denied']:.0%} of the labels of rows that it "
        f"takes for the failed items' kind, and {values['denied_elsewhere']:.0%} of the others."
    )
    return Evidence("labels", values, says, rows=ids)


def defect_scores(subject: Subject, corpus: NDArray[np.int64], doubts: LabelDoubts | None) -> NDArray[np.float64]:
    """How doubtful the label of each of these rows of the sample is, in [0, 1]: mean rank by effect against the failed
    items, and by the classifier where there is one."""
    ranks = [rankdata(-subject.rows.effect[corpus, subject.number]) / len(corpus)]
    if doubts is not None:
        ranks.append(rankdata(doubts.of_best - doubts.of_given) / len(corpus))
    return np.asarray(np.mean(ranks, axis=0))


def label_doubts(prompts: Sequence[str], labels: NDArray[np.object_]) -> LabelDoubts | None:
    """None where the completions are no labels: too many, or hardly any of each."""
    names, code, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    frequent = counts >= _LEAST_OF_LABEL
    if (
        not 2 <= frequent.sum() <= _MOST_LABELS
        or len(labels) < _LEAST_ROWS
        or counts[frequent].sum() < 0.95 * len(labels)
    ):
        return None
    kept = np.flatnonzero(frequent[code])
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    texts = words.fit_transform([prompts[k] for k in kept.tolist()])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    classifier = LogisticRegression(C=3.0, max_iter=200)
    probability = cross_val_predict(classifier, texts, code[kept], cv=folds, method="predict_proba")
    classes = np.flatnonzero(frequent)  # columns of `probability`
    given = np.searchsorted(classes, code[kept])
    of_given, best = probability[np.arange(len(kept)), given], probability.argmax(axis=1)
    of_best = probability.max(axis=1)
    full = LabelDoubts(np.ones(len(labels)), np.ones(len(labels)), labels.copy(), np.zeros(len(labels), bool))
    full.of_given[kept], full.of_best[kept] = of_given, of_best
    full.best[kept] = names[classes[best]]
    full.is_denied[kept] = (best != given) & (of_best > 0.5)
    return full


def _conflicts(prompts: Sequence[str], labels: NDArray[np.object_]) -> NDArray[np.bool_]:
    answers: dict[str, set[str]] = {}
    for prompt, label in zip(prompts, labels.tolist(), strict=True):
        answers.setdefault(prompt, set()).add(label)
    return np.array([len(answers[prompt]) > 1 for prompt in prompts])
