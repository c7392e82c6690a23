"""Rows by number, through the corpus and then the pool, and rows at equal distances."""

import numpy as np
import pytest
from builders.pools import train_pool

from diagnose.rows.selection import evenly_spaced, select_rows


@pytest.mark.parametrize("size", [0, 1, 5, 9])
def test_rows_selected_by_number_are_those_of_corpus_and_pool_in_one_list(size: int) -> None:
    corpus = train_pool([(f"c{k}", "x") for k in range(4)])
    pool = train_pool([(f"p{k}", "y") for k in range(5)], "pool")
    numbers = np.sort(np.random.default_rng(size).choice(9, size, replace=False))
    parts = select_rows(corpus, pool, numbers)
    everything = [*corpus, *pool]
    assert [row.id for part in parts for row in part] == [everything[k].id for k in numbers.tolist()]
    assert [part.rendering for part in parts] == [corpus.rendering, pool.rendering]


def test_without_a_pool_rows_are_those_of_the_corpus_alone() -> None:
    corpus = train_pool([(f"c{k}", "x") for k in range(4)])
    (part,) = select_rows(corpus, None, np.array([1, 3]))
    assert [row.prompt for row in part] == ["c1", "c3"]


@pytest.mark.parametrize("number", [0, 1, 10, 1000])
def test_few_rows_are_all_taken_and_of_many_both_ends_at_equal_distances(number: int) -> None:
    places = evenly_spaced(number, 10)
    if number <= 10:
        assert places.tolist() == list(range(number))
    else:
        assert places.tolist() == [k * (number - 1) // 9 for k in range(10)]
