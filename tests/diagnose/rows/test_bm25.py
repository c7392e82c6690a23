"""BM25 scores against the formula, and queries that take turns."""

import math

import numpy as np
import pytest

from diagnose.rows.bm25 import K1, B, in_turn, mean_scores, scores_of_each

TEXTS = ["a b c", "a d", "e e f", "D!", ""]


def by_hand(query: str, text: list[str], texts: list[list[str]]) -> float:
    """Lucene's BM25, word by word."""
    mean_length = sum(map(len, texts)) / len(texts)
    total = 0.0
    for word in query.lower().split():
        holding = sum(word in other for other in texts)
        idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        count = text.count(word)
        total += idf * count / (count + K1 * (1 - B + B * len(text) / mean_length))
    return total


def test_scores_are_those_of_the_formula() -> None:
    texts = [["a", "b", "c"], ["a", "d"], ["e", "e", "f"], ["d", "!"], []]
    for query, scores in zip(("a d", "e", "zz"), scores_of_each(("a d", "e", "zz"), TEXTS), strict=True):
        assert scores.tolist() == pytest.approx([by_hand(query, text, texts) for text in texts], abs=1e-6)


def test_a_query_without_words_is_near_nothing() -> None:
    assert mean_scores(["", "a"], TEXTS).tolist() == pytest.approx([s / 2 for s in mean_scores(["a"], TEXTS)])


def test_each_query_takes_the_nearest_that_is_left_and_all_texts_are_in_the_order_once() -> None:
    texts = ["x", "jump 1", "jump 2", "jump 3", "run 1", "run 2", "y"]
    order = in_turn(["jump", "jump", "run"], texts, depth=7)
    assert order[:5].tolist() == [1, 2, 4, 3, 5]
    assert sorted(order.tolist()) == list(range(7))


def test_without_any_shared_word_the_order_is_that_of_the_texts() -> None:
    assert np.array_equal(in_turn(["zz"], TEXTS, depth=3), np.arange(5))
