"""Clusters of texts are found without failures, are told by words, and read the same on items and rows."""

import itertools
from collections.abc import Sequence

import numpy as np
from builders.items import probe_item, report_of
from builders.pools import train_pool
from numpy.typing import NDArray

from diagnose.slices.failing.counts import Thresholds
from diagnose.slices.failing.find import find_failing_slices
from diagnose.slices.predicate import Slice, item_table, row_members
from diagnose.slices.text_clusters import IS_ABOUT, Space, find_clusters, has_points

NAMES = ("river", "music", "money", "sport", "tower", "plant")
TOPICS = [[f"{name}{k}" for k in "abcdefghijklmno"] for name in NAMES]
VOCABULARY = ["".join(letters) for letters in itertools.product("bdfgklmnps", "aeiou", "bdfgklmnps", "a", "bd")][:900]
NUM_TEXTS = 800


def made(seed: int) -> tuple[list[str], NDArray[np.int64]]:
    """Four of the fifteen words of a topic, and four of a vocabulary of 900; the topic of each."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(len(TOPICS), size=NUM_TEXTS)
    texts = []
    for one in topic.tolist():
        words = [*rng.choice(VOCABULARY, 4).tolist(), *rng.choice(TOPICS[one], 4, replace=False).tolist()]
        rng.shuffle(words)
        texts.append(" ".join(words).capitalize() + "?")
    return texts, topic


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_each_planted_topic_is_a_cluster_that_its_own_words_tell() -> None:
    texts, topic = made(0)
    found = list(find_clusters(texts, 20))
    for number, name in enumerate(NAMES):
        value, inside = max(((v, i) for _, v, i in found), key=lambda one: overlap(one[1], topic == number))
        assert overlap(inside, topic == number) > 0.9
        points = [part.rpartition(" ") for part in value.partition(";")[0].split(", ")]
        assert all(word.startswith(name) for word, _, own in points if int(own) > 3)


def test_words_count_their_points_once_whatever_their_case_and_the_marks_around_them() -> None:
    value = "roots 3, polynomial 2, triangle -4; from 3"
    texts = ["Find the ROOTS.", "A polynomial, a polynomial", "(roots) of a triangle", "polynomial roots", "root"]
    assert has_points(value, texts).tolist() == [True, False, False, True, False]


def test_a_cluster_reads_the_same_on_items_and_on_rows_one_by_one_and_many_at_once() -> None:
    texts, _ = made(1)
    table = item_table([probe_item(text) for text in texts], [])
    pool = train_pool((text, " yes") for text in texts)
    for key, value, inside in list(find_clusters(table.texts, 20))[::12]:
        where = Slice(((key, value),))
        assert np.array_equal(table.members(where), inside)
        assert np.array_equal(row_members(where, pool), inside)
        assert [where.holds(text, {}) for text in texts] == inside.tolist()
        assert str(where) == f"{IS_ABOUT} {value}"


def test_clusters_do_not_depend_on_the_order_of_the_texts() -> None:
    texts, _ = made(2)
    order = np.random.default_rng(2).permutation(NUM_TEXTS)
    found = {value: inside[order].tolist() for _, value, inside in find_clusters(texts, 20)}
    assert found == {value: i.tolist() for _, value, i in find_clusters([texts[k] for k in order], 20)}


def test_a_closed_grammar_has_no_clusters() -> None:
    rng = np.random.default_rng(3)
    assert not list(find_clusters([" ".join(rng.choice(VOCABULARY[:300], 8)) for _ in range(500)], 20))
    # Numbers make no language.
    assert not list(find_clusters([" ".join((*rng.choice(VOCABULARY[:300], 8), str(k))) for k in range(500)], 20))
    assert not list(find_clusters([], 20))


def test_how_a_question_begins_is_a_run_of_words_and_no_cluster() -> None:
    rng = np.random.default_rng(5)
    openings = ("what is", "who did", "where does", "when was", "why are")
    texts = [" ".join((rng.choice(openings), *rng.choice(VOCABULARY, 2))) for _ in range(NUM_TEXTS)]
    for _, value, _ in find_clusters(texts, 20):
        speak_for = [part for part in value.partition(";")[0].split(", ") if int(part.rpartition(" ")[2]) > 0]
        assert len(speak_for) >= 3, value


def test_a_cluster_that_fails_is_named_where_no_few_words_say_it() -> None:
    texts, topic = made(4)
    failed = np.random.default_rng(4).random(NUM_TEXTS) < np.where(topic == 2, 0.7, 0.1)
    items = [probe_item(text) for text in texts]
    named = find_failing_slices(report_of(items, failed), [], (), Thresholds())
    assert [key for key, _ in named[0].slice.conditions] == [IS_ABOUT]
    assert overlap(item_table(items, []).members(named[0].slice), topic == 2) > 0.9


def hidden(seed: int) -> tuple[list[str], NDArray[np.bool_], Space]:
    """Eight words of a vocabulary of 900, thirty of which are of a kind and alike in no letters; whether a text has two
    of the kind; and vectors with a large direction in common that are near if both texts have, or neither."""
    rng = np.random.default_rng(seed)
    own, others = np.split(rng.permutation(VOCABULARY), [30])
    inside = np.arange(NUM_TEXTS) % 8 == 0
    texts = []
    for is_own in inside.tolist():
        number = 2 if is_own else 0
        words = [*rng.choice(own, number, replace=False), *rng.choice(others, 8 - number)]
        texts.append(" ".join(rng.permutation(words).tolist()))
    vectors = rng.normal(size=(NUM_TEXTS, 12)) + 100
    vectors[inside, 0] += 8
    known = dict(zip(texts, vectors.astype(np.float32), strict=True))
    return texts, inside, lambda asked: np.stack([known[text] for text in asked])


def best(texts: list[str], inside: NDArray[np.bool_], spaces: Sequence[Space]) -> float:
    return max((overlap(own, inside) for _, _, own in find_clusters(texts, 20, spaces)), default=0.0)


def test_a_kind_without_telling_letters_is_found_by_given_vectors_and_told_by_words() -> None:
    texts, inside, space = hidden(0)
    assert best(texts, inside, ()) < 0.3
    assert best(texts, inside, (space,)) > 0.5
    for _, value, own in find_clusters(texts, 20, (space,)):
        assert np.array_equal(has_points(value, texts), own)


def test_vectors_that_are_not_finite_or_zero_or_of_no_width_find_nothing() -> None:
    texts, _, _ = hidden(1)
    without = list(find_clusters(texts, 20))
    for row in (np.full(12, np.nan), np.zeros(12), np.empty(0)):
        found = list(find_clusters(texts, 20, [lambda asked, row=row: np.tile(row, (len(asked), 1))]))
        assert [value for _, value, _ in found] == [value for _, value, _ in without]


def test_a_text_without_a_vector_hinders_no_other() -> None:
    texts, inside, space = hidden(0)

    def broken(asked: Sequence[str]) -> NDArray[np.float32]:
        return np.where(np.arange(len(asked))[:, None] % 40 == 0, np.nan, space(asked))

    assert best(texts, inside, (broken,)) > 0.5


def test_clusters_by_letters_stay_and_come_first_where_vectors_are_given() -> None:
    texts, _, space = hidden(2)
    without = [value for _, value, _ in find_clusters(texts, 20)]
    assert [value for _, value, _ in find_clusters(texts, 20, (space,))][: len(without)] == without


def test_of_each_text_a_vector_is_asked_once_and_none_of_a_closed_grammar() -> None:
    asked: list[str] = []

    def space(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return np.eye(len(texts), dtype=np.float32)

    texts, _, _ = hidden(3)
    items = [probe_item(text) for text in [*texts[:400], *texts[:200]]]
    failed = np.arange(len(items)) % 5 == 0
    find_failing_slices(report_of(items, failed), [], (), Thresholds(), space)
    assert asked == sorted(set(texts[:400]))
    closed = [probe_item(f"{word} {other}") for word, other in itertools.product(VOCABULARY[:20], VOCABULARY[:20])]
    asked.clear()
    find_failing_slices(report_of(closed, np.arange(400) % 5 == 0), [], (), Thresholds(), space)
    assert asked == []
