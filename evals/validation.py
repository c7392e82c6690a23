"""Rules that settings of several components share."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

FREE: Mapping[str, bool] = MappingProxyType({"determines": False})
"""Metadata of a dataclass field that does not change what is computed: where files lie, how they are shown."""


def counted(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass object that determine what is computed, by name."""
    fields = dataclasses.fields(value)
    return {one.name: getattr(value, one.name) for one in fields if one.metadata.get("determines", True)}


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise a ValueError that offers the nearest of the allowed values where `value` is none of them."""
    if value not in allowed:
        near = get_close_matches(value, allowed, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"{key} must be one of {', '.join(allowed)}, got '{value}'{hint}")


def check_doses(key: str, doses: Sequence[float]) -> None:
    """Raise a ValueError where multiples are not distinct, positive and finite, or hold 1, the fix itself."""
    listed = f"[{', '.join(f'{dose:g}' for dose in doses)}]"
    if bad := [dose for dose in doses if not 0 < dose < math.inf]:
        raise ValueError(
            f"{key} must be positive and finite, got {bad[0]:g} in {listed}; each is a multiple of the rows that the "
            f"fix adds, as in {key}=[0.5,2]"
        )
    if 1 in doses:
        raise ValueError(
            f"{key} must not hold 1, got {listed}; the fix itself is that point and always on the curve: leave it out"
        )
    if twice := [dose for place, dose in enumerate(doses) if dose in doses[:place]]:
        raise ValueError(
            f"{key} must be distinct, got {twice[0]:g} twice in {listed}; more trainings of a dose are verify.seeds"
        )


def positive(key: str, value: float | None) -> None:
    """Raise a ValueError for a number that is not above 0 and finite; None stands for unset."""
    if value is not None and not 0 < value < math.inf:
        raise ValueError(f"{key} must be {'positive' if value <= 0 else 'finite'}, got {value}")


def not_negative(key: str, value: float) -> None:
    """Raise a ValueError for a number that is below 0 or not finite."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{key} must {'not be negative' if value < 0 else 'be finite'}, got {value}")


def first_line(error: BaseException) -> str:
    """First line of what an error says that is not blank; the name of its class where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
