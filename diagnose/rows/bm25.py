"""BM25 between failing items and training rows, the baseline of attribution by gradients.

Robertson and Zaragoza 2009, in Lucene's variant as bm25s computes it (arXiv 2407.03618). No model is needed.
Cost: 1.5 s to index 50,000 short texts, then 0.2 ms for each query.
"""

import logging
import re
from collections.abc import Iterator, Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray

logging.getLogger("bm25s").setLevel(logging.WARNING)  # importing it sets DEBUG, and every index is a line

K1, B = 1.5, 0.75
"""Saturation of repeated words and discount of long texts, as is usual in bm25s and Lucene."""

_WORD = re.compile(r"\w+|[^\w\s]")
"""Pattern of a word. Single letters and signs count too: prompts may be nothing else. Frequent words weigh little."""


def scores_of_each(queries: Sequence[str], texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """Score of every text for each query in turn, [num_texts]; 0 where they share no word."""
    index = bm25s.BM25(k1=K1, b=B)
    index.index([_words(text) for text in texts], show_progress=False)
    for query in queries:
        words = _words(query)
        yield np.asarray(index.get_scores(words), np.float32) if words else np.zeros(len(texts), np.float32)


def mean_scores(queries: Sequence[str], texts: Sequence[str]) -> NDArray[np.float32]:
    """Mean score of every text over the queries, [num_texts]."""
    total = np.zeros(len(texts), np.float64)
    for scores in scores_of_each(queries, texts):
        total += scores
    return (total / max(len(queries), 1)).astype(np.float32)


def in_turn(queries: Sequence[str], texts: Sequence[str], depth: int) -> NDArray[np.int64]:
    """Order all texts by letting the queries take turns to take the nearest text that is left.

    Each query takes among its `depth` nearest; texts that none takes follow by mean score.
    """
    nearest: list[Iterator[int]] = []
    total = np.zeros(len(texts), np.float64)
    for scores in scores_of_each(queries, texts):
        total += scores
        top = np.argsort(-scores, kind="stable")[:depth]
        nearest.append(iter(top[scores[top] > 0].tolist()))
    taken: dict[int, None] = {}
    while nearest:
        still = []
        for ranked in nearest:
            text = next((k for k in ranked if k not in taken), None)
            if text is not None:
                taken[text] = None
                still.append(ranked)
        nearest = still
    by_mean = np.argsort(-total, kind="stable")
    is_left = np.ones(len(texts), bool)
    order = np.fromiter(taken, np.int64, len(taken))
    is_left[order] = False
    return np.concatenate([order, by_mean[is_left[by_mean]]])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
