"""Probabilities of causes from evidence and small trainings together.

A repair that works in a small training does not name the cause by itself. Right rows help against wrong ones as well as
against missing ones; a model that is too small learns on, too; what wrong labels have taught is unlearnt late, so that
leaving them out may show nothing. How much each repair says beside the others, and beside what is known of the rows, is
told by a forest (`diagnose.finding.fitted.forest`) on the evidence, on how items fail and on what the repairs did. It
grows from findings
of the proving ground with planted defects, which `scripts/fit_causes.py` leaves in `fitted/trials.json`. Its votes are
pooled with what follows from the definitions (`diagnose.finding.outcome`): where it has seen nothing like a finding, it
votes for several causes, and a repair that plainly works decides. One that is far from all it has seen keeps what the
definitions say.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from diagnose.finding.causes import MIN_CONFIDENCE, unnamed
from diagnose.finding.finding import Cause, Experiment
from diagnose.finding.fitted.forest import TRIALS_FILE, CauseForest, read_forest
from diagnose.finding.readings import FEATURES_OF_VALUES, READINGS, evidence_features
from diagnose.modes.mode import Mode

TRIED = (
    Cause.TRAINING_SETUP,
    Cause.WRONG_LABELS,
    Cause.SHORTCUT,
    Cause.DUPLICATES,
    Cause.UNDERWEIGHTED,
    Cause.MISSING_DATA,
)
"""Causes whose repairs small trainings try."""
_UNTRIED = MappingProxyType({"works": 0.0, "closes": 0.0, "untried": 1.0})
"""What is said of a repair that was not tried."""
ALIKE = (*READINGS, *(f"{cause.value} {what}" for cause in TRIED for what in _UNTRIED))
"""Readings of the evidence, and of each repair whether it works, what it closes, and whether it was not tried: all of
one scale."""
FEATURES_OF_MODES = tuple(f"mode {mode.value}" for mode in Mode)
FEATURES = (*ALIKE, *FEATURES_OF_VALUES, *FEATURES_OF_MODES)
BLANKS = tuple(
    {f"{cause.value} {what}": value for what, value in _UNTRIED.items()}
    for cause in TRIED
    if cause is not Cause.TRAINING_SETUP
)
"""What is said of each repair that a finding may have been told without; training on can always be tried."""
AT_ONCE = tuple(cause for cause in TRIED if cause is not Cause.TRAINING_SETUP)
"""Causes of which a slice can have two at once: what is wrong with its rows. Training and size are those of the whole
model, and one of them stands in for the other."""
NO_MODES: Mapping[str, float] = MappingProxyType({})
_LENGTH = 0.1
"""Length of a small training, as a share of an arm's, that what a longer one closes is written as."""
_LEAST_LENGTH = 0.02
_MOST_SURE = 0.99


def features_of(
    values: Mapping[str, float], made: Sequence[Experiment], modes: Mapping[str, float] = NO_MODES
) -> dict[str, float]:
    """Readings and values of a finding's evidence, what the repairs that were tried did, and how its items fail."""
    found = evidence_features(values)
    found |= {f"mode {mode.value}": modes.get(mode.value, 0.0) for mode in Mode if modes}
    by_cause = {one.cause: one for one in made}
    for cause in TRIED:
        one = by_cause.get(cause)
        said = _UNTRIED if one is None else {"works": _log_odds(one.works), "closes": _at_tenth(one), "untried": 0.0}
        found |= {f"{cause.value} {what}": value for what, value in said.items()}
    return found


def after_trials(
    values: Mapping[str, float],
    by_rule: Mapping[Cause, float],
    made: Sequence[Experiment],
    model: CauseForest | None = None,
    modes: Mapping[str, float] = NO_MODES,
) -> Mapping[Cause, float]:
    """Probability of each cause, sum 1; where none reaches `MIN_CONFIDENCE`, `unknown` comes first.

    Args:
        values: Values of the tests that were made.
        by_rule: Probabilities as they follow from the definitions (`settled`), for what is unlike all that was fitted,
            or has a cause that nothing had that was.
        made: Experiments, at least one.
        model: Forest to ask in place of the one in `fitted/trials.json`.
        modes: Share of the failed items in each failure mode; empty where it is not known.
    """
    model = load_trials_model() if model is None else model
    features = features_of(values, made, modes)
    if model.is_far(features) or max(by_rule, key=lambda cause: by_rule[cause]) not in {*model.causes, Cause.UNKNOWN}:
        return by_rule
    shares = model.capped(model.probabilities(features, by_rule))
    return shares if max(shares.values()) >= MIN_CONFIDENCE else unnamed(shares)


def also_true(
    values: Mapping[str, float],
    causes: Mapping[Cause, float],
    made: Sequence[Experiment],
    model: CauseForest | None = None,
    modes: Mapping[str, float] = NO_MODES,
) -> tuple[Cause, ...]:
    """Causes that are true at once with the most probable one, in the order of `Cause`.

    Probabilities of causes that exclude each other say nothing of a slice that has few rows, half of them wrong, and
    neither does what one repair did: right rows help against wrong ones as well, and leaving the wrong ones out does
    little where few are left. The forest has seen such slices, as half an example of either cause. So a cause is true,
    too, where it has as many votes as the second cause of such a slice mostly has (`CauseForest.at_once`).

    Args:
        values: Values of the tests that were made.
        causes: Probability of each cause, as `after_trials` gives them.
        made: Experiments, at least one.
        model: Forest to ask in place of the one in `fitted/trials.json`.
        modes: Share of the failed items in each failure mode; empty where it is not known.
    """
    model = load_trials_model() if model is None else model
    features, first = features_of(values, made, modes), max(causes, key=lambda cause: causes[cause])
    if first not in AT_ONCE or model.is_far(features):
        return ()
    votes = model.votes(features)
    return tuple(cause for cause in AT_ONCE if cause is not first and votes.get(cause, 0.0) >= model.at_once)


@cache
def load_trials_model() -> CauseForest:
    """The forest of `fitted/trials.json`."""
    return read_trials_model(json.loads(TRIALS_FILE.read_text()))


def read_trials_model(stored: Mapping[str, Any]) -> CauseForest:
    """Grow the forest that `scripts/fit_causes.py` wrote."""
    return read_forest(stored, FEATURES, ALIKE, BLANKS)


def _log_odds(works: float) -> float:
    """Log-odds that a repair works, as a share of the largest that is told apart."""
    share = float(np.clip(works, 1 - _MOST_SURE, _MOST_SURE))
    return float(np.log(share / (1 - share)) / np.log(_MOST_SURE / (1 - _MOST_SURE)))


def _at_tenth(one: Experiment) -> float:
    """Share of the gap that the repair closes in a tenth of an arm's tokens, at the same rate; at least -1."""
    closed = float(np.clip(one.effect.mean, -1.0, 0.999))
    return float(1 - (1 - closed) ** (_LENGTH / max(one.length, _LEAST_LENGTH)))
