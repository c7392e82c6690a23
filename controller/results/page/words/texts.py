"""Texts: what is left out of long ones, lists and sentences."""

from collections.abc import Sequence

_MOST_CHARACTERS = 700
"""Most characters of a text that is shown whole."""


def excerpt(text: str) -> str:
    """Keep start and end of a long text; the question of a few-shot prompt is at the end."""
    head, tail = excerpt_ends(text)
    return text if head == tail else f"{text[:head]}{left_out(tail - head)}{text[tail:]}"


def excerpt_ends(text: str) -> tuple[int, int]:
    """Begin and end of the part that is left out."""
    if len(text) <= _MOST_CHARACTERS:
        return len(text), len(text)
    head = _MOST_CHARACTERS // 3
    return head, len(text) - (_MOST_CHARACTERS - head)


def left_out(num_characters: int, more: str = "") -> str:
    return f"\n… {num_characters:,} characters left out{more} …\n"


def listed(names: Sequence[str]) -> str:
    """Join names, at least one, with commas and a last "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: str) -> str:
    """Write a text with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")
