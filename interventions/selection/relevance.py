"""Tell which rows of a data slice are relevant to the failed items, and which only meet its predicate.

Three signals judge a row to be near or far: words (BM25 to the nearest failed item), hidden states (how far the nearest
failed item is) and attribution (does it help more than rows elsewhere in the pool do). Near is what lies as near to the
failed items as these lie to each other, all but the farthest; so hardly anything is left out of a slice whose rows are
like the items. A row is left out where most of the available signals judge it far: the most relevant rows alone would
be near copies, so `interventions.selection.cover` chooses from what is left.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diagnose.slices.data.nearness import by_states, by_words
from interventions.plan.step import States

_FARTHEST = 0.02
"""Share of the failed items, those farthest from all others, that sets the bound for rows."""
_LEAST_ITEMS = 20
"""Fewest failed items whose nearness to each other sets a bound."""
_LEAST_ELSEWHERE = 20
"""Fewest attributed rows of the pool outside the slice to compare with."""


def is_relevant(
    rows: Sequence[str],
    items: Sequence[str],
    states: States | None,
    row_effects: NDArray[np.float32],
    elsewhere: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Whether each row of a slice is relevant, [num_rows]; all of them where none would be left.

    Args:
        rows: Texts of the rows.
        items: Failed items, question and gold answer.
        states: States of the same rows and items; None where the model may not be used.
        row_effects: Effects of the rows on the failed items, [num_rows]; nan where a row was not attributed.
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
        is_known = np.isfinite(row_effects)
        num_known += is_known
        num_far += is_known & (np.nan_to_num(row_effects) <= np.median(elsewhere))
    relevant = 2 * num_far <= num_known
    return relevant if relevant.any() else np.ones(len(rows), bool)
