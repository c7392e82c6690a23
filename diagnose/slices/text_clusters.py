"""Clusters of texts as readable conditions: words that count points, and the points that a text needs.

Texts of natural language are clustered by k-means at several granularities, from several starts, in a latent semantic
index of the letters of their words (runs of three to five, so that `factor` and `factoring` are near; weighted by
TF-IDF, 200 dimensions). A cluster is then described by a few words, with whole points for or against it by least
squares; one that words do not describe is no candidate. The points alone decide what belongs to it, so that it reads
the same on evaluation items and on training rows. Failures play no part. Texts of a small vocabulary have no clusters,
numbers and codes not counted: their words and fields say all. Further spaces, such as the measured model's hidden
states, are clustered beside the letters; what they find is described by words all the same: membership takes no model.

Cost: two seconds for 1,000 texts of ten words, nine for 5,000, and nineteen for 50,000, of which 10,000 are clustered;
as much again for each further space, and its vectors.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize

from diagnose.slices.topics import words_of
from evals.leaks.near_copies import OPEN_VOCABULARY

IS_ABOUT = "prompt is about"
"""Key of the condition. The value lists words with their points and ends in the points that a text needs."""

_NEEDS = "; from "
_NUM_CLUSTERS = (10, 20, 30, 45, 60, 80, 110)
"""Numbers of clusters, coarse to fine; those whose clusters would be too small are left out."""
_NUM_STARTS = 5
"""Starts of k-means, none of which finds every cluster that others find."""
_NUM_DIMENSIONS = 200
_LEAST_TEXTS = 5
"""Fewest texts of a word that describes clusters."""
_MOST_WORDS = 1_500
"""Most words that may count points, the most frequent ones; bounds memory and time."""
_NUM_WORDS = 16
"""Most words of a cluster; more cannot be read."""
_LEAST_WORDS_FOR = 3
"""Fewest words with points for a cluster: one or two, such as those of `What is`, are conditions of their own."""
_MOST_POINTS = 9
_DESCRIBED = 0.5
"""Smallest Jaccard index of a cluster with the texts that its words select."""
_ALIKE = 0.9
"""Jaccard index from which two clusters count as the same."""
_SAMPLE = 10_000
"""Most distinct texts that are clustered; the words found select among all texts."""

Space = Callable[[Sequence[str]], NDArray[np.float32]]
"""Embeds texts, [num_texts, dim]; a row that is 0 or not finite is no vector."""


@dataclass(frozen=True, slots=True)
class _List:
    """Words that describe a cluster, with their points."""

    words: NDArray[np.int64]
    """Columns of the words, those with most points first."""
    points: NDArray[np.float64]
    """Points, whole numbers; negative ones speak against the cluster."""
    needed: int

    def members(self, has: csc_array) -> NDArray[np.bool_]:
        """Whether each text has the points; `has` is [num_texts, num_words]."""
        return np.asarray(has[:, self.words] @ self.points >= self.needed)

    def value(self, vocabulary: NDArray[np.object_]) -> str:
        own = zip(vocabulary[self.words].tolist(), self.points.tolist(), strict=True)
        return ", ".join(f"{word} {int(points)}" for word, points in own) + f"{_NEEDS}{self.needed}"


def find_clusters(
    texts: Sequence[str], min_texts: int, spaces: Sequence[Space] = ()
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield key, value and members of each cluster, [num_texts], by letters and then by each of the `spaces`, coarse to
    fine; none where the vocabulary is small, and then no space is used. The order of texts does not matter.

    Args:
        spaces: Each is called once, on the distinct texts that are clustered, in order.
    """
    vectorizer = CountVectorizer(analyzer=words_of, binary=True, dtype=np.float64)
    try:
        has = csr_array(vectorizer.fit_transform(texts))
    except ValueError:  # no text has a word
        return
    vocabulary = vectorizer.get_feature_names_out()
    if sum(not any(sign.isdigit() for sign in word) for word in vocabulary) < OPEN_VOCABULARY:
        return
    distinct = np.unique(np.array(texts, dtype=object), return_index=True)[1]
    sample = distinct[:: -(-len(distinct) // _SAMPLE)]
    telling = _telling(has[sample])
    all_texts, shown = csc_array(has[:, telling]), csc_array(has[sample][:, telling])
    least = max(2, round(min_texts * len(sample) / len(texts)))
    own = [texts[k].strip() for k in sample.tolist()]
    vectors = [_vectors(has[sample], vocabulary), *(_whitened(np.asarray(space(own))) for space in spaces)]
    clusters = chain.from_iterable(_clusters(one, least) for one in vectors)
    for one in _unlike(list(_described(shown, clusters)), shown):
        inside = one.members(all_texts)
        if inside.sum() >= min_texts:
            yield IS_ABOUT, one.value(vocabulary[telling]), inside


def has_points(value: str, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text has the points that `value` requires, [num_texts]."""
    listed, _, needed = value.rpartition(_NEEDS)
    points = {word: int(own) for word, _, own in (part.rpartition(" ") for part in listed.split(", "))}
    found = (sum(points[word] for word in words_of(text) & points.keys()) for text in texts)
    return np.fromiter((total >= int(needed) for total in found), bool, len(texts))


def _telling(has: csr_array) -> NDArray[np.int64]:
    """Columns of the words that may count points."""
    num_texts = has.sum(axis=0)
    common = np.argsort(-num_texts, kind="stable")[: np.count_nonzero(num_texts >= _LEAST_TEXTS)]
    return np.sort(common[num_texts[common] < has.shape[0]][:_MOST_WORDS]).astype(np.int64)


def _vectors(has: csr_array, vocabulary: NDArray[np.object_]) -> NDArray[np.float32]:
    """Latent semantic vectors of length 1, [num_texts, _NUM_DIMENSIONS] or fewer columns."""
    letters = CountVectorizer(analyzer="char_wb", ngram_range=(3, 5), dtype=np.float64)
    counts = csr_array(has @ csr_array(letters.fit_transform(vocabulary)))
    common = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]) >= _LEAST_TEXTS)
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, common])
    index = TruncatedSVD(min(_NUM_DIMENSIONS, min(weighted.shape) - 1), random_state=0)
    return np.asarray(normalize(index.fit_transform(weighted)), np.float32)


def _whitened(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whitened vectors of length 1, [num_texts, _NUM_DIMENSIONS] or fewer columns; 0 for a text without a vector.

    Vectors of a language model share one large direction, and few others hold most of what they differ by: whitened
    (Su et al. 2021, arXiv 2103.15316), each of the main directions counts alike.
    """
    wide = np.where(np.isfinite(states).all(axis=1, keepdims=True), states, 0).astype(np.float64)
    is_known = wide.any(axis=1)
    dimensions = min(_NUM_DIMENSIONS, wide.shape[1], max(np.count_nonzero(is_known) - 1, 0))
    found = np.zeros((len(wide), dimensions), np.float32)
    if dimensions:
        found[is_known] = normalize(PCA(dimensions, whiten=True, random_state=0).fit_transform(wide[is_known]))
    return found


def _clusters(vectors: NDArray[np.float32], least: int) -> Iterator[NDArray[np.bool_]]:
    """Yield members of each cluster of `least` texts or more, [num_texts]; texts of the vector 0 are in none."""
    known = np.flatnonzero(vectors.any(axis=1))
    for number in _NUM_CLUSTERS:
        if number * least > len(known):
            return
        for start in range(_NUM_STARTS):
            means = KMeans(number, init="random", n_init=1, max_iter=20, random_state=start)
            cluster = np.full(len(vectors), -1)
            cluster[known] = means.fit_predict(vectors[known])
            for one in np.flatnonzero(np.bincount(cluster[known], minlength=number) >= least):
                yield cluster == one


def _described(shown: csc_array, clusters: Iterable[NDArray[np.bool_]]) -> Iterator[_List]:
    """Yield the clusters that words describe; `shown` is [num_texts, num_words]."""
    num_texts = shown.shape[0]
    share = shown.sum(axis=0) / num_texts
    together = (shown.T @ shown).toarray() - num_texts * np.outer(share, share)
    spread = np.sqrt(together.diagonal())
    # A text's worth of doubt about each word.
    inverse = np.linalg.inv(together + np.eye(len(share)))
    for inside in clusters:
        common = shown.T @ inside.astype(np.float64) - share * inside.sum()
        weights = inverse @ common
        words = np.argsort(-np.abs(weights) * spread, kind="stable")[:_NUM_WORDS]
        own = np.linalg.solve(together[np.ix_(words, words)] + np.eye(len(words)), common[words])
        points = np.rint(_MOST_POINTS * own / np.abs(own).max())
        order = np.argsort(-points, kind="stable")
        words, points = words[order][points[order] != 0], points[order][points[order] != 0]
        if np.count_nonzero(points > 0) < _LEAST_WORDS_FOR:
            continue
        needed, overlap = _needed(shown[:, words] @ points, inside)
        if overlap >= _DESCRIBED:
            yield _List(words.astype(np.int64), points, needed)


def _needed(score: NDArray[np.float64], inside: NDArray[np.bool_]) -> tuple[int, float]:
    """Points above zero at which the Jaccard index with the cluster is greatest, and that index."""
    order = np.argsort(-score, kind="stable")
    both = np.cumsum(inside[order])
    overlap = both / (np.arange(1, len(order) + 1) + inside.sum() - both)
    is_last = np.append(score[order][1:] < score[order][:-1], True) & (score[order] > 0)
    if not is_last.any():
        return 1, 0.0
    best = int(np.argmax(np.where(is_last, overlap, -1.0)))
    return int(score[order][best]), float(overlap[best])


def _unlike(lists: Sequence[_List], shown: csc_array) -> list[_List]:
    """Keep the first of lists that select nearly the same texts; `shown` is [num_texts, num_words]."""
    if not lists:
        return []
    members = csc_array(np.stack([one.members(shown) for one in lists], axis=1, dtype=np.float64))
    both = (members.T @ members).toarray()
    sizes = both.diagonal()
    alike = both >= _ALIKE * (sizes[:, None] + sizes - both)
    kept: list[int] = []
    for k in range(len(lists)):
        if not alike[k, kept].any():
            kept.append(k)
    return [lists[k] for k in kept]
