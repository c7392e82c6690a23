"""Topics are found without failures, and read the same on items and rows, one by one and many at once."""

import numpy as np
from builders.items import probe_item, report_of

from diagnose.slices.failing.counts import Thresholds
from diagnose.slices.failing.find import find_failing_slices
from diagnose.slices.predicate import Slice, item_table
from diagnose.slices.topics import ANY_OF, TOPIC_KEYS, TWO_OF, find_topics

PLANTED = [[f"{name}{k}" for k in "abcdef"] for name in ("river", "music", "money", "sport")]
NUM_TEXTS = 1_200


def made(rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Six words of a vocabulary of 900, and two of a topic of six words in most."""
    topic = rng.integers(5, size=NUM_TEXTS)
    texts = []
    for one in topic.tolist():
        words = [f"w{k}" for k in rng.integers(900, size=6)]
        if one < len(PLANTED):
            words += rng.choice(PLANTED[one], 2, replace=False).tolist()
        rng.shuffle(words)
        texts.append(" ".join(words).capitalize() + "?")
    return texts, topic


def test_planted_topics_are_named_by_at_least_five_of_their_six_words() -> None:
    texts, topic = made(np.random.default_rng(0))
    found = {value: inside for key, value, inside in find_topics(texts, 20) if key == TWO_OF}
    for number, words in enumerate(PLANTED):
        alike = [inside for value, inside in found.items() if len(set(value.split(", ")) & set(words)) >= 5]
        assert max((inside == (topic == number)).mean() for inside in alike) > 0.9


def test_a_text_is_asked_for_its_words_alone() -> None:
    any_of, two_of = (Slice(((key, "city, river"),)) for key in (ANY_OF, TWO_OF))
    assert any_of.holds("Which CITY?", {})
    assert not two_of.holds("Which CITY?", {})
    assert two_of.holds("(River) of which city?", {})
    assert not any_of.holds("Which cities?", {})
    texts, _ = made(np.random.default_rng(1))
    table = item_table([probe_item(text) for text in texts], [])
    for key, value, inside in find_topics(table.texts, 20):
        where = Slice(((key, value),))
        assert np.array_equal(table.members(where), inside)
        assert [where.holds(text, {}) for text in texts] == inside.tolist()
        assert str(where) == f"{key} {value}"


def test_a_small_vocabulary_has_no_topics() -> None:
    rng = np.random.default_rng(2)
    texts = [" ".join(f"w{k}" for k in rng.integers(300, size=8)) for _ in range(1_000)]
    assert not list(find_topics(texts, 20))
    assert not list(find_topics([], 20))


def test_a_topic_that_fails_is_named_where_no_single_word_says_it() -> None:
    rng = np.random.default_rng(3)
    texts, topic = made(rng)
    failed = rng.random(NUM_TEXTS) < np.where(topic == 0, 0.8, 0.05)
    report = report_of(map(probe_item, texts), failed)
    named = find_failing_slices(report, [], (), Thresholds())
    key, value = named[0].slice.conditions[0]
    assert key in TOPIC_KEYS
    assert set(value.split(", ")) <= set(PLANTED[0])
    assert named[0].num_failed > 0.9 * failed[topic == 0].sum()
    assert len(named) == 1
