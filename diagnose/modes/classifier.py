"""Classify the failure modes that rules leave, by a logistic regression on the texts that may abstain.

Its coefficients are numbers in `model.json`, fitted by `scripts/fit_modes.py` on examples that we make ourselves;
docs/LOG.md says how reliable they are on other text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from diagnose.modes.features import MEASURES, NUM_FEATURES, Answered, raw_vectors, tf_idf
from diagnose.modes.mode import ABOUT_GENERATION, Mode
from evals.items import ItemResult, OutputType

SHIPPED = Path(__file__).with_name("model.json")
MIN_PROBABILITY = 0.7
"""Probability below which the classifier abstains."""
_FARTHEST = 3.0
"""Standard deviations at which a measure is clipped."""


@dataclass(frozen=True, slots=True, eq=False)
class ModeClassifier:
    """A multinomial logistic regression with a temperature."""

    modes: tuple[Mode, ...]
    idf: NDArray[np.float64]
    """Inverse document frequency of hashed words, [num_buckets]."""
    mean: NDArray[np.float64]
    """Mean of each measure in the examples, [len(MEASURES)]."""
    scale: NDArray[np.float64]
    coef: NDArray[np.float64]
    """Coefficients, [num_modes, NUM_FEATURES]."""
    intercept: NDArray[np.float64]
    temperature: float
    """Divisor of the logits, so that probabilities hold on templates that were not fitted."""

    def features(self, items: Sequence[Answered]) -> NDArray[np.float64]:
        """Features as the regression takes them, [num_items, NUM_FEATURES]."""
        return self.scaled(raw_vectors(items))

    def scaled(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale `raw_vectors`: words weighted, measures in standard deviations from their mean."""
        features = tf_idf(raw, self.idf)
        num = len(self.mean)
        features[:, :num] = np.clip((features[:, :num] - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        return features

    def logits(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits before the temperature, [num_items, num_modes]."""
        return np.asarray(features @ self.coef.T + self.intercept)

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of each mode, [num_items, num_modes]; rows sum to 1."""
        return np.asarray(softmax(self.logits(features) / self.temperature, axis=1))

    def modes_of(self, items: Sequence[Answered]) -> list[Mode]:
        """Most probable mode of each item; `wrong` below `MIN_PROBABILITY` or where a choice cannot have it."""
        if not items:
            return []
        probabilities = self.probabilities(self.features(items))
        best = probabilities.argmax(axis=1)
        return [
            Mode.WRONG
            if row[k] < MIN_PROBABILITY or (not item.is_generated and self.modes[k] in ABOUT_GENERATION)
            else self.modes[k]
            for item, row, k in zip(items, probabilities, best.tolist(), strict=True)
        ]

    def as_json(self) -> str:
        return json.dumps(
            {
                "modes": [mode.value for mode in self.modes],
                "temperature": self.temperature,
                "intercept": self.intercept.tolist(),
                "measures": {
                    name: {"mean": mean, "scale": scale}
                    for name, mean, scale in zip(MEASURES, self.mean.tolist(), self.scale.tolist(), strict=True)
                },
                "idf": self.idf.tolist(),
                "coef": self.coef.tolist(),
            },
            indent=None,
        ).replace('], "', '],\n"')


def answered(result: ItemResult) -> Answered:
    is_generated = result.item.output_type is OutputType.GENERATE_UNTIL
    return Answered(result.item.text, result.item.target, result.answer, is_generated)


def load_classifier(file: Path = SHIPPED) -> ModeClassifier:
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert list(stored["measures"]) == list(MEASURES), f"{file.name} was fitted on other features; run fit_modes.py"
    columns = stored["measures"].values()
    classifier = ModeClassifier(
        modes=tuple(Mode(name) for name in stored["modes"]),
        idf=np.array(stored["idf"]),
        mean=np.array([column["mean"] for column in columns]),
        scale=np.array([column["scale"] for column in columns]),
        coef=np.array(stored["coef"]),
        intercept=np.array(stored["intercept"]),
        temperature=stored["temperature"],
    )
    assert classifier.coef.shape == (len(classifier.modes), NUM_FEATURES), "one coefficient for each mode and feature"
    return classifier
