"""How many rows a failing slice has, how many of them are copies, how near they lie: the numbers that were planted."""

import numpy as np
import pytest
from builders.items import result
from builders.pools import train_pool
from builders.subjects import SLICE, sorted_rows, subject

from diagnose.evidence.from_rows.amounts import count_copies, count_rows, find_copies, find_near_rows
from diagnose.slices.listed import NEAREST, content_digest
from diagnose.slices.predicate import Slice


def test_shares_are_those_of_the_corpus_with_and_without_copies() -> None:
    corpus = [*sorted_rows(30), *([("copy a b", "a b")] * 70)]
    one = subject([result("sort b a", "a b", "b a")], corpus, pool=sorted_rows(10, 1), fair_share=0.5)
    values = count_rows(one).values
    distinct = len({completion for _, completion in corpus}), len({prompt for prompt, _ in corpus})
    assert values["corpus_rows"] == 30
    assert values["pool_rows"] == 10
    assert values["corpus_share"] == pytest.approx(0.3)
    assert values["scarcity"] == pytest.approx(1 - 0.3 / 0.5)
    assert values["distinct_share"] == pytest.approx((distinct[1] - 1) / distinct[1])
    assert values["distinct_scarcity"] == 0


def test_copies_are_counted_and_their_rows_named() -> None:
    corpus = [*sorted_rows(30), *([("copy a b", "a b")] * 70)]
    found = find_copies(subject([result("sort b a", "a b", "b a")], corpus))
    assert found.values["copies"] == pytest.approx(1 - len(set(corpus)) / len(corpus))
    assert found.rows == tuple(f"train-{k}" for k in range(30, 100))
    assert "70 times" in found.says


def test_near_copies_of_long_texts_are_copies_and_short_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    long = " ".join(f"w{k}" for k in rng.integers(0, 10_000, 60))
    other = " ".join(f"w{k}" for k in rng.integers(0, 10_000, 60))
    more = [(" ".join(f"w{k}" for k in rng.integers(0, 10_000, 60)), "x") for _ in range(10)]
    rows = [(long, "x"), (f"{long} indeed", "x"), (other, "x"), ("a b c d", "x"), ("a b c e", "x"), *more]
    counts = count_copies(train_pool(rows, "train"), np.arange(len(rows))).counts
    assert counts.tolist() == [2, 2, *([1] * 13)]


def test_long_texts_of_a_closed_grammar_are_copies_only_where_they_are_equal() -> None:
    rows = [(" ".join(["turn", "left"] * k), "x") for k in range(7, 20)]
    assert count_copies(train_pool(rows, "train"), np.arange(len(rows))).counts.max() == 1


def test_items_without_a_row_near_them_are_less_covered() -> None:
    passing = [result(f"add {k} and {k + 1}", "x", "x") for k in range(20)]
    failing = [result(f"sort p{k} q{k}", "x", "y") for k in range(20)]
    corpus = [(f"add {k} and {k + 2}", "x") for k in range(40)]
    assert find_near_rows(subject([*passing, *failing], corpus)).values["nearness"] < 0.1


def test_rows_that_are_listed_as_the_nearest_are_counted_like_those_of_a_predicate() -> None:
    rows = [*sorted_rows(30), *((f"copy {k}", str(k)) for k in range(70))]
    near = Slice(((NEAREST, "task = task"),), tuple(content_digest(prompt, answer) for prompt, answer in rows[:30]))
    failed = [result("sort b a", "a b", "b a")]
    by_list, by_words = (count_rows(subject(failed, rows, where=where)) for where in (near, SLICE))
    assert by_list.values == by_words.values
    assert by_list.values["corpus_rows"] == 30
    assert "have nearness to failed items of task = task" in by_list.says
