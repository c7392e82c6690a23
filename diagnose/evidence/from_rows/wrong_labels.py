"""Estimate how many of a slice's labels are wrong, and which rows may leave or be relabelled for it.

The baseline is how often the classifier denies right labels: the golds of probe items of the same slice. A row with a
right label and such an item are exchangeable, so how far rows are denied beyond items is counted exactly, however good
the classifier is (conformal tests of outliers, Bates et al. 2023, arXiv 2104.08279): one that cannot do the task denies
golds as often as rows. Where items are easier than rows in general, the rest of the corpus shows by how much, and that
is subtracted. Costs nothing beside the classifier.

A slice of an answer holds what the classifier says is that answer. If rows seldom have it and items often do, more of
what is said to have it is another answer's among the rows, though no label is wrong. So there the rows and the items of
each label are held against each other: how often those of another label are said to have the slice's does not depend
on how many have which (label shift; Saerens et al. 2002, Neural Computation 14, 21).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from diagnose.evidence.from_rows.label_doubts import Doubts, LabelDoubts

LEAST_WRONG = 0.9
"""Smallest share of wrong labels among the rows that leave, and of right ones among the new labels."""
LEVEL = 0.01
"""Probability with which a bound on the rows that leave, or on their new labels, may not hold: a right row that leaves
is harm, and one that stays only a fix that was not made."""
SLICE_LEVEL = 0.005
"""Probability with which the bound on a slice's wrong labels may not hold: a diagnosis tests some ten slices."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows and items that are in a slice but for their label."""

    rows: NDArray[np.bool_]
    """Whether each row is, [num_rows]."""
    items: NDArray[np.bool_]
    """Whether each item is, [num_items]."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Doubts of a slice and of the rest, for the rows and for the items with known golds."""

    rows: Doubts
    items: Doubts
    other_rows: Doubts
    other_items: Doubts
    asked_rows: Doubts | None = None
    """Rows that are in the slice but for their label, which each could be said to have; None where the label that the
    classifier gives does not define the slice."""
    asked_items: Doubts | None = None
    """The same for items."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Shares of labels that are denied."""

    rows: float
    """Share of the slice's rows whose label is denied."""
    items: float
    """Share of the slice's items whose gold is denied."""
    elsewhere: float
    """Share of the other rows whose label is denied; 0 without any."""
    wrong: float
    """Lower bound on the share of the slice's labels that are wrong: what is denied beyond what chance denies to right
    ones; 0 where nothing is shown."""


def split_doubts(
    doubts: LabelDoubts,
    rows_inside: NDArray[np.bool_],
    items_inside: NDArray[np.bool_] | None,
    asked: Asked | None = None,
) -> Sides:
    """Split doubts by the slice; arguments are over all rows and items given. Without `items_inside` all items are held
    against either rows; `asked` is given where the label that the classifier gives defines the slice."""
    rows = rows_inside[doubts.rows.places]
    if items_inside is None:
        return Sides(doubts.rows.where(rows), doubts.items, doubts.rows.where(~rows), doubts.items)
    items = items_inside[doubts.items.places]
    return Sides(
        rows=doubts.rows.where(rows),
        items=doubts.items.where(items),
        other_rows=doubts.rows.where(~rows),
        other_items=doubts.items.where(~items),
        asked_rows=None if asked is None else doubts.rows.where(asked.rows[doubts.rows.places]),
        asked_items=None if asked is None else doubts.items.where(asked.items[doubts.items.places]),
    )


def denied_shares(sides: Sides, level: float) -> Denied | None:
    """Compute the shares; None where the slice has no row, or no item with a known gold.

    Args:
        level: Probability with which the bound on wrong labels may not hold.
    """
    if not len(sides.rows) or not len(sides.items):
        return None
    num_denied = int(sides.rows.is_denied.sum())
    wrong = num_denied - _most_right(sides, 0.0, level)
    return Denied(
        rows=num_denied / len(sides.rows),
        items=float(sides.items.is_denied.mean()),
        elsewhere=float(sides.other_rows.is_denied.mean()) if len(sides.other_rows) else 0.0,
        wrong=wrong / len(sides.rows),
    )


@dataclass(frozen=True, slots=True)
class Leaving:
    """Rows of the slice that may leave: at least nine in ten have a wrong label."""

    rows: NDArray[np.bool_]
    """Whether each row of the slice leaves, [num_rows]."""
    cut: float
    """Doubt that these rows exceed; infinite where none leaves."""


