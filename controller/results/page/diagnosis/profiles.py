"""Show the table of slices, data on one side and behaviour on the other, with cells shaded by column."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.results.diagnosis_json import ProfileRecord, ProfilesRecord
from controller.results.page import words

_NAMES = {
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


@dataclass(frozen=True, slots=True)
class ProfileRow:
    slice: Mapping[str, str]
    num_items: int
    failure_rate: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class WeightCell:
    weight: float
    ci: tuple[float, float]
    is_open: bool
    """Whether the interval contains 0."""


@dataclass(frozen=True, slots=True)
class ProfilesView:
    names: tuple[str, ...]
    rows: tuple[ProfileRow, ...]
    weights: tuple[WeightCell, ...]
    explained: float


def profiles_view(found: ProfilesRecord | None) -> ProfilesView | None:
    """Lay out the table; None where there is nothing to show."""
    if found is None or len(found.profiles) < 2:
        return None
    weights = {one.feature: one for one in found.weights}
    return ProfilesView(
        names=tuple(_NAMES.values()),
        rows=tuple(
            ProfileRow(
                profile.slice,
                profile.num_items,
                profile.failure_rate,
                tuple(_cell(profile, name, found) for name in _NAMES),
            )
            for profile in found.profiles
        ),
        weights=tuple(
            WeightCell(weights[name].weight, weights[name].ci, weights[name].ci[0] <= 0 <= weights[name].ci[1])
            for name in _NAMES
            if name in weights
        ),
        explained=found.explained or 0.0,
    )


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
        return words.percent(10**value)
    if name in ("copies", "disagreement"):
        return words.percent(value)
    return f"{value:.1f}" if name in ("length", "rarity") else words.number(value)
