"""Which rows of a slice a retrieval takes: those near the failed items, and of those the ones that cover them."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from interventions.cover import covering, similarity
from interventions.importance import importance_sample, log_weights
from interventions.relevance import is_relevant
from interventions.step import States

NOTHING = np.zeros(0, np.float32)


def value(near: NDArray[np.float32], rows: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """The objective, as the module's docstring has it."""
    return float(weights @ near[:, rows].max(axis=1))


def random_similarity(num_rows: int, num_items: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    points = np.random.default_rng(seed).normal(size=(num_rows + num_items, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    weights = np.r_[np.full(num_rows, 0.5 / num_rows), np.full(num_items, 0.5 / num_items)]
    return (points @ points[:num_rows].T).astype(np.float32), weights


@pytest.mark.parametrize("seed", range(5))
def test_each_row_chosen_adds_most_to_what_is_covered(seed: int) -> None:
    near, weights = random_similarity(num_rows=40, num_items=15, seed=seed)
    chosen = covering(near, 10)
    for count in range(1, 10):
        values = [value(near, np.append(chosen[:count], row), weights) for row in range(40)]
        assert values[chosen[count]] == pytest.approx(max(values), abs=1e-6)


def test_the_choice_is_close_to_the_best_there_is() -> None:
    near, weights = random_similarity(num_rows=12, num_items=6, seed=0)
    best = max(value(near, np.array(rows), weights) for rows in combinations(range(12), 4))
    floor = near.min()
    assert value(near, covering(near, 4), weights) - floor >= (1 - 1 / np.e) * (best - floor)


def test_one_row_of_each_kind_comes_before_two_of_any() -> None:
    texts = [f"{verb} {a} {b}" for verb in ("copy", "sort", "drop", "swap") for a, b in product("xyz", repeat=2)]
    chosen = covering(similarity(texts, [], None), 4)
    assert {texts[row].split()[0] for row in chosen.tolist()} == {"copy", "sort", "drop", "swap"}
    longer = covering(similarity(texts, [], None), 9)
    assert longer[:4].tolist() == chosen.tolist()
    assert len(set(longer.tolist())) == 9


def test_copies_of_a_row_are_taken_last() -> None:
    texts = ["walk to the red house"] * 90 + [f"{verb} at {place}" for verb in ("run", "sit") for place in "abcde"]
    chosen = covering(similarity(texts, [], None), 11)
    assert sum(row < 90 for row in chosen.tolist()) == 1


def test_kinds_that_fail_most_get_most_rows() -> None:
    rows = [f"{verb} {a} {b} {c}" for verb in ("add", "cut") for a, b, c in product("stuvw", repeat=3)]
    failed = [f"cut {a} {b} {c}" for a, b, c in product("wvuts", repeat=3)]
    kinds = Counter(rows[row].split()[0] for row in covering(similarity(rows, failed, None), 40).tolist())
    alike = Counter(rows[row].split()[0] for row in covering(similarity(rows, [], None), 40).tolist())
    assert 18 <= alike["cut"] <= 22
    assert kinds["cut"] >= 26
    assert kinds["add"] >= 5


def sentences(verb: str, number: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join([verb, *rng.choice(list("abcdefghij"), 4)]) for _ in range(number)]


def states_of(rows: NDArray[np.float64], items: NDArray[np.float64]) -> States:
    return States(rows.astype(np.float32), items.astype(np.float32))


def test_rows_that_only_bear_the_name_of_a_slice_are_left_out() -> None:
    rng = np.random.default_rng(0)
    rows = sentences("descend", 200, 1) + sentences("rotate", 200, 2)
    items = sentences("descend", 100, 3)
    centre = np.r_[np.tile([3.0, 0, 0, 0], (200, 1)), np.tile([-3.0, 0, 0, 0], (200, 1))]
    states = states_of(centre + rng.normal(size=(400, 4)), centre[:100] + rng.normal(size=(100, 4)))
    relevant = is_relevant(rows, items, states, np.full(400, np.nan, np.float32), NOTHING)
    assert relevant[:200].mean() > 0.98
    assert relevant[200:].mean() < 0.02


def test_of_rows_like_the_items_hardly_any_is_left_out() -> None:
    rng = np.random.default_rng(0)
    rows, items = sentences("descend", 400, 1), sentences("descend", 200, 2)
    states = states_of(rng.normal(size=(400, 8)), rng.normal(size=(200, 8)))
    assert is_relevant(rows, items, states, np.full(400, np.nan, np.float32), NOTHING).mean() > 0.97


def test_two_signals_of_three_decide() -> None:
    rng = np.random.default_rng(0)
    rows, items = sentences("descend", 50, 1) + sentences("rotate", 50, 2), sentences("descend", 100, 3)
    same = states_of(rng.normal(size=(100, 4)), rng.normal(size=(100, 4)))  # says near of all
    effects = np.r_[np.full(50, 5.0), np.tile([5.0, -5.0], 25)].astype(np.float32)
    elsewhere = rng.normal(size=100).astype(np.float32)
    relevant = is_relevant(rows, items, same, effects, elsewhere)
    assert relevant[:50].mean() > 0.95
    assert relevant[50::2].mean() > 0.9  # far by words alone
    assert relevant[51::2].mean() < 0.1  # and no better than rows elsewhere


def test_what_nobody_can_tell_stays() -> None:
    few = ["descend a b"] * 3
    assert is_relevant(["rotate c d"] * 5, few, None, np.full(5, np.nan, np.float32), NOTHING).all()
    far = is_relevant(["x y"] * 5, sentences("descend", 50, 0), None, np.full(5, np.nan, np.float32), NOTHING)
    assert far.all()  # none would be left


def test_importance_weights_are_the_ratio_of_two_multinomials() -> None:
    rows, items = ["a", "b", "b", "b"], ["a"]
    a, b = log_weights(rows, items)[:2]
    # Half a word in each of 10,000 buckets: p(a | items) = 1.5 / 5,001, p(a | rows) = 1.5 / 5,004, of b .5 and 3.5.
    assert np.exp(a) == pytest.approx(0.8 * (1.5 / 5001) / (1.5 / 5004) + 0.2, rel=1e-6)
    assert np.exp(b) == pytest.approx(0.8 * (0.5 / 5001) / (3.5 / 5004) + 0.2, rel=1e-6)


def test_an_importance_sample_draws_rows_by_their_weight() -> None:
    rows = ["a"] * 50 + ["b"] * 950
    weights = np.exp(log_weights(rows, ["a"] * 20)[[0, 50]])
    share = 50 * weights[0] / (50 * weights[0] + 950 * weights[1])  # of the first draw
    first = [importance_sample(rows, ["a"] * 20, 1, np.random.default_rng(seed))[0] < 50 for seed in range(2000)]
    assert np.mean(first) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 2000))
    assert importance_sample(rows, [], 1000, np.random.default_rng(0)).tolist() == list(range(1000))
    assert len(set(importance_sample(rows, [], 100, np.random.default_rng(0)).tolist())) == 100
