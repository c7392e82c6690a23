"""Batches of rows by their lengths."""

import numpy as np

from diagnose.rows.batches import length_batches


def test_batches_hold_every_row_once_within_the_token_budget() -> None:
    lengths = np.array([5, 3, 9, 1, 1, 4, 30], dtype=np.int64)
    batches = length_batches(lengths, np.arange(7), batch_tokens=10, most_rows=3)
    assert sorted(np.concatenate(batches).tolist()) == list(range(7))
    for batch in batches:
        assert len(batch) <= 3
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 10
