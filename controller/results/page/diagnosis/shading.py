"""Shade the words of a failing item's prompt by how much the model relied on them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.results.page.words.numbers import percent, signed
from controller.results.page.words.texts import excerpt_ends, left_out
from diagnose.finding.finding import FailedItem


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    tone: str = ""
    """Style: `for` or `against` the gold answer; empty where nothing is shaded."""
    strength: float = 0.0
    """Strength of the shading, in (0, 1], as a fraction of the item's largest share; 0 for none."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    share: float
    """Signed share, positive for the gold answer."""


def shaded(item: FailedItem) -> list[Piece]:
    """Shade start and end of the prompt, cut as `words.excerpt` cuts it."""
    sign = -1 if item.has_rival else 1
    places = re.finditer(r"\S+", item.prompt) if item.leaned_on else ()
    words = [
        _Word(place.start(), place.end(), sign * share)
        for place, (_, share) in zip(places, item.leaned_on, strict=True)
    ]
    head, tail = excerpt_ends(item.prompt)
    pieces = list(_pieces(item.prompt, words, 0, head))
    if tail > head:
        hidden = sum(abs(word.share) for word in words if head <= word.start and word.end <= tail)
        pieces.append(Piece(left_out(tail - head, f", {percent(hidden)} of the shading with them" if hidden else "")))
        pieces += _pieces(item.prompt, words, tail, len(item.prompt))
    return pieces


def leaned_how(items: Sequence[FailedItem]) -> str:
    """Say how the words of these items were attributed, in brackets."""
    says = {
        "integrated_gradients": "integrated gradients, Sundararajan et al. 2017, arXiv 1703.01365",
        "occlusion": "what the answer loses without them; integrated gradients do not add up for this model",
    }
    methods = dict.fromkeys(item.leaned_by or "integrated_gradients" for item in items if item.leaned_on)
    return "; ".join(says[method] for method in methods)


def _pieces(text: str, words: Sequence[_Word], start: int, end: int) -> Iterator[Piece]:
    """Yield all of the text from `start` to `end`."""
    largest = max((abs(word.share) for word in words), default=0.0)
    at = start
    for word in words:
        if word.share == 0 or word.end <= start or word.start >= end:
            continue
        if word.start > at:
            yield Piece(text[at : word.start])
        stop = min(word.end, end)
        tone = "for" if word.share > 0 else "against"
        yield Piece(text[max(at, word.start) : stop], tone, abs(word.share) / largest, signed(word.share))
        at = stop
    if at < end:
        yield Piece(text[at:end])
