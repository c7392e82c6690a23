"""Rules that settings of several components share."""

from difflib import get_close_matches


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise a ValueError that offers the nearest of the allowed values."""
    if value not in allowed:
        near = get_close_matches(value, allowed, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"{key} must be one of {', '.join(allowed)}, got '{value}'{hint}")


def positive(key: str, value: float | None) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{key} must be positive, got {value}")
