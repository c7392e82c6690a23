"""Do training rows disagree among themselves? Effects of either sign inside the slice, and labels that neighbours deny.

Rows of one skill that are all right help its failed items, every one of them; where a share of them has wrong labels,
those teach against the others, and attribution gives them effects of the other sign. Where rows have few distinct
completions, labels are also held against a classifier that has not seen them (confident learning, Northcutt et al.
2021, arXiv 1911.00068): a label is denied where it is sure of another one.

Costs no model beyond what attribution has computed; the classifier seconds for 10,000 rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from diagnose.evidence.evidence import Evidence
from diagnose.evidence.subject import Subject, share_against
from diagnose.pool import TrainPool
from evals.near_copies import normalise

MOST_LABELS = 60
"""Distinct completions of a classification."""
_LEAST_ROWS = 100
_LEAST_OF_LABEL = 5
_LEAST_OF_KIND = 20
_FOLDS = 5
_LISTED = 1000
_MOST_ROWS = 50_000
"""Of the corpus, for the classifier."""
_MUCH_MORE = 0.1
"""Of a kind's labels are denied beyond what is denied elsewhere."""


@dataclass(frozen=True, slots=True)
class LabelDoubts:
    """What a classifier that has not seen a row says of its label; rows with rare labels are left out."""

    rows: NDArray[np.int64]
    """[num_rows], places among the rows asked."""
    labels: NDArray[np.object_]
    """[num_labels]"""
    given: NDArray[np.int64]
    """[num_rows], place of the row's label."""
    probability: NDArray[np.float64]
    """[num_rows, num_labels]"""

    @property
    def best(self) -> NDArray[np.int64]:
        return np.asarray(self.probability.argmax(axis=1))

    @property
    def of_given(self) -> NDArray[np.float64]:
        return np.asarray(self.probability[np.arange(len(self.rows)), self.given])

    @property
    def is_denied(self) -> NDArray[np.bool_]:
        """Another label is more probable."""
        return np.asarray(self.best != self.given)


def check_effects(subject: Subject) -> Evidence:
    """Value `against`: of all absolute effect of the slice's rows on its failed items, the share with the wrong sign;
    about half where labels contradict each other, near 0 where the rows agree. Points at those rows, the worst
    first."""
    effect = subject.rows.effect[subject.inside, subject.number]
    if len(effect) < 5 or not effect.any():
        return Evidence("effects", {}, "Too few rows of the slice are attributed to tell whether they agree.")
    against = share_against(effect)
    says = (
        f"{(effect < 0).mean():.0%} of the slice's {len(effect)} attributed rows work against its failed items, with "
        f"{against:.0%} of all their effect."
    )
    places = np.flatnonzero(subject.inside)[np.argsort(effect, kind="stable")[: min(_LISTED, int((effect < 0).sum()))]]
    ids = tuple(subject.case.row(int(number), 0.0).id for number in subject.rows.numbers[places])
    return Evidence("effects", {"against": against}, says, rows=ids)


def check_labels(subject: Subject) -> Evidence:
    """Values: `conflicts` (share of the slice's rows whose prompt stands in the corpus with another completion); where
    completions are labels also `denied` and `denied_elsewhere` (share of denied labels among rows that the classifier
    takes for one of the failed items' kind, the kind with the most, and among all others) and `kind_against` (share of
    those rows' effect that is against the failed items). Points at the doubted rows, the most doubtful first."""
    numbers = _sample(subject.corpus)
    asked = subject.corpus.select(numbers).rows
    prompts, labels = _prompts_and_labels(subject.corpus.select(numbers))
    values: dict[str, float] = {}
    inside = np.isin(numbers, subject.rows.numbers[subject.inside])
    if inside.any() and any(prompts):
        values["conflicts"] = float(_conflicts(prompts, labels)[inside].mean())
    conflicts = f"{values.get('conflicts', 0):.0%} of the slice's prompts stand in the corpus with another answer."
    doubts = label_doubts(prompts, labels)
    golds = {" ".join(r.item.target.split()) for r in subject.failed}
    kinds = {} if doubts is None else _excess_by_kind(doubts, golds)
    if doubts is None or not kinds:
        return Evidence("labels", values, conflicts)
    worst = max(kinds, key=lambda label: kinds[label])
    kind = doubts.labels[doubts.best] == worst
    # Effects are known of the attributed rows alone.
    attributed = np.isin(subject.rows.numbers, numbers[doubts.rows[kind]]) & ~subject.rows.in_pool
    values |= {
        "denied": float(doubts.is_denied[kind].mean()),
        "denied_elsewhere": float(doubts.is_denied[~kind].mean()) if (~kind).any() else 0.0,
        "kind_against": share_against(subject.rows.effect[attributed, subject.number]),
    }
    says = (
        f"{conflicts} Of the rows that a classifier takes for “{worst}” without having seen them, "
        f"{values['denied']:.0%} have another label (of the other rows {values['denied_elsewhere']:.0%} have another "
        f"than it says); {values['kind_against']:.0%} of their effect is against the failed items."
    )
    # Not by the most probable label: a row of a doubtful class is suspect before the class is more probable than all.
    excess = doubts.probability[:, doubts.labels == worst].sum(axis=1) - doubts.of_given
    order = [k for k in np.argsort(-excess, kind="stable").tolist() if doubts.labels[doubts.given[k]] != worst]
    ids = tuple(asked["id"][int(doubts.rows[k])] for k in order if excess[k] > 0)
    return Evidence("labels", values, says, rows=ids[:_LISTED])


