"""Readings of a finding's evidence: what the tests found, as the share of failures that each explains.

Twelve readings, each in [0, 1], of numbers that mean the same in every corpus. Some values of the tests say more as
they are; causes are told by both (`diagnose.finding.causes`).
"""

from collections.abc import Mapping

import numpy as np

from diagnose.finding.evidence import SETTLED
from diagnose.finding.finding import Cause

FEW_ROWS = 100
"""Number of rows at which the reading `few_rows` is one half: about as many as a small model learns a skill from."""
MUCH_WRONG = 0.2
"""Share of wrong labels in a slice that counts as a full explanation of its failures."""

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

VALUES = (
    "against",
    "agreement",
    "among_passing",
    "beyond",
    "denied",
    "denied_elsewhere",
    "denied_failed",
    "denied_items",
    "distinct_share",
    "falling",
    "gold_against",
    "learnt",
    "learnt_elsewhere",
    "nearness",
    "scarcity",
    "sure",
)
"""Values of the evidence as they are. Numbers that are as large as a corpus or its training are left out: they tell
worlds of one size apart, and mean nothing elsewhere."""
FEATURES_OF_VALUES = tuple(f"value of {name}" for name in VALUES)
EVIDENCE_FEATURES = (*READINGS, *FEATURES_OF_VALUES)

_CHECKS = (
    ("setup", Cause.TRAINING_SETUP),
    ("form", Cause.FORMAT),
    ("cue", Cause.SHORTCUT),
    ("wrong", Cause.WRONG_LABELS),
)
"""Readings of checks that show a cause by themselves: batches, answers in another form, cues that were edited, labels
that a classifier which has not seen them denies. What of these leaves nothing to try is another matter
(`diagnose.finding.open_causes`): rows leave after a trial only, whoever denies their labels."""


def evidence_features(values: Mapping[str, float]) -> dict[str, float]:
    """Readings and values that the tests allow, by their names in `EVIDENCE_FEATURES`."""
    return readings_of(values) | {f"value of {name}": values[name] for name in VALUES if name in values}


def shown_by_check(values: Mapping[str, float]) -> dict[Cause, float]:
    """The cause that a check shows by itself, and the share of the failures that it explains, at least `SETTLED`; of
    several the first, which explains the others away. Empty where none does."""
    readings = readings_of(values)
    for name, cause in _CHECKS:
        if readings.get(name, 0.0) >= SETTLED:
            return {cause: readings[name]}
    return {}


def readings_of(values: Mapping[str, float]) -> dict[str, float]:
    """Compute the readings that the tests allow, in [0, 1]."""
    found: dict[str, float] = {}

    def put(name: str, *terms: float | None) -> None:
        known = [term for term in terms if term is not None]
        if known:
            found[name] = float(np.clip(max(known), 0, 1))

    never_ends = values["runs_on"] * (1 - values["ends"]) if {"runs_on", "ends"} <= values.keys() else None
    put("setup", values.get("end_masked"), values.get("without_loss"), values.get("truncated"), never_ends)
    put("form", values.get("mapped"), values.get("reprompted"), values.get("wrapped"))
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
