"""Compute probabilities of causes from evidence.

A multinomial logistic regression over twelve readings of the evidence, each in [0, 1] and each the share that one cause
explains. Its coefficients are fitted by `scripts/fit_causes.py` on runs of the proving ground with planted defects, in
worlds and seeds apart from those that it is tested on, and stand in `fitted/evidence.json`. Below `MIN_CONFIDENCE` the
cause is `unknown`, and an experiment that would decide is named; so it is where the readings are far from everything
that was fitted.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from diagnose.finding.evidence import SETTLED
from diagnose.finding.finding import LEAD, Cause
from diagnose.finding.fitted.regression import EVIDENCE_FILE, CauseRegression, read_model

MIN_CONFIDENCE = 0.5
"""Probability that the most probable cause must reach to be named."""
LARGEST_FAIR_SHARE = 0.5
"""Largest fair share of the training rows: half is as much as one could ask for, even where all items are failing."""
FEW_ROWS = 100
"""Number of rows at which the reading `few_rows` is one half: about as many as a small model learns a skill from."""
MUCH_WRONG = 0.2
"""Share of wrong labels in a slice that counts as a full explanation of its failures."""

BEGUN = 0.25
"""Share by which a model foretells its own rows better than the frequencies of their tokens do, below which it cannot
be told whether it is too small or was trained too little. Models that are too small reach .45 to .6; one that learnt
all of its rows in ten times the steps stood at .04, with a higher learning rate at .19."""

READINGS = (
    "setup",
    "form",
    "gold",
    "cue",
    "disagreement",
    "wrong",
    "copies",
    "scarcity",
    "few_rows",
    "unlearnt",
    "unlearnt_elsewhere",
    "unfinished",
)

_EXPLAINING = ("setup", "form", "gold", "cue")
"""Readings that are the share of failures explained, in the order of their causes."""

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
    values: Mapping[str, float], is_training_data: bool = True, model: CauseRegression | None = None
) -> Mapping[Cause, float]:
    """Compute the probability of each cause, sum 1; where none reaches `MIN_CONFIDENCE`, `unknown` gets that much.

    Args:
        values: Values of the tests that were made (`diagnose.evidence`); without any, `unknown` has probability 1.
        is_training_data: Whether the model is known to have been trained on the corpus. If not, only what is seen in
            its answers alone is a cause; the probability of all others is that of `unknown`.
        model: Regression to ask in place of the one in `fitted/evidence.json`.
    """
    found = _probabilities(values, load_cause_model() if model is None else model)
    if is_training_data:
        return found
    kept = {cause: found.get(cause, 0.0) for cause in SEEN_IN_ANSWERS}
    return kept | {Cause.UNKNOWN: 1 - sum(kept.values())}


def _probabilities(values: Mapping[str, float], model: CauseRegression) -> Mapping[Cause, float]:
    readings = readings_of(values)
    if not readings:
        return {Cause.UNKNOWN: 1.0}
    shares = model.probabilities(readings)
    found = dict(zip(model.causes, shares.tolist(), strict=True))
    if values.get("beyond", 1.0) < BEGUN:
        too_small, too_short = found.get(Cause.CAPACITY, 0.0), found.get(Cause.TRAINING_SETUP, 0.0)
        found[Cause.CAPACITY] = min(too_small, (too_small + too_short) / 2)
        found[Cause.TRAINING_SETUP] = max(too_short, (too_small + too_short) / 2)
    first = max(found, key=lambda cause: found[cause])
    if found[first] > model.most and first is not Cause.UNKNOWN and not _is_checked(readings):
        aside = found.get(Cause.UNKNOWN, 0.0) + found[first] - model.most
        found |= {first: model.most, Cause.UNKNOWN: aside}
    is_believed = _is_checked(readings) or not model.is_far(readings)
    if max(found.values()) >= MIN_CONFIDENCE and is_believed:
        return found
    return unnamed(found)


def unnamed(causes: Mapping[Cause, float]) -> dict[Cause, float]:
    """Set so much aside that `unknown` comes first; the order of the others stays."""
    others = 1 - causes.get(Cause.UNKNOWN, 0.0)
    shares = {cause: share * (1 - MIN_CONFIDENCE) / others for cause, share in causes.items()}
    return shares | {Cause.UNKNOWN: MIN_CONFIDENCE}


def is_unlike(values: Mapping[str, float]) -> bool:
    """Whether no check shows the cause and the evidence is unlike everything that probabilities were fitted on."""
    readings = readings_of(values)
    return bool(readings) and not _is_checked(readings) and load_cause_model().is_far(readings)


def _is_checked(readings: Mapping[str, float]) -> bool:
    """Whether a check shows the cause of most failures: batches, answers in another form, cues that were edited, or
    labels that a classifier which has not seen them shows to be wrong."""
    return any(readings.get(name, 0.0) >= SETTLED for name in ("setup", "form", "cue", "wrong"))


def would_decide(causes: Mapping[Cause, float]) -> str:
    """Name the cheapest experiment that tests the most probable cause; empty for contamination, which is seen in the
    data."""
    if causes.get(Cause.CONTAMINATION):
        return ""
    likeliest = max(EXPERIMENTS, key=lambda cause: causes.get(cause, 0.0))
    return EXPERIMENTS[likeliest] if causes.get(likeliest, 0.0) >= LEAD else NO_LEAD


def readings_of(values: Mapping[str, float]) -> dict[str, float]:
    """Compute the readings that the tests allow, in [0, 1]."""
    found: dict[str, float] = {}

    def put(name: str, *terms: float | None) -> None:
        known = [term for term in terms if term is not None]
        if known:
            found[name] = float(np.clip(max(known), 0, 1))

    never_ends = values["runs_on"] * (1 - values["ends"]) if {"runs_on", "ends"} <= values.keys() else None
    put("setup", values.get("end_masked"), values.get("without_loss"), values.get("truncated"), never_ends)
    put("form", values.get("mapped"), values.get("reprompted"))
    # Where answers are labels, a gold that a classifier of the training rows gives too is not the one that is wrong.
    doubted, denied = values.get("doubted"), values.get("denied_failed", 1.0)
    put("gold", None if doubted is None else min(doubted, denied))
    put("cue", values.get("cue_flips"))
    learnt, elsewhere = values.get("learnt"), values.get("learnt_elsewhere")
    put("disagreement", _contradiction(values), values.get("conflicts"))
    put("wrong", values["wrong"] / MUCH_WRONG if "wrong" in values else None)
    put("copies", _crowding(values))
    put("scarcity", values.get("distinct_scarcity"))
    rows = values.get("distinct_rows")
    put("few_rows", None if rows is None else FEW_ROWS / (FEW_ROWS + rows))
    drawn = min(values.get("passes", 1.0), 1.0)
    put("unlearnt", None if learnt is None else drawn - learnt)
    put("unlearnt_elsewhere", None if elsewhere is None else drawn - elsewhere)
    put("unfinished", None if learnt is None else _unfinished(values))
    return _explained_away(found)


def _explained_away(found: dict[str, float]) -> dict[str, float]:
    """Multiply each reading by the share of failures that earlier causes leave: what a wrong setting, another form,
    wrong golds or a cue explain is no evidence of later causes. Prompts of another form have no rows like them, and are
    no missing data; an answer that runs on is mapped by cutting it off."""
    left = 1.0
    left_over: dict[str, float] = {}
    for name in READINGS:
        if name in found:
            left_over[name] = found[name] * left
        if name in _EXPLAINING:
            left = min(left, 1 - found.get(name, 0.0))
    return left_over


def _unfinished(values: Mapping[str, float]) -> float:
    """Degree to which the slice's rows exist but are not learnt, while the corpus's loss was still falling when
    training ended, or rows had not been drawn yet, in [0, 1]. In models that are too small the loss falls by .17 to .29
    of itself between the last two checkpoints, in those stopped early by .48 to .70; in others by more, but they have
    learnt their rows. Of rows that were never drawn it says nothing that a model does not know them."""
    falling = min(max((values.get("falling", 0.0) - 0.3) / 0.15, 0.0), 1.0)
    never_drawn = max(1 - values.get("passes", 1.0), 0.0)
    unlearnt = min(1.0, 4 * (1 - values["learnt"]))
    return max(falling, never_drawn) * unlearnt * (1 - values.get("distinct_scarcity", 0.0))


def _contradiction(values: Mapping[str, float]) -> float | None:
    """Degree to which the slice's rows contradict each other and are not learnt while others are, in [0, 1]; rows that
    are all learnt do not contradict each other, whatever their effects."""
    if not {"against", "learnt", "learnt_elsewhere"} <= values.keys():
        return None
    unlearnt = min(1.0, 4 * (1 - values["learnt"])) * values["learnt_elsewhere"]
    return min(1.0, 2 * values["against"]) * unlearnt


def _crowding(values: Mapping[str, float]) -> float | None:
    """Degree to which copies explain that the slice is not learnt: they crowd its rows out, or are its rows."""
    copies = values.get("copies")
    if copies is None or "scarcity" not in values:
        return copies
    crowded_out = values["scarcity"] - values["distinct_scarcity"]
    return copies * max(crowded_out, values["own_copies"])


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
def load_cause_model() -> CauseRegression:
    return read_cause_model(json.loads(EVIDENCE_FILE.read_text()))


def read_cause_model(stored: Mapping[str, Any]) -> CauseRegression:
    """Read what `scripts/fit_causes.py` wrote of the evidence alone."""
    return read_model(stored, READINGS)
