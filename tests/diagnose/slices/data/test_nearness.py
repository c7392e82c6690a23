"""How near rows lie to items, and from where they are of one kind."""

import numpy as np

from diagnose.rows.bm25 import scores_of_each
from diagnose.slices.data.nearness import by_states, by_words, least_degree, shares


def test_nearness_by_states_is_the_distance_to_the_nth_nearest_other_item() -> None:
    rng = np.random.default_rng(0)
    rows, items = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=(12, 4)).astype(np.float32)
    for neighbour in (1, 5):
        found = by_states(rows, items, neighbour)
        for place, state in enumerate([*rows, *items]):
            others = [item for k, item in enumerate(items) if k != place - len(rows)]
            away = sorted(float(np.linalg.norm(state.astype(float) - item.astype(float))) for item in others)
            np.testing.assert_allclose(found[place], -away[neighbour - 1], rtol=1e-6)


def test_nearness_by_words_is_the_nth_highest_share_of_an_items_own_score() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(30)]
    texts = [" ".join(rng.choice(words, 8).tolist()) for _ in range(30)]
    rows, items = texts[:20], texts[20:]
    every = np.stack(list(scores_of_each(items, [*rows, *items])), axis=1)  # [num_texts, num_items]
    for neighbour in (1, 5):
        found = by_words(rows, items, neighbour)
        for place, scores in enumerate(every):
            likeness = [score / every[len(rows) + k, k] for k, score in enumerate(scores) if place != len(rows) + k]
            np.testing.assert_allclose(found[place], sorted(likeness)[-neighbour], rtol=1e-5)


def test_the_share_of_the_items_that_are_no_nearer_is_uniform_over_the_items() -> None:
    items = np.random.default_rng(0).normal(size=100)
    np.testing.assert_allclose(np.sort(shares(items, items)), np.arange(1, 101) / 100)
    assert shares(np.array([-9.0, 9.0]), items).tolist() == [0.0, 1.0]


def test_rows_like_the_items_are_inside_and_rows_far_from_them_are_not() -> None:
    rng = np.random.default_rng(0)
    items = rng.uniform(size=200)
    like, far = rng.uniform(size=1000), 0.1 * rng.uniform(size=9000)
    assert (like >= least_degree(like, items)).mean() > 0.95
    both = np.concatenate([like, far])
    inside = both >= least_degree(both, items)
    assert inside[:1000].mean() > 0.85
    assert inside[1000:].mean() < 0.005


def test_where_no_row_is_as_near_as_the_nearer_half_of_the_items_none_is_inside() -> None:
    items = np.random.default_rng(0).uniform(size=200)
    far = 0.4 * np.random.default_rng(1).uniform(size=5000)
    assert (far >= least_degree(far, items)).sum() == 0
    assert least_degree(np.zeros(0), items) == np.inf
