"""Fit the classifier of failure modes on labelled examples, and test it on held-out templates.

Logistic regression, then a temperature by the likelihood of what each of five folds holds out; templates are never
split (Guo et al. 2017, arXiv 1706.04599). Seconds for two thousand examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from diagnose.modes.classifier import ModeClassifier, load_classifier
from diagnose.modes.examples import LabelledFailure, read_mode_labels, shipped_examples
from diagnose.modes.features import MEASURES, raw_vectors
from diagnose.modes.mode import Mode

USER_WEIGHT = 10.0
"""Number of shipped examples that one of the user's counts for."""
_INVERSE_PENALTY = 0.03
_TOLERANCE = 1e-5
_LEAST_SCALE = 0.05
"""Smallest standard deviation of a measure, for those that hardly vary among the examples."""
_NUM_FOLDS = 5
_DIGITS = 6
"""Significant digits of stored numbers."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Predictions for examples by a classifier that was fitted on other templates."""

    modes: tuple[Mode, ...]
    logits: NDArray[np.float64]
    """Logits of the classifier, [num_examples, num_modes]."""
    truth: NDArray[np.int64]
    """Column of the true mode in `logits`, [num_examples]."""
    weights: NDArray[np.float64]

    def probabilities(self, temperature: float) -> NDArray[np.float64]:
        return np.asarray(softmax(self.logits / temperature, axis=1))

    def loss(self, temperature: float) -> float:
        own = self.probabilities(temperature)[np.arange(len(self.truth)), self.truth]
        return float(np.average(-np.log(np.maximum(own, 1e-12)), weights=self.weights))


def classifier_with(mode_labels: str | None) -> ModeClassifier:
    """Load the shipped classifier, or fit a new one on both where a user's file is given.

    Raises:
        ValueError: as in `read_mode_labels`.
    """
    if mode_labels is None:
        return load_classifier()
    return fit_classifier(shipped_examples(), read_mode_labels(mode_labels))


def fit_classifier(examples: Sequence[LabelledFailure], own: Sequence[LabelledFailure] = ()) -> ModeClassifier:
    """Fit the classifier, deterministically; each of the `own` examples counts `USER_WEIGHT` times."""
    everything = [*examples, *own]
    weights = np.array([1.0] * len(examples) + [USER_WEIGHT] * len(own))
    raw = raw_vectors([example.item for example in everything])
    outside = held_out(everything, raw, weights)
    best = minimize_scalar(lambda power: outside.loss(float(np.exp(power))), bounds=(-2.0, 3.0), method="bounded")
    fitted = _fit(raw, [example.mode for example in everything], weights)
    return ModeClassifier(
        modes=fitted.modes,
        idf=_rounded(fitted.idf),
        mean=_rounded(fitted.mean),
        scale=_rounded(fitted.scale),
        coef=_rounded(fitted.coef),
        intercept=_rounded(fitted.intercept),
        temperature=float(_rounded(np.array(np.exp(best.x)))),
    )


def held_out(examples: Sequence[LabelledFailure], raw: NDArray[np.float64], weights: NDArray[np.float64]) -> HeldOut:
    """Predict every example by the fold that lacks its template; those of a mode that no other fold has are left out.

    Args:
        raw: The examples' `raw_vectors`.
    """
    modes = tuple(sorted({example.mode for example in examples}))
    truth = np.array([modes.index(example.mode) for example in examples])
    fold = _folds(examples)
    logits = np.full((len(examples), len(modes)), -np.inf)
    for k in range(_NUM_FOLDS):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not len(outside):
            continue
        fitted = _fit(raw[inside], [examples[i].mode for i in inside.tolist()], weights[inside])
        columns = np.array([modes.index(mode) for mode in fitted.modes])
        logits[outside[:, None], columns] = fitted.logits(fitted.scaled(raw[outside]))
    known = np.isfinite(logits[np.arange(len(examples)), truth])
    return HeldOut(modes, logits[known], truth[known], weights[known])


def _folds(examples: Sequence[LabelledFailure]) -> NDArray[np.int64]:
    """Fold of each example, by its template; the templates of a mode are dealt out in turn."""
    fold_of: dict[tuple[Mode, str], int] = {}
    dealt: dict[Mode, int] = {}
    for example in examples:
        key = (example.mode, example.template)
        if key not in fold_of:
            fold_of[key] = dealt.get(example.mode, 0) % _NUM_FOLDS
            dealt[example.mode] = dealt.get(example.mode, 0) + 1
    return np.array([fold_of[example.mode, example.template] for example in examples])


def _fit(raw: NDArray[np.float64], labels: Sequence[Mode], weights: NDArray[np.float64]) -> ModeClassifier:
    """Fit the regression without a temperature."""
    measured, words = raw[:, : len(MEASURES)], raw[:, len(MEASURES) :]
    empty = ModeClassifier(
        modes=(),
        idf=np.log((1 + len(words)) / (1 + (words > 0).sum(axis=0))) + 1,
        mean=measured.mean(axis=0),
        scale=np.maximum(measured.std(axis=0), _LEAST_SCALE),
        coef=np.zeros((0, raw.shape[1])),
        intercept=np.zeros(0),
        temperature=1.0,
    )
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=2_000, tol=_TOLERANCE)
    regression.fit(empty.scaled(raw), [mode.value for mode in labels], sample_weight=weights)
    modes = tuple(Mode(name) for name in regression.classes_)
    return replace(empty, modes=modes, coef=regression.coef_, intercept=regression.intercept_)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to the stored number of digits, so that what is stored is what was fitted."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in np.ravel(values)]).reshape(np.shape(values))