def leaving(sides: Sides) -> Leaving:
    """Choose the rows that leave; none where so many wrong labels cannot be shown.

    Rows that are doubted more than the most doubted gold come first; from there the cut goes down from gold to gold as
    long as the bound holds: tests in a fixed order, so trying many cuts needs no correction.
    """
    found = Leaving(np.zeros(len(sides.rows), bool), np.inf)
    for doubt in np.sort(sides.items.doubt)[::-1].tolist():
        cut = max(doubt, 0.0)
        beyond = sides.rows.doubt > cut
        if not beyond.any() or _most_right(sides, cut, LEVEL) > (1 - LEAST_WRONG) * beyond.sum():
            break
        found = Leaving(beyond, cut)
        if doubt <= 0:
            break
    return found


def relabelled(sides: Sides, found: Leaving, sure: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark rows that leave whose most probable label is right in at least nine in ten, [num_rows]: all of them, else
    those of which the classifier is sure, as it is right on golds of which it is as sure.

    Args:
        sure: Probability of each label from which the classifier is sure of it, [num_labels].
    """
    if not found.rows.any():
        return found.rows
    level = LEVEL / 3  # three bounds hold together
    most_right = _most_right(sides, found.cut, level)
    rows_sure, items_sure = (_is_sure(part, sure) for part in (sides.rows, sides.items))
    for chosen, golds in ((found.rows, sides.items), (found.rows & rows_sure, sides.items.where(items_sure))):
        num, agreed = int(chosen.sum()), int((golds.best == golds.given).sum())
        agreement = float(stats.beta.ppf(level, agreed, len(golds) - agreed + 1)) if agreed else 0.0
        right_before = min(most_right, num)
        if num and right_before + (1 - agreement) * (num - right_before) <= (1 - LEAST_WRONG) * num:
            return chosen
    return np.zeros(len(sides.rows), bool)


def surely(doubts: Doubts) -> NDArray[np.float64]:
    """Mean probability of each label over the texts that have it, [num_labels] (Northcutt et al. 2021, equation 2)."""
    num_labels = doubts.probability.shape[1]
    of_label = [doubts.of_given[doubts.given == label] for label in range(num_labels)]
    return np.array([own.mean() if len(own) else np.inf for own in of_label])


def _is_sure(doubts: Doubts, sure: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(doubts.probability[np.arange(len(doubts)), doubts.best] >= sure[doubts.best])


def _most_right(sides: Sides, cut: float, level: float) -> float:
    """Upper bound on the slice's rows that are doubted beyond the cut and have a right label."""
    num_beyond, above = int((sides.rows.doubt > cut).sum()), sides.items.doubt > cut
    if sides.asked_rows is None or sides.asked_items is None:
        num_right = right_beyond(len(sides.rows), int(above.sum()), len(sides.items), level)
    else:
        num_above = standardised(sides.items.given[above], sides.asked_rows.given, sides.asked_items.given)
        num_right = right_beyond(len(sides.asked_rows), num_above, len(sides.asked_items), level)
    if len(sides.other_rows) and len(sides.other_items):
        shift = float((sides.other_rows.doubt > cut).mean() - (sides.other_items.doubt > cut).mean())
        num_right += max(shift, 0.0) * len(sides.rows)
    return min(num_right, num_beyond)


def standardised(above: NDArray[np.int64], rows: NDArray[np.int64], items: NDArray[np.int64]) -> int:
    """Count items beyond a cut as if the items had their labels as often as the rows do, rounded up: a direct
    standardisation. Rows of a label that no item has count as the others on average.

    Args:
        above: Labels of the items beyond the cut, [num_above].
        rows: Labels of the rows, [num_rows].
        items: Labels of the items, [num_items].
    """
    num_labels = int(max(rows.max(initial=0), items.max(initial=0))) + 1
    of_rows, of_items, of_above = (np.bincount(part, minlength=num_labels) for part in (rows, items, above))
    has_items = of_items > 0
    if not of_rows[has_items].any():
        return len(above)
    shares = of_rows[has_items] / of_rows[has_items].sum()
    rate = float(shares @ (of_above[has_items] / of_items[has_items]))
    return int(np.ceil(round(rate * len(items), 6)))


def right_beyond(num_rows: int, above: int, num_items: int, level: float) -> float:
    """Bound the rows beyond a cut if the labels of all were right, except for a share `level` of cases.

    Rows and items are then in random order, and rows before the next item negative hypergeometric. Wrong labels take
    none of the right ones away, and may fall on those that are easy to tell: they are not counted off.

    Args:
        above: Number of items beyond the cut; the cut is at or above the next one.
    """
    if above >= num_items:
        return num_rows
    return float(stats.nhypergeom.ppf(1 - level, num_items + num_rows, num_rows, above + 1))
