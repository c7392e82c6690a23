"""What the words of a text foretell of the next one, against numbers worked by hand."""

import numpy as np
import pytest

from diagnose.evidence.from_rows.word_pairs import count_pairs
from diagnose.rows.tokens import NO_LOSS, token_rows


def test_word_pairs_foretell_by_witten_and_bell() -> None:
    # "0 1 0 1 0 2": 1 twice and 2 once after 0, 0 twice after 1; three words in five places.
    pairs = count_pairs(token_rows([[0, 1, 0, 1, 0, 2]], [[NO_LOSS, 1, 0, 1, 0, 2]]), vocabulary=4)
    single = (np.array([2, 2, 1, 0]) + 3 / 4) / (5 + 3)
    after_zero = (np.array([0, 2, 1, 0]) + 2 * single) / (3 + 2)
    found = [
        pairs.log_likelihood(token_rows([[first, second]], [[NO_LOSS, second]]))[0]
        for first in (0, 3)
        for second in range(4)
    ]
    assert np.exp(found) == pytest.approx([*after_zero, *single])
    assert after_zero.sum() == pytest.approx(1.0)
