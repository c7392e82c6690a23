"""Show the dose curve, score over added rows, and say whether fewer rows would have done or more do more."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.results.page.pictures.marks import LogAxis, PlacedPoint, Tick, scale_over
from controller.results.page.words.numbers import interval, number
from controller.results.verdict_json import DosePoint

_WIDE = 8
"""Ratio of the most to the fewest rows from which their axis is logarithmic."""
_MARGIN = 1.5
"""Factor by which a logarithmic axis extends beyond the points."""


@dataclass(frozen=True, slots=True)
class DosesView:
    marks: tuple[PlacedPoint, ...]
    """Points with intervals of the score: `after` is the fix, `control` the others."""
    across: tuple[Tick, ...]
    """Ticks of the axis of rows."""
    up: tuple[Tick, ...]
    """Ticks of the axis of scores; a place from the top is 100 - at."""
    is_log: bool


def doses_view(points: Sequence[DosePoint]) -> DosesView:
    """Lay out the dose curve."""
    rows = [point.num_added for point in points]
    is_log = max(rows) >= _WIDE * min(rows)
    scores = scale_over(value for point in points for value in (*point.ci, point.score))
    if is_log:
        axis = LogAxis(min(rows) / _MARGIN, max(rows) * _MARGIN)
        places, across = [axis.at(count) for count in rows], axis.ticks()
    else:
        scale = scale_over([0, *rows])
        places, across = [scale.at(count) for count in rows], scale.ticks(is_signed=False)
    return DosesView(
        marks=tuple(
            PlacedPoint(
                kind="after" if point.dose == 1 else "control",
                x=place,
                y=100 - scores.at(point.score),
                low=100 - scores.at(point.ci[0]),
                high=100 - scores.at(point.ci[1]),
                title=f"{'the fix, ' if point.dose == 1 else ''}{_scored(point)}",
            )
            for point, place in zip(points, places, strict=True)
        ),
        across=across,
        up=scores.ticks(is_signed=False),
        is_log=is_log,
    )


def dose_summary(points: Sequence[DosePoint]) -> str:
    """Say whether fewer rows would have done, and whether more do more, as far as the intervals show."""
    (fix,) = [point for point in points if point.dose == 1]
    less, more = [p for p in points if p.dose < 1], [p for p in points if p.dose > 1]
    parts = []
    if less:
        enough = less[-1]
        for point in reversed(less):
            if _is_below(point, fix):
                break
            enough = point
        if _is_below(enough, fix):
            parts.append(f"Less would not have done: {_scored(enough)}, the fix’s {_scored(fix)}.")
        else:
            parts.append(f"Less may have done: {_scored(enough)}, not told apart from the fix’s, {_scored(fix)}.")
    if more:
        best = max(more, key=lambda point: point.score)
        if _is_below(fix, best):
            parts.append(f"More does more: {_scored(best)}.")
        elif _is_below(more[-1], fix):
            parts.append(f"More does worse: {_scored(more[-1])}.")
        else:
            parts.append(f"More is not shown to do more: {_scored(more[-1])}.")
    return " ".join(parts)


def _is_below(point: DosePoint, other: DosePoint) -> bool:
    """Whether a score is below the other, and neither lies in the interval of the other."""
    return point.ci[1] < other.score and point.score < other.ci[0]


def _scored(point: DosePoint) -> str:
    rows = "row scores" if point.num_added == 1 else "rows score"
    return f"{point.num_added:,} {rows} {number(point.score)} {interval(*point.ci)}"
