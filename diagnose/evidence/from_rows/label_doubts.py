"""Doubt labels of rows by a classifier that has not seen them, and calibrate it on items whose golds are known.

Confident learning (Northcutt et al. 2021, arXiv 1911.00068), with the evaluation's probe items among the rows: the
classifier has seen the text of neither, so that the share of golds that it denies shows the share of right labels that
it denies. A logistic regression on TF-IDF of words and pairs of words; seconds for 10,000 rows and six labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from diagnose.finding.answer_labels import MOST_LABELS
from evals.leaks.near_copies import normalise

_LEAST_ROWS = 100
_LEAST_OF_LABEL = 5
_LEAST_LABELLED = 0.95
"""Smallest share of the rows that must have such a label; completions are no labels where more have another one."""
_FOLDS = 5
_LOOSE = 1e-2


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with their labels, one each."""

    texts: Sequence[str]
    labels: Sequence[str]
    """Labels with single spaces between words."""

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Doubts:
    """Probabilities that the classifier gives to labels of texts that it has not seen."""

    places: NDArray[np.int64]
    """Places among all texts, [num_texts], ascending; those with rare labels are left out."""
    given: NDArray[np.int64]
    """Place of the text's label among all labels, [num_texts]."""
    probability: NDArray[np.float64]
    """Probability of each label, [num_texts, num_labels]."""

    def __len__(self) -> int:
        return len(self.places)

    def where(self, chosen: NDArray[np.bool_]) -> "Doubts":
        return Doubts(self.places[chosen], self.given[chosen], self.probability[chosen])

    @property
    def best(self) -> NDArray[np.int64]:
        """Most probable label of each text, [num_texts]."""
        return np.asarray(self.probability.argmax(axis=1).reshape(len(self)), np.int64)

    @property
    def of_given(self) -> NDArray[np.float64]:
        return np.asarray(self.probability[np.arange(len(self)), self.given])

    @property
    def doubt(self) -> NDArray[np.float64]:
        """Log-odds of the most probable other label against the given one, [num_texts]; positive denies the given
        one."""
        others = self.probability.copy()
        others[np.arange(len(self)), self.given] = 0.0
        tiny = np.finfo(float).tiny
        return np.asarray(np.log(np.maximum(others.max(axis=1, initial=0.0), tiny) / np.maximum(self.of_given, tiny)))

    @property
    def is_denied(self) -> NDArray[np.bool_]:
        return np.asarray(self.doubt > 0)


@dataclass(frozen=True, slots=True)
class LabelDoubts:
    labels: tuple[str, ...]
    rows: Doubts
    items: Doubts


def are_labels(completions: Sequence[str]) -> bool:
    """Whether completions are those of a classification: 2 to 60 frequent ones, hardly any others, 100 rows or more."""
    _, counts = np.unique(np.asarray(completions, str), return_counts=True)
    frequent = counts[counts >= _LEAST_OF_LABEL]
    return (
        len(completions) >= _LEAST_ROWS
        and 2 <= len(frequent) <= MOST_LABELS
        and frequent.sum() >= _LEAST_LABELLED * len(completions)
    )


def doubt_labels(
    rows: Labelled,
    items: Labelled,
    rows_inside: NDArray[np.bool_] | None = None,
    items_inside: NDArray[np.bool_] | None = None,
) -> LabelDoubts | None:
    """Predict labels of rows and items in folds that the classifier was not fitted on; no text is on both sides.

    Args:
        rows: Training rows.
        items: Probe items with their golds; those whose gold is no label of the rows are left out.
        rows_inside: Whether each row is in the slice, [num_rows], as a feature; None where its labels define the slice.
        items_inside: The same for items, [num_items]; they weigh as much as the slice's rows, whose labels are in
            question.

    Returns:
        None where the completions are no labels, or the texts share no word or are hardly any but copies.
    """
    if not are_labels(rows.labels):
        return None
    names, counts = np.unique(np.asarray(rows.labels, str), return_counts=True)
    known = {name: place for place, name in enumerate(names[counts >= _LEAST_OF_LABEL].tolist())}
    row_places, item_places = (
        np.array([k for k, label in enumerate(part.labels) if label in known], np.int64) for part in (rows, items)
    )
    prompts = [normalise(rows.texts[k]) for k in row_places.tolist()]
    prompts += [normalise(items.texts[k]) for k in item_places.tolist()]
    given = np.array(
        [known[rows.labels[k]] for k in row_places.tolist()] + [known[items.labels[k]] for k in item_places.tolist()],
        np.int64,
    )
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    try:
        texts = words.fit_transform(prompts).tocsr()
    except ValueError:  # no word stands in two prompts
        return None
    folds = _folds(prompts, given)
    if not folds:
        return None
    weights = np.ones(len(prompts))
    if rows_inside is not None and items_inside is not None:
        inside = np.concatenate([rows_inside[row_places], items_inside[item_places]])
        texts = hstack([texts, csr_matrix(inside[:, None].astype(float))]).tocsr()
        is_item = np.arange(len(prompts)) >= len(row_places)
        num_items, num_rows = int((inside & is_item).sum()), int((inside & ~is_item).sum())
        weights[inside & is_item] = max(1.0, num_rows / max(num_items, 1))
    probability = np.zeros((len(prompts), len(known)))
    for fitted, held_out in folds:
        tolerance = _tolerance(texts[fitted], given[fitted])
        classifier = LogisticRegression(C=3.0, solver="newton-cg", tol=tolerance, max_iter=200)
        classifier.fit(texts[fitted], given[fitted], sample_weight=weights[fitted])
        probability[np.ix_(held_out, classifier.classes_)] = classifier.predict_proba(texts[held_out])
    num_rows = len(row_places)
    return LabelDoubts(
        labels=tuple(known),
        rows=Doubts(row_places, given[:num_rows], probability[:num_rows]),
        items=Doubts(item_places, given[num_rows:], probability[num_rows:]),
    )


def _tolerance(texts: csr_matrix, given: NDArray[np.int64]) -> float:
    """Gradient at which the fit may stop: looser than the default, which is as right on questions of six classes in an
    eighth of the time, and which does not follow wrong labels as far; but below the gradient that it starts with. That
    one is small where labels depend on many words that are rare each; with a fixed tolerance the fit would then stop
    before its first step."""
    is_label = np.eye(int(given.max()) + 1)[given]
    start = np.abs(texts.T @ (is_label - is_label.mean(axis=0))).max() / len(given)
    return float(min(_LOOSE, start / 2))


def _folds(prompts: Sequence[str], given: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split places to fit on and places to predict, for each fold: equal prompts are in the same one. Empty where fewer
    than two labels have a prompt for each fold."""
    _, first, which = np.unique(np.asarray(prompts, object).astype(str), return_index=True, return_inverse=True)
    labels, counts = np.unique(given[first], return_counts=True)
    if (counts >= _FOLDS).sum() < 2:
        return []
    # Labels of fewer prompts than folds cannot be spread; they go with those of the most frequent one.
    strata = np.where(np.isin(given[first], labels[counts >= _FOLDS]), given[first], labels[counts.argmax()])
    fold = np.zeros(len(first), np.int64)
    splits = StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(first, strata)
    for number, (_, held_out) in enumerate(splits):
        fold[held_out] = number
    of_prompt = fold[which]
    return [(np.flatnonzero(of_prompt != k), np.flatnonzero(of_prompt == k)) for k in range(_FOLDS)]
