"""Text of models, rows and files as it is told: nothing in it moves a terminal, or hides or turns what is beside it."""

import math
import re
from typing import Any

LONGEST = 8000
"""Most characters of one text."""
DEEPEST = 40
"""Deepest nesting of a value; what is deeper is left out, as no file of a run has it."""

_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]",
)


def plain(text: str) -> str:
    """The text with signs that are commands replaced by pictures of them, and its end cut off where it is too long."""
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} [... {len(text) - LONGEST} characters more]"
    return neutral(cut)


def neutral(text: str) -> str:
    """The text with signs that are commands replaced by pictures of them."""
    return _COMMANDS.sub(_picture, text)


def plain_json(value: Any, depth: int = 0) -> Any:
    """A JSON value with all its texts plain, and numbers that JSON has no form for left out as null."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= DEEPEST:
        return None
    if isinstance(value, dict):
        return {plain(str(key)): plain_json(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one, depth + 1) for one in value]
    return value


def _picture(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x20:
        return chr(0x2400 + number)
    return "\u2421" if number == 0x7F else "\ufffd"
