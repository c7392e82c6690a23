"""Probabilities of causes from evidence and small trainings together.

A repair that works in a small training does not name the cause by itself. Right rows help against wrong ones as well as
against missing ones; a model that is too small learns on, too; what wrong labels have taught is unlearnt late, so that
leaving them out may show nothing. How much each repair says beside the others, and beside what is known of the rows, is
a regression on the readings of the evidence (`diagnose.finding.causes`) and on what the repairs did. It is fitted by
`scripts/fit_causes.py` on runs of the proving ground with planted defects, and stands in `cause_model.json`. A finding
that is far from everything that was fitted keeps what follows from the definitions (`diagnose.finding.outcome`).
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from diagnose.finding.cause_model import CauseModel, read_model
from diagnose.finding.causes import MIN_CONFIDENCE, MODEL_FILE, READINGS, readings_of, unnamed
from diagnose.finding.finding import Cause, Experiment

TRIED = (
    Cause.TRAINING_SETUP,
    Cause.WRONG_LABELS,
    Cause.SHORTCUT,
    Cause.DUPLICATES,
    Cause.UNDERWEIGHTED,
    Cause.MISSING_DATA,
)
"""Causes whose repairs small trainings try."""
_SAID = ("works", "closes", "untried")
FEATURES = (*READINGS, *(f"{cause.value} {what}" for cause in TRIED for what in _SAID))
"""Readings of the evidence, and of each repair whether it works, what it closes, and whether it was not tried."""
KEY = "trials"
"""Part of `cause_model.json`."""
_LENGTH = 0.1
"""Length of a small training, as a share of an arm's, that what a longer one closes is written as."""
_LEAST_LENGTH = 0.02
_MOST_SURE = 0.99


def features_of(values: Mapping[str, float], made: Sequence[Experiment]) -> dict[str, float]:
    """Readings of a finding's evidence, and what the repairs that were tried did."""
    found = readings_of(values)
    by_cause = {one.cause: one for one in made}
    for cause in TRIED:
        one = by_cause.get(cause)
        found[f"{cause.value} untried"] = float(one is None)
        found[f"{cause.value} works"] = 0.0 if one is None else _log_odds(one.works)
        found[f"{cause.value} closes"] = 0.0 if one is None else _at_tenth(one)
    return found


def after_trials(
    values: Mapping[str, float],
    by_rule: Mapping[Cause, float],
    made: Sequence[Experiment],
    model: CauseModel | None = None,
) -> Mapping[Cause, float]:
    """Probability of each cause, sum 1; where none reaches `MIN_CONFIDENCE`, `unknown` comes first.

    Args:
        values: Values of the tests that were made.
        by_rule: Probabilities as they follow from the definitions (`settled`), for what is unlike all that was fitted.
        made: Experiments, at least one.
        model: Regression to ask in place of the one in `cause_model.json`.
    """
    model = load_trials_model() if model is None else model
    features = features_of(values, made)
    if model is None or model.is_far(features):
        return by_rule
    shares = dict(zip(model.causes, model.probabilities(features).tolist(), strict=True))
    first = max(shares, key=lambda cause: shares[cause])
    if shares[first] > model.most and first is not Cause.UNKNOWN:
        aside = shares.get(Cause.UNKNOWN, 0.0) + shares[first] - model.most
        shares |= {first: model.most, Cause.UNKNOWN: aside}
    return shares if max(shares.values()) >= MIN_CONFIDENCE else unnamed(shares)


@cache
def load_trials_model() -> CauseModel | None:
    """The regression of `cause_model.json`; None where that has none."""
    stored = json.loads(MODEL_FILE.read_text()).get(KEY)
    return None if stored is None else read_model(stored, FEATURES)


def _log_odds(works: float) -> float:
    """Log-odds that a repair works, as a share of the largest that is told apart."""
    share = float(np.clip(works, 1 - _MOST_SURE, _MOST_SURE))
    return float(np.log(share / (1 - share)) / np.log(_MOST_SURE / (1 - _MOST_SURE)))


def _at_tenth(one: Experiment) -> float:
    """Share of the gap that the repair closes in a tenth of an arm's tokens, at the same rate; at least -1."""
    closed = float(np.clip(one.effect.mean, -1.0, 0.999))
    return float(1 - (1 - closed) ** (_LENGTH / max(one.length, _LEAST_LENGTH)))
