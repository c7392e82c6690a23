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


def test_single_words_foretell_by_how_often_they_stand_there() -> None:
    """The same text: of five places 0 and 1 have two, 2 one; every token has its share of three more."""
    pairs = count_pairs(token_rows([[0, 1, 0, 1, 0, 2]], [[NO_LOSS, 1, 0, 1, 0, 2]]), vocabulary=4)
    rows = token_rows([[3, 0, 1], [3, 3, 2]], [[NO_LOSS, 0, 1], [NO_LOSS, 3, NO_LOSS]])
    assert np.exp(pairs.log_likelihood_of_singles(rows)) == pytest.approx([2.75 / 8 * 2.75 / 8, 0.75 / 8])
