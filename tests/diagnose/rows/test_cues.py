"""Where prompts show their answer or a word that tells it, and how they are edited."""

import numpy as np

from diagnose.rows.cues import shown_answers, telling_words, with_words


def test_a_question_whose_answer_is_one_of_its_parts_shows_no_answer() -> None:
    rng = np.random.default_rng(1)
    pairs = []
    for _ in range(100):
        numbers = [f"n{k}" for k in rng.permutation(30)[:4]]
        pairs.append((["largest", "of", *numbers], [numbers[int(rng.integers(4))]]))
    assert shown_answers(pairs) == []
    assert list(telling_words(pairs)) == []


def test_words_are_replaced_where_they_stand_and_space_is_kept() -> None:
    assert with_words("a  b\n c d\n", (1, 3), ["x", "y", "z"]) == "a  x y z d\n"
