"""Show the table of slices, data on one side and behaviour on the other, with cells shaded by column."""

from dataclasses import dataclass

from controller.results.diagnosis_json import ProfileRecord, ProfilesRecord
from controller.results.page.words import numbers
from diagnose.finding.finding import FeatureWeight

NAMES = {
    "rows": "share of rows",
    "length": "words",
    "rarity": "rarity",
    "loss": "loss",
    "copies": "copies",
    "disagreement": "against",
}
"""Title of each feature's column, in order."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    shade: float
    """Place of the value in the column's range, in [0, 1]."""


def cells(profile: ProfileRecord, found: ProfilesRecord) -> list[Cell]:
    """Cells of a slice, in the order of `NAMES`."""
    return [_cell(profile, name, found) for name in NAMES]


def weights(found: ProfilesRecord) -> list[FeatureWeight]:
    """Weights in the order of `NAMES`."""
    by_name = {one.feature: one for one in found.weights}
    return [by_name[name] for name in NAMES if name in by_name]


def _cell(profile: ProfileRecord, name: str, found: ProfilesRecord) -> Cell:
    value = profile.features.get(name)
    if value is None:
        return Cell("", 0.0)
    column = [other.features[name] for other in found.profiles if name in other.features]
    low, high = min(column), max(column)
    shade = (value - low) / (high - low) if high > low else 0.0
    return Cell(_text(name, value), shade)


def _text(name: str, value: float) -> str:
    if name == "rows":
        return numbers.percent(10**value)
    if name in ("copies", "disagreement"):
        return numbers.percent(value)
    return f"{value:.1f}" if name in ("length", "rarity") else numbers.number(value)
