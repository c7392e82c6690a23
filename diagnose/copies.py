"""Rows of a corpus that say the same: exact copies, and near ones of long texts.

Copies are exact after normalising case, space and punctuation; for texts of 13 words and more of an open vocabulary
also near copies by MinHash (Broder 1997, by datasketch) of runs of three words: in a closed grammar of short texts most
rows are near each other, and only equality counts. Costs 20 microseconds a row once, half a millisecond a long one.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from diagnose.pool import TrainPool
from evals.near_copies import NUM_WORDS, OPEN_VOCABULARY, normalise, text_hashes

_NEAR = 0.8
"""Jaccard similarity of near copies."""
_NUM_PERM = 64
_MOST_LONG = 5_000
"""Long rows that are compared by MinHash, unless more are asked for."""
_CHUNK = 65_536


def content_hashes(rows: TrainPool) -> NDArray[np.uint64]:
    """Equal for exact copies, [num_rows]."""
    parts = (range(start, min(start + _CHUNK, len(rows))) for start in range(0, len(rows), _CHUNK))
    hashes = [text_hashes(list(_contents(rows.select(part)))) for part in parts]
    return np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)


def near_groups(rows: TrainPool, most: int = _MOST_LONG) -> NDArray[np.int64]:
    """Number of the group of near copies that each row is in, [num_rows]; rows that are not compared are alone.

    Args:
        rows: Exact copies are in one group only where they are long.
        most: The first so many long rows are compared with each other.
    """
    texts = list(_contents(rows))
    group = np.arange(len(texts))
    long = np.array([k for k, text in enumerate(texts) if text.count(" ") >= NUM_WORDS - 1][:most], np.int64)
    # With fewer words a closed grammar puts unrelated texts near each other.
    if len({word for k in long.tolist() for word in texts[k].split()}) >= OPEN_VOCABULARY:
        group[long] = long[_first_alike([texts[k] for k in long.tolist()])]
    return group


def _contents(rows: TrainPool) -> Iterator[str]:
    for prompt, completion in zip(rows.rows["prompt"][:], rows.rows["completion"][:], strict=True):
        yield normalise(f"{prompt} {completion}")


def _first_alike(texts: Sequence[str]) -> NDArray[np.int64]:
    """Of each text the first one that is its near copy, or a copy of those: as a rule itself."""
    index = MinHashLSH(threshold=_NEAR, num_perm=_NUM_PERM)
    edges: list[tuple[int, int]] = []
    for number, text in enumerate(texts):
        words = text.split()
        sketch = MinHash(num_perm=_NUM_PERM, seed=1)
        sketch.update_batch([" ".join(words[k : k + 3]).encode() for k in range(len(words) - 2)])
        edges += [(number, int(other)) for other in index.query(sketch)]
        index.insert(number, sketch)
    first, second = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(texts), len(texts)))
    _, label = connected_components(graph, directed=False)
    _, start = np.unique(label, return_index=True)
    return np.asarray(start[label], np.int64)
