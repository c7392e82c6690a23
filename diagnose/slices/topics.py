"""Topics as readable conditions: words that go together, of which a text has any, or two.

Words that share texts far more often than by chance are joined, the closest first, by the mean over all of their
pairs (average linkage on the logarithm of the lift, Church & Hanks 1990, by `scikit-learn`), and cut at three levels.
Which texts belong to a topic is then decided by its words alone, so that it reads the same on evaluation items and on
training rows. Failures play no part. Texts of a small vocabulary have no topics: their words and fields say all.

Cost: five seconds for 50,000 texts of ten words; 5 microseconds for a short text and a topic.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import CountVectorizer

from diagnose.slices.tags import EDGES
from evals.leaks.near_copies import OPEN_VOCABULARY

ANY_OF = "prompt has any of"
TWO_OF = "prompt has two of"
TOPIC_KEYS = (ANY_OF, TWO_OF)

_LEAST_TEXTS = 5
"""Fewest texts of a word; of rarer ones co-occurrence is chance."""
_EVERYWHERE = 0.2
"""Largest share of texts that have a word of a topic; more frequent words mark no topic."""
_LIFTS = (1.5, 2.0, 3.0)
"""Mean lift over a topic's pairs of words, how many times as often they meet as by chance: coarse to fine."""
_SHRUNK_BY = 2.0
"""Texts added to observed and expected co-occurrence, so that rare words met once count little."""
_NUM_WORDS = (3, 12)
"""Number of words of a topic: two words are a pair of conditions, and more than twelve cannot be read."""
_MOST_WORDS = 2_000
"""Most words that are joined, the most frequent ones; bounds memory and time."""
_SAMPLE = 10_000
"""Most texts in which words are joined; the topics found select among all texts."""


def find_topics(texts: Sequence[str], min_texts: int) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield key, value and members of each topic, [num_texts]; none where the vocabulary is small."""
    vectorizer = CountVectorizer(analyzer=words_of, binary=True, dtype=np.float64)
    try:
        has = csr_array(vectorizer.fit_transform(texts))
    except ValueError:  # no text has a word
        return
    if has.shape[1] < OPEN_VOCABULARY:
        return
    sample = has[:: -(-len(texts) // _SAMPLE)]
    num_texts = sample.sum(axis=0)
    common = np.argsort(-num_texts, kind="stable")[: np.count_nonzero(num_texts >= _LEAST_TEXTS)]
    joined = np.sort(common[num_texts[common] <= _EVERYWHERE * sample.shape[0]][:_MOST_WORDS])
    vocabulary = vectorizer.get_feature_names_out()
    for chosen in _topics(sample[:, joined]):
        own = joined[list(chosen)]
        num_found = has[:, own].sum(axis=1)
        if np.count_nonzero(num_found >= _needed(TWO_OF)) < min_texts / 2:
            continue
        value = ", ".join(vocabulary[own].tolist())
        for key in TOPIC_KEYS:
            inside = num_found >= _needed(key)
            if inside.sum() >= min_texts:
                yield key, value, inside


def are_about(key: str, value: str, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text has enough of the words of `value`, which commas separate, [num_texts]."""
    listed, needed = frozenset(value.split(", ")), _needed(key)
    return np.fromiter((len(listed & words_of(text)) >= needed for text in texts), bool, len(texts))


def _needed(key: str) -> int:
    return 2 if key == TWO_OF else 1


def _topics(has: csr_array) -> list[tuple[int, ...]]:
    """Columns of the words of each topic, ascending; a topic of several levels once. `has`: [num_texts, num_words]."""
    if has.shape[1] < _NUM_WORDS[0]:
        return []
    together = (has.T @ has).toarray()
    num_texts = together.diagonal().copy()
    by_chance = np.outer(num_texts, num_texts) / has.shape[0]
    log_lift = np.maximum(np.log((together + _SHRUNK_BY) / (by_chance + _SHRUNK_BY)), 0.0)
    furthest = float(log_lift.max())
    found: dict[tuple[int, ...], None] = {}
    for lift in _LIFTS:
        tree = AgglomerativeClustering(
            n_clusters=None,
            metric="precomputed",
            linkage="average",
            distance_threshold=max(furthest - math.log(lift), 0.0),
        )
        topic_of = tree.fit_predict(furthest - log_lift)
        for topic in np.flatnonzero(np.bincount(topic_of) >= _NUM_WORDS[0]):
            words = np.flatnonzero(topic_of == topic)
            if len(words) <= _NUM_WORDS[1]:
                found.setdefault(tuple(words.tolist()))
    return list(found)


def words_of(text: str) -> frozenset[str]:
    """Words of a text in lower case, without marks around them; words with a comma inside are left out."""
    return frozenset(word for word in (part.strip(EDGES).lower() for part in text.split()) if word and "," not in word)
