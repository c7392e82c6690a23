"""Which rows of a slice a retrieval takes: those near the failed items, and of those the ones that cover them."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from interventions.plan.step import States
from interventions.selection.cover import covering, similarity
from interventions.selection.importance import importance_sample, log_weights
from interventions.selection.relevance import is_relevant

NOTHING = np.zeros(0, np.float32)


def value(near: NDArray[np.float32], rows: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """The objective, as the module's docstring has it."""
    return float(weights @ near[:, rows].max(axis=1) / weights.sum())


def random_similarity(num_rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(num_rows, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return (points @ points.T).astype(np.float32), rng.random(num_rows)


@pytest.mark.parametrize("seed", range(5))
def test_each_row_chosen_adds_most_to_what_is_covered(seed: int) -> None:
    near, weights = random_similarity(num_rows=40, seed=seed)
    chosen = covering(near, weights, 10)
    for count in range(1, 10):
        values = [value(near, np.append(chosen[:count], row), weights) for row in range(40)]
        assert values[chosen[count]] == pytest.approx(max(values), abs=1e-6)


def test_the_choice_is_close_to_the_best_there_is() -> None:
    near, weights = random_similarity(num_rows=12, seed=0)
    best = max(value(near, np.array(rows), weights) for rows in combinations(range(12), 4))
    floor = near.min()
    assert value(near, covering(near, weights, 4), weights) - floor >= (1 - 1 / np.e) * (best - floor)


def chosen_texts(texts: list[str], number: int, weights: NDArray[np.float64] | None = None) -> list[str]:
    every = np.ones(len(texts)) if weights is None else weights
    return [texts[row] for row in covering(similarity(texts, None), every, number).tolist()]


def test_one_row_of_each_kind_comes_before_two_of_any() -> None:
    texts = [f"{verb} {a} {b}" for verb in ("copy", "sort", "drop", "swap") for a, b in product("xyz", repeat=2)]
    chosen = chosen_texts(texts, 4)
    assert {text.split()[0] for text in chosen} == {"copy", "sort", "drop", "swap"}
    longer = chosen_texts(texts, 9)
    assert longer[:4] == chosen
    assert len(set(longer)) == 9


def test_copies_of_a_row_are_taken_last() -> None:
    texts = ["walk to the red house"] * 90 + [f"{verb} at {place}" for verb in ("run", "sit") for place in "abcde"]
    assert chosen_texts(texts, 11).count(texts[0]) == 1


def test_kinds_that_fail_most_get_most_rows() -> None:
    rows = [f"{verb} {a} {b} {c}" for verb in ("add", "cut") for a, b, c in product("stuvw", repeat=3)]
    failed = [f"cut {a} {b} {c}" for a, b, c in product("wvuts", repeat=3)]
    kinds = Counter(text.split()[0] for text in chosen_texts(rows, 40, np.exp(log_weights(rows, failed))))
    alike = Counter(text.split()[0] for text in chosen_texts(rows, 40))
    assert 18 <= alike["cut"] <= 22
    assert kinds["cut"] >= 26


def sentences(verb: str, number: int, seed: int, letters: str = "abcdefghij") -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join([verb, *rng.choice(list(letters), 4)]) for _ in range(number)]


def zipf_texts(number: int, seed: int) -> list[str]:
    """Twelve words each of a vocabulary with a long tail."""
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.zipf(1.3, 12).clip(max=5000)) for _ in range(number)]


def states_of(rows: NDArray[np.float64], items: NDArray[np.float64]) -> States:
    return States(rows.astype(np.float32), items.astype(np.float32))


def test_rows_that_only_bear_the_name_of_a_slice_are_left_out() -> None:
    rng = np.random.default_rng(0)
    rows = sentences("descend", 200, 1) + sentences("rotate", 200, 2, "pqrstuvwxy")
    items = sentences("descend", 100, 3)
    centre = np.r_[np.tile([3.0, 0, 0, 0], (200, 1)), np.tile([-3.0, 0, 0, 0], (200, 1))]
    states = states_of(centre + rng.normal(size=(400, 4)), centre[:100] + rng.normal(size=(100, 4)))
    relevant = is_relevant(rows, items, states, np.full(400, np.nan, np.float32), NOTHING)
    assert relevant[:200].mean() > 0.98
    assert relevant[200:].mean() < 0.02


@pytest.mark.parametrize(("num_rows", "num_items"), [(200, 50), (400, 200), (1000, 256)])
def test_of_rows_like_the_items_hardly_any_is_left_out(num_rows: int, num_items: int) -> None:
    rows, items = zipf_texts(num_rows, 1), zipf_texts(num_items, 2)
    unknown = np.full(num_rows, np.nan, np.float32)
    assert is_relevant(rows, items, None, unknown, NOTHING).mean() > 0.85  # by words alone
    rng = np.random.default_rng(0)
    states = states_of(rng.normal(size=(num_rows, 8)), rng.normal(size=(num_items, 8)))
    assert is_relevant(rows, items, states, unknown, NOTHING).mean() > 0.97
    weights = np.exp(log_weights(rows, items))
    assert 0.5 < np.median(weights) < 2


def test_two_signals_of_three_decide() -> None:
    rng = np.random.default_rng(0)
    rows = sentences("descend", 50, 1) + sentences("rotate", 50, 2, "pqrstuvwxy")
    items = sentences("descend", 100, 3)
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
    a, b = np.exp(log_weights(["a", "a", "b", "b", "b"], ["a"])[[0, 2]])
    # Beside a row of one a there are two, and beside a b two, of six words with the item: a third of one is expected.
    assert a == pytest.approx(0.8 * (1 + 2) / (1 / 3 + 2) + 0.2, rel=1e-9)
    assert b == pytest.approx(0.8 * (0 + 2) / (1 / 3 + 2) + 0.2, rel=1e-9)
    alone = log_weights(["of its own", *["near by"] * 9], ["near by"])[0]
    assert alone == pytest.approx(0)  # what no other text has says nothing
    long = " ".join(f"n{k}" for k in range(20))
    assert np.exp(log_weights([*["far away"] * 99, long, long], [long] * 9))[99] == pytest.approx(5)  # the most


def test_an_importance_sample_draws_rows_by_their_weight() -> None:
    rows = ["a"] * 50 + ["b"] * 950
    weights = np.exp(log_weights(rows, ["a"] * 20)[[0, 50]])
    share = 50 * weights[0] / (50 * weights[0] + 950 * weights[1])  # of the first draw
    first = [importance_sample(rows, ["a"] * 20, 1, np.random.default_rng(seed))[0] < 50 for seed in range(2000)]
    assert np.mean(first) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 2000))
    assert importance_sample(rows, [], 1000, np.random.default_rng(0)).tolist() == list(range(1000))
    assert len(set(importance_sample(rows, [], 100, np.random.default_rng(0)).tolist())) == 100
