"""Order in which the rows of a mix are drawn.

Row i with weight w_i is due at the times (u_i + k) / (n w_i), k = 0, 1, ..., with one uniform u_i each, and
rows are drawn as they fall due. So after any number of draws each row has been drawn within one of its
expected count, equal weights give ordinary shuffled epochs without replacement, a fifth of the weight is
close to a fifth of every batch, and a longer run begins with the draws of a shorter one. Independent
draws, the usual weighted sampler, repeat some rows and miss others by chance alone.

Cost: O(draws log draws) time, O(draws + rows) memory.
"""

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.rows.rendering import encode_pool
from interventions.mix.mix import TrainingMix


def draw_order(weights: NDArray[np.float64], num_draws: int, seed: int) -> NDArray[np.int64]:
    """Draw rows in order.

    Args:
        weights: Expected share of the draws, [num_rows], non-negative, not all zero.
        num_draws: Rows to draw, >= 0.
        seed: Seeds the one generator used.

    Returns:
        Row numbers, [num_draws].
    """
    rng = np.random.default_rng(seed)
    offsets = rng.random(len(weights))
    rates = weights / weights.sum()  # draws of each row for one draw of all
    counts = np.maximum(np.floor(num_draws * rates - offsets) + 2, 0).astype(np.int64)  # enough events of each row
    counts[rates == 0] = 0
    rows = np.repeat(np.arange(len(weights)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    visits = np.arange(len(rows)) - starts  # 0, 1, 2, ... within each row
    due = (offsets[rows] + visits) / rates[rows]
    chosen = np.argsort(due, kind="stable")[:num_draws]
    return rows[chosen].astype(np.int64)


def num_draws_for_tokens(lengths: NDArray[np.int64], weights: NDArray[np.float64], num_tokens: int, seed: int) -> int:
    """Fewest draws of `draw_order` whose rows hold at least `num_tokens` tokens.

    Args:
        lengths: Tokens of each row, [num_rows], >= 1.
        weights: Weights as for `draw_order`.
        num_tokens: Tokens to reach, >= 1.
    """
    mean = float(np.average(lengths, weights=weights))
    guess = int(num_tokens / mean * 1.1) + len(weights[weights > 0]) + 1
    while True:  # a prefix of a longer order is the shorter order, so one guess that is long enough decides
        total = np.cumsum(lengths[draw_order(weights, guess, seed)])
        if len(total) and total[-1] >= num_tokens:
            return int(np.searchsorted(total, num_tokens)) + 1
        guess *= 2


def expected_tokens(tokenizer: PreTrainedTokenizerBase, mix: TrainingMix, max_length: int) -> float:
    """Mean tokens of a draw from the mix."""
    rows = encode_pool(mix.examples, tokenizer, max_length)
    return float(np.average(rows.lengths, weights=mix.weights))
