"""Compute probabilities of causes from evidence.

A forest (`diagnose.finding.fitted.forest`) tells them by readings and values of the evidence. It grows from findings of
the proving ground with planted defects, in worlds and seeds apart from those that it is tested on, which
`scripts/fit_causes.py` leaves in `fitted/evidence.json`. Its votes are pooled with what a check shows by itself. Below
`MIN_CONFIDENCE` the cause is `unknown`, and an experiment that would decide is named; so it is where the readings are
far from everything that was fitted.
"""

import json
from collections.abc import Mapping
from functools import cache

from diagnose.finding.finding import LEAD, Cause
from diagnose.finding.fitted.forest import EVIDENCE_FILE, CauseForest, read_forest
from diagnose.finding.readings import EVIDENCE_FEATURES, READINGS, evidence_features, shown_by_check

MIN_CONFIDENCE = 0.5
"""Probability that the most probable cause must reach to be named."""
LARGEST_FAIR_SHARE = 0.5
"""Largest fair share of the training rows: half is as much as one could ask for, even where all items are failing."""
EXPERIMENTS = {
    Cause.TRAINING_SETUP: "train on the same data twice as long and measure again",
    Cause.FORMAT: "ask the failed items under the training data's form of prompt, or with another extractor",
    Cause.WRONG_GOLD: "have a person look at the failed items' gold answers",
    Cause.WRONG_LABELS: "have a person look at the rows that attribution calls harmful, or train without them",
    Cause.SHORTCUT: "ask the failed items again without the words that the model leans on",
    Cause.DUPLICATES: "train once on the corpus with each row once",
    Cause.UNDERWEIGHTED: "train on with the slice's rows at a fair share of the draws (interventions=reweight)",
    Cause.MISSING_DATA: "train on with new rows of the slice (interventions=retrieve)",
    Cause.CAPACITY: "train a model of twice the width on the same data",
}
"""Cheapest experiment that tests each cause."""
SEEN_IN_ANSWERS = (Cause.FORMAT, Cause.WRONG_GOLD)
"""Causes that are seen in a model's answers, whatever it was trained on."""
NO_LEAD = "have a person look at the failed items beside the rows nearest to them"


def cause_probabilities(
    values: Mapping[str, float], is_training_data: bool = True, model: CauseForest | None = None
) -> Mapping[Cause, float]:
    """Compute the probability of each cause, sum 1; where none reaches `MIN_CONFIDENCE`, `unknown` gets that much.

    Args:
        values: Values of the tests that were made (`diagnose.evidence`); without any, `unknown` has probability 1.
        is_training_data: Whether the model is known to have been trained on the corpus. If not, only what is seen in
            its answers alone is a cause; the probability of all others is that of `unknown`.
        model: Forest to ask in place of the one in `fitted/evidence.json`.
    """
    found = _probabilities(values, load_cause_model() if model is None else model)
    if is_training_data:
        return found
    kept = {cause: found.get(cause, 0.0) for cause in SEEN_IN_ANSWERS}
    return kept | {Cause.UNKNOWN: 1 - sum(kept.values())}


def _probabilities(values: Mapping[str, float], model: CauseForest) -> Mapping[Cause, float]:
    features, shown = evidence_features(values), shown_by_check(values)
    if not features:
        return {Cause.UNKNOWN: 1.0}
    found = model.probabilities(features, shown)
    if max(found, key=lambda cause: found[cause]) not in shown:
        found = unnamed(found) if model.is_far(features) else model.capped(found)
    return found if max(found.values()) >= MIN_CONFIDENCE else unnamed(found)


def unnamed(causes: Mapping[Cause, float]) -> dict[Cause, float]:
    """Set so much aside that `unknown` comes first; the order of the others stays."""
    others = 1 - causes.get(Cause.UNKNOWN, 0.0)
    shares = {cause: share * (1 - MIN_CONFIDENCE) / others for cause, share in causes.items()}
    return shares | {Cause.UNKNOWN: MIN_CONFIDENCE}


def is_unlike(values: Mapping[str, float]) -> bool:
    """Whether no check shows the cause and the evidence is unlike everything that probabilities were fitted on."""
    features = evidence_features(values)
    return bool(features) and not shown_by_check(values) and load_cause_model().is_far(features)


def would_decide(causes: Mapping[Cause, float]) -> str:
    """Name the cheapest experiment that tests the most probable cause; empty for contamination, which is seen in the
    data."""
    if causes.get(Cause.CONTAMINATION):
        return ""
    likeliest = max(EXPERIMENTS, key=lambda cause: causes.get(cause, 0.0))
    return EXPERIMENTS[likeliest] if causes.get(likeliest, 0.0) >= LEAD else NO_LEAD


def fair_share(item_share: float, num_siblings: int | None) -> float:
    """Compute a slice's fair share of the training rows: at most its share of items, 1 / num_siblings and half.

    Args:
        item_share: The slice's share of the evaluation items, guards included.
        num_siblings: Number of values of the field that names the slice, this one included; None for slices of text.
    """
    shares = [item_share, LARGEST_FAIR_SHARE]
    if num_siblings is not None and num_siblings > 1:
        shares.append(1 / num_siblings)
    return min(shares)


@cache
def load_cause_model() -> CauseForest:
    """The forest of `fitted/evidence.json`."""
    return read_forest(json.loads(EVIDENCE_FILE.read_text()), EVIDENCE_FEATURES, READINGS)
