"""Clusters of texts as conditions that can be read and asked: words that set a cluster apart, of which a text has any,
or two.

K-means on TF-IDF vectors finds the clusters (`scikit-learn`); which texts belong to a slice is then decided by its
words alone, so that it reads the same on evaluation items and on training rows. Failures play no part. Texts of a small
vocabulary have no topics: their words and fields say all.

Cost: two seconds for 50,000 texts of ten words; 5 microseconds for a short text and a topic.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import MiniBatchKMeans
from sklearn.feature_extraction.text import TfidfVectorizer

from diagnose.tags import EDGES

ANY_OF = "prompt has any of"
TWO_OF = "prompt has two of"
TOPIC_KEYS = (ANY_OF, TWO_OF)

OPEN_VOCABULARY = 500
"""Distinct words from which texts are taken for natural language."""
_NUM_WORDS = 6
_LEAST_LIFT = 3.0
"""A word that names a cluster is so many times as frequent inside as outside."""
_EVERYWHERE = 0.2
"""Words of more texts than that say nothing of a topic."""
_TEXTS_OF_A_CLUSTER = (60, 240)
"""Fine and coarse."""
_MOST_CLUSTERS = 40
_LEAST_WORTH = 0.2
"""Of the best word's: what a cluster shares by chance says less."""
_SAMPLE = 10_000
"""Texts that are clustered; the words found are asked of all."""


def find_topics(texts: Sequence[str], min_texts: int) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Key, value and members of each, [num_texts]; none where the vocabulary is small."""
    words = [_words(text) for text in texts]
    if len(set().union(*words)) < OPEN_VOCABULARY:
        return
    sample = words[:: -(-len(words) // _SAMPLE)]
    named = dict.fromkeys(_named_clusters(sample, min_texts * len(sample) / len(words)))
    for value in named:
        num_found = _num_found(value, words)
        for key in TOPIC_KEYS:
            yield key, value, num_found >= _needed(key)


def is_about(key: str, value: str, text: str) -> bool:
    """Whether a text has enough of the words of `value`, which commas part."""
    return len(_words(text) & _listed(value)) >= _needed(key)


def are_about(key: str, value: str, texts: Sequence[str]) -> NDArray[np.bool_]:
    """As `is_about` on each, [num_texts]."""
    return _num_found(value, [_words(text) for text in texts]) >= _needed(key)


def _num_found(value: str, words: Sequence[frozenset[str]]) -> NDArray[np.int64]:
    listed = _listed(value)
    return np.fromiter((len(listed & own) for own in words), np.int64, len(words))


def _listed(value: str) -> frozenset[str]:
    return frozenset(value.split(", "))


def _needed(key: str) -> int:
    return 2 if key == TWO_OF else 1


def _named_clusters(words: Sequence[frozenset[str]], min_texts: float) -> Iterator[str]:
    vectorizer = TfidfVectorizer(analyzer=sorted, min_df=max(2, int(min_texts / 4)), max_df=_EVERYWHERE, binary=True)
    try:
        vectors = vectorizer.fit_transform(words)
    except ValueError:  # no word is neither rare nor everywhere
        return
    vocabulary, has = vectorizer.get_feature_names_out(), vectors > 0
    for size in _TEXTS_OF_A_CLUSTER:
        num_clusters = min(max(len(words) // size, 2), _MOST_CLUSTERS, *vectors.shape)
        cluster_of = MiniBatchKMeans(num_clusters, random_state=0, n_init=3).fit_predict(vectors)
        for cluster in range(num_clusters):
            worth = _worth_of_words(has, cluster_of == cluster)
            best = np.argsort(-worth, kind="stable")[:_NUM_WORDS]
            chosen = vocabulary[best[worth[best] > _LEAST_WORTH * worth.max()]]
            if len(chosen) > 1:
                yield ", ".join(sorted(chosen.tolist()))


def _worth_of_words(has: csr_array, is_inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How well each word tells the texts of a cluster from the others, [num_words]; 0 for those that do not."""
    num_inside, num_outside = int(is_inside.sum()), int((~is_inside).sum())
    inside = np.asarray(has[is_inside].sum(axis=0)).ravel()
    outside = np.asarray(has[~is_inside].sum(axis=0)).ravel()
    share = inside / max(num_inside, 1)
    # One more text outside, lest a word that is nowhere else lifts without bounds.
    lift = share / ((outside + 1) / (num_outside + 1))
    return np.where(lift >= _LEAST_LIFT, share * np.log(np.maximum(lift, 1.0)), 0.0)


def _words(text: str) -> frozenset[str]:
    """In lower case, without punctuation around them or inside a list of them."""
    return frozenset(word for word in (part.strip(EDGES).lower() for part in text.split()) if word and "," not in word)
