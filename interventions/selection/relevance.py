"""Which rows of a data slice have to do with the items that fail, and which only bear its name.

Three signals, each of which says of a row that it is near or far: words (BM25 to the nearest failed item), hidden
states (how far the nearest failed item is) and attribution (does it help more than rows elsewhere in the pool do). Near
is what lies as near to the failed items as these lie to each other, all but the farthest; so hardly anything is left
out of a slice whose rows are like the items. A row is left out where most of the signals that can be asked say far: by
the most relevant alone a fix would be near copies, so what is left is for `interventions.selection.cover` to choose
from.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diagnose.slices.data.nearness import by_states, by_words
from interventions.plan.step import States

_FARTHEST = 0.02
"""Of the failed items: those that are farther from all others than any row of the slice need be near."""
_LEAST_ITEMS = 20
"""Failed items; of fewer nobody knows how near they lie to each other."""
_LEAST_ELSEWHERE = 20
"""Attributed rows of the pool outside the slice."""


def is_relevant(
    rows: Sequence[str],
    items: Sequence[str],
    states: States | None,
    effects: NDArray[np.float32],
    elsewhere: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Of each row of a slice, [num_rows]; all of them where none would be left.

    Args:
        rows: Texts.
        items: Failed items, question and gold answer.
        states: Of the same rows and items; None where the model may not be asked.
        effects: [num_rows] on the failed items; nan where a row was not attributed.
        elsewhere: Effects of attributed rows of the pool outside the slice.
    """
    num_known, num_far = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    if len(items) >= _LEAST_ITEMS:
        signals = [by_words(rows, items)]
        if states is not None:
            signals.append(by_states(states.rows, states.items))
        for near in signals:
            num_known += 1
            num_far += near[: len(rows)] < np.quantile(near[len(rows) :], _FARTHEST)
    if len(elsewhere) >= _LEAST_ELSEWHERE:
        is_known = np.isfinite(effects)
        num_known += is_known
        num_far += is_known & (np.nan_to_num(effects) <= np.median(elsewhere))
    relevant = 2 * num_far <= num_known
    return relevant if relevant.any() else np.ones(len(rows), bool)