@dataclass(frozen=True, slots=True)
class DeniedLabels:
    """Rows whose label a classifier denies, [num_denied] each."""

    rows: NDArray[np.int64]
    """Ascending."""
    labels: tuple[str, ...]
    """What it says instead, single spaces between words."""
    is_sure: NDArray[np.bool_]
    """Whether it is as sure of that as of rows which have that label, in the mean (Northcutt et al. 2021, eq. 2)."""


def denied_labels(corpus: TrainPool) -> DeniedLabels | None:
    """Of the kinds of rows whose labels are denied much more often than others'.

    Looks at 50,000 rows at most. None where completions are no labels.
    """
    numbers = _sample(corpus)
    doubts = label_doubts(*_prompts_and_labels(corpus.select(numbers)))
    if doubts is None:
        return None
    excess = _excess_by_kind(doubts, doubts.labels.tolist())
    suspect = np.array([excess.get(label, 0.0) >= _MUCH_MORE for label in doubts.labels.tolist()])
    denied = np.flatnonzero(doubts.is_denied & suspect[doubts.best])
    usual = np.array([doubts.of_given[doubts.given == number].mean() for number in range(len(doubts.labels))])
    best = doubts.best[denied]
    return DeniedLabels(
        rows=np.asarray(numbers[doubts.rows[denied]], np.int64),
        labels=tuple(doubts.labels[best].tolist()),
        is_sure=np.asarray(doubts.probability[denied, best] >= usual[best]),
    )


def _sample(corpus: TrainPool) -> NDArray[np.int64]:
    return np.linspace(0, len(corpus) - 1, min(len(corpus), _MOST_ROWS)).astype(np.int64)


def _prompts_and_labels(rows: TrainPool) -> tuple[list[str], NDArray[np.object_]]:
    prompts = [normalise(prompt) for prompt in rows.rows["prompt"][:]]
    return prompts, np.array([" ".join(completion.split()) for completion in rows.rows["completion"][:]], object)


def _excess_by_kind(doubts: LabelDoubts, golds: Collection[str]) -> dict[str, float]:
    """Of each label of the failed items how much more often than elsewhere it is denied to rows of its kind."""
    excess = {}
    for number, label in enumerate(doubts.labels.tolist()):
        kind = doubts.best == number
        if label in golds and kind.sum() >= _LEAST_OF_KIND and (~kind).any():
            excess[label] = float(doubts.is_denied[kind].mean() - doubts.is_denied[~kind].mean())
    return excess


def label_doubts(prompts: Sequence[str], labels: NDArray[np.object_]) -> LabelDoubts | None:
    """None where the completions are no labels: too many, or hardly any of each."""
    names, code, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    frequent = counts >= _LEAST_OF_LABEL
    if (
        not 2 <= frequent.sum() <= MOST_LABELS
        or len(labels) < _LEAST_ROWS
        or counts[frequent].sum() < 0.95 * len(labels)
    ):
        return None
    kept = np.flatnonzero(frequent[code])
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    try:
        texts = words.fit_transform([prompts[k] for k in kept.tolist()])
    except ValueError:  # no word stands in two prompts
        return None
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    classifier = LogisticRegression(C=3.0, max_iter=200)
    probability = cross_val_predict(classifier, texts, code[kept], cv=folds, method="predict_proba")
    classes = np.flatnonzero(frequent)  # columns of `probability`
    return LabelDoubts(kept, names[classes].astype(object), np.searchsorted(classes, code[kept]), probability)


def _conflicts(prompts: Sequence[str], labels: NDArray[np.object_]) -> NDArray[np.bool_]:
    answers: dict[str, set[str]] = {}
    for prompt, label in zip(prompts, labels.tolist(), strict=True):
        answers.setdefault(prompt, set()).add(label)
    return np.array([len(answers[prompt]) > 1 for prompt in prompts])
