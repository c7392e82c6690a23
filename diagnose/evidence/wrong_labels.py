"""How many of a slice's labels are wrong, and which rows may leave or be relabelled for it.

The bar is what the classifier denies where labels are right: the golds of probe items of the same slice. A row with a
right label and such an item are exchangeable, so how far rows are denied beyond items is counted exactly, whatever
the classifier is worth (conformal tests of outliers, Bates et al. 2023, arXiv 2104.08279): one that cannot do the task
denies golds as often as rows. Where items are easier than rows in general, the rest of the corpus tells by how much,
and that much is taken off. No cost beside the classifier's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from diagnose.evidence.label_doubts import Doubts, LabelDoubts

LEAST_WRONG = 0.9
"""Of the rows that leave; as many of the new labels are right."""
LEVEL = 0.01
"""How often a bound on the rows that leave, or on their new labels, may not hold: a right row that leaves is harm, and
one that stays only a fix that was not made."""
SLICE_LEVEL = 0.005
"""How often the bound on a slice's share of wrong labels may not hold: a diagnosis asks of some ten slices."""


@dataclass(frozen=True, slots=True)
class Sides:
    """A slice and the rest, on the side of the rows and on that of the items with known golds."""

    rows: Doubts
    items: Doubts
    other_rows: Doubts
    other_items: Doubts


@dataclass(frozen=True, slots=True)
class Denied:
    """How often labels are denied."""

    rows: float
    """Share of the slice's rows."""
    items: float
    """Share of the golds of its items."""
    elsewhere: float
    """Share of the other rows; 0 without any."""
    wrong: float
    """At least this share of the slice's labels is wrong: what is denied beyond what chance denies to right ones; 0
    where nothing is shown."""


def sides(doubts: LabelDoubts, rows_inside: NDArray[np.bool_], items_inside: NDArray[np.bool_]) -> Sides:
    """Arguments over all rows and items asked."""
    rows, items = rows_inside[doubts.rows.places], items_inside[doubts.items.places]
    return Sides(
        rows=doubts.rows.where(rows),
        items=doubts.items.where(items),
        other_rows=doubts.rows.where(~rows),
        other_items=doubts.items.where(~items),
    )


def denied_shares(asked: Sides) -> Denied | None:
    """None where the slice has no row, or no item with a known gold."""
    if not len(asked.rows) or not len(asked.items):
        return None
    num_denied = int(asked.rows.is_denied.sum())
    wrong = num_denied - _most_right(asked, 0.0, SLICE_LEVEL)
    return Denied(
        rows=num_denied / len(asked.rows),
        items=float(asked.items.is_denied.mean()),
        elsewhere=float(asked.other_rows.is_denied.mean()) if len(asked.other_rows) else 0.0,
        wrong=wrong / len(asked.rows),
    )


@dataclass(frozen=True, slots=True)
class Leaving:
    """Rows of the slice of whose labels at least nine in ten are wrong."""

    rows: NDArray[np.bool_]
    """[num_rows]"""
    cut: float
    """They are doubted more than this."""


def leaving(asked: Sides) -> Leaving:
    """None where so many wrong ones cannot be shown.

    Rows that are doubted more than the most doubted gold come first; from there the cut goes down from gold to gold as
    long as the bound holds: tests in a fixed order, so to look at many cuts has no price.
    """
    found = Leaving(np.zeros(len(asked.rows), bool), np.inf)
    for doubt in np.sort(asked.items.doubt)[::-1].tolist():
        cut = max(doubt, 0.0)
        beyond = asked.rows.doubt > cut
        if not beyond.any() or _most_right(asked, cut, LEVEL) > (1 - LEAST_WRONG) * beyond.sum():
            break
        found = Leaving(beyond, cut)
        if doubt <= 0:
            break
    return found


def relabelled(asked: Sides, found: Leaving, sure: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of the rows that leave those whose most probable label is right in at least nine in ten, [num_rows]: all of them,
    else those of which the classifier is sure, as it is right of the golds of which it is as sure.

    Args:
        sure: Probability of each label from which the classifier is sure of it, [num_labels].
    """
    if not found.rows.any():
        return found.rows
    level = LEVEL / 3  # three bounds hold together
    most_right = _most_right(asked, found.cut, level)
    rows_sure, items_sure = (_is_sure(part, sure) for part in (asked.rows, asked.items))
    for chosen, golds in ((found.rows, asked.items), (found.rows & rows_sure, asked.items.where(items_sure))):
        num, agreed = int(chosen.sum()), int((golds.best == golds.given).sum())
        agreement = float(stats.beta.ppf(level, agreed, len(golds) - agreed + 1)) if agreed else 0.0
        right_before = min(most_right, num)
        if num and right_before + (1 - agreement) * (num - right_before) <= (1 - LEAST_WRONG) * num:
            return chosen
    return np.zeros(len(asked.rows), bool)


def surely(doubts: Doubts) -> NDArray[np.float64]:
    """Probability of each label, in the mean over texts that have it (Northcutt et al. 2021, equation 2)."""
    num_labels = doubts.probability.shape[1]
    of_label = [doubts.of_given[doubts.given == label] for label in range(num_labels)]
    return np.array([own.mean() if len(own) else np.inf for own in of_label])


def _is_sure(doubts: Doubts, sure: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(doubts.probability[np.arange(len(doubts)), doubts.best] >= sure[doubts.best])


def _most_right(asked: Sides, cut: float, level: float) -> float:
    """At most so many of the slice's rows that are doubted beyond the cut have a right label."""
    num_beyond, above = int((asked.rows.doubt > cut).sum()), int((asked.items.doubt > cut).sum())
    num_right = right_beyond(len(asked.rows), above, len(asked.items), level)
    if len(asked.other_rows) and len(asked.other_items):
        shift = float((asked.other_rows.doubt > cut).mean() - (asked.other_items.doubt > cut).mean())
        num_right += max(shift, 0.0) * len(asked.rows)
    return min(num_right, num_beyond)


def right_beyond(num_rows: int, above: int, num_items: int, level: float) -> float:
    """Were the labels of all rows right, so many would be beyond a cut at most, but for a share `level` of cases.

    Rows and items are then in random order, and rows before the next item negative hypergeometric. Wrong labels take
    none of the right ones away, and may fall on those that are easy to tell: they are not counted off.

    Args:
        above: Items beyond the cut; the cut is at or above the next one.
    """
    if above >= num_items:
        return num_rows
    return float(stats.nhypergeom.ppf(1 - level, num_items + num_rows, num_rows, above + 1))
