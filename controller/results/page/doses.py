"""The dose curve as a picture, score over added rows, and whether less would have done or more does more, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.results.loop_json import DosePoint
from controller.results.page.pictures import LogAxis, PlacedPoint, Tick, scale_over
from controller.results.page.words import interval, number

_WIDE = 8
"""Factor between the most and the fewest rows from which on their axis is logarithmic."""
_MARGIN = 1.5
"""Factor that a logarithmic axis reaches beyond the points."""


@dataclass(frozen=True, slots=True)
class DosesView:
    points: tuple[DosePoint, ...]
    marks: tuple[PlacedPoint, ...]
    """`after` is the fix, `control` the others; intervals of the score."""
    across: tuple[Tick, ...]
    """Rows."""
    up: tuple[Tick, ...]
    """Scores; 100 - at from the top."""
    is_log: bool
    guards: tuple[str, ...]
    told: str


def doses_view(points: Sequence[DosePoint]) -> DosesView | None:
    """None without a curve."""
    if not points:
        return None
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
        points=tuple(points),
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
        guards=tuple(points[0].guards),
        told=told(points),
    )


def told(points: Sequence[DosePoint]) -> str:
    """Whether less would have done, and whether more does more, as far as the intervals tell."""
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
    """Neither score lies in the interval of the other."""
    return point.ci[1] < other.score and point.score < other.ci[0]


def _scored(point: DosePoint) -> str:
    rows = "row scores" if point.num_added == 1 else "rows score"
    return f"{point.num_added:,} {rows} {number(point.score)} {interval(*point.ci)}"
