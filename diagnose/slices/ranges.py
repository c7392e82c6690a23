"""Ranges of numbers as text, the same for items and training rows: `3 to 7`, `12 or more`, `2.5 or less`.

Both ends belong to the range. Numbers are text here as in tables: those of a CSV file and those of JSON are alike.
"""

import math
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_IS_NUMBER = re.compile(_NUMBER)
_IS_RANGE = re.compile(rf"({_NUMBER}) (?:to ({_NUMBER})|or (more|less))")


def number(text: str) -> float:
    """Parse a number; NaN if the text is none, as `nan`, `inf` and `1_000`."""
    return float(text) if _IS_NUMBER.fullmatch(text) else math.nan


def numbers(column: Iterable[str | None]) -> NDArray[np.float64]:
    """Parse each value; NaN where it is no number."""
    known: dict[str | None, float] = {None: math.nan}
    return np.array([known[text] if text in known else known.setdefault(text, number(text or "")) for text in column])


def bounds(value: str) -> tuple[float, float] | None:
    """Lowest and highest number of a range; None if the text is no range."""
    found = _IS_RANGE.fullmatch(value)
    if found is None:
        return None
    first, last, side = found.groups()
    if side is not None:
        return (float(first), math.inf) if side == "more" else (-math.inf, float(first))
    return float(first), float(last)


def described(values: NDArray[np.float64], first: int, last: int) -> str:
    """Describe the range of `values[first]` to `values[last]`, in the roundest numbers that exclude all others.

    Args:
        values: Distinct and ascending; not all of them are in the range.
    """
    low, high = values[first], values[last]
    if first == 0:
        return f"{_roundest(high, values[last + 1], np.ceil)} or less"
    if last == len(values) - 1:
        return f"{_roundest(low, values[first - 1], np.floor)} or more"
    if first == last:
        return f"{_exact(low)} to {_exact(high)}"
    return f"{_roundest(low, values[first - 1], np.floor)} to {_roundest(high, values[last + 1], np.ceil)}"


def _roundest(own: float, other: float, rounded: np.ufunc) -> str:
    """Number with the fewest decimals from `own` up to, but without, the next value outside."""
    if own == int(own):
        return _exact(own)
    for digits in range(17):
        text = f"{rounded(own * 10**digits) / 10**digits:.{digits}f}"
        if min(own, other) <= float(text) <= max(own, other) and float(text) != other:
            return text
    return _exact(own)


def _exact(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
