"""Drawing rows so that they cover a slice broadly.

On SCAN the rows with the highest attribution are near copies of each other and lose to random ones; what
wins is a random draw inside the right slice. A systematic sample of the rows sorted by length and rarest
word is such a draw with less variance: every row has the same chance, and no region is left out by luck.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def draw_broadly(texts: Sequence[str], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of `number` of the texts, ascending; all of them if there are not more."""
    if number >= len(texts):
        return np.arange(len(texts), dtype=np.int64)
    words = [text.split() for text in texts]
    num_texts = Counter(word for text in words for word in set(text))
    rarest = [min(text, key=lambda word: (num_texts[word], word), default="") for text in words]
    _, names = np.unique(np.array(rarest, dtype=str), return_inverse=True)
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    order = np.lexsort((rng.random(len(texts)), names, lengths))
    steps = (np.arange(number) + rng.random()) * len(texts) / number
    return np.sort(order[np.floor(steps).astype(np.int64).clip(0, len(texts) - 1)])
