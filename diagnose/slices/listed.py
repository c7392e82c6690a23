"""Slices of rows that no predicate describes, listed by content: the condition `NEAREST` of a slice.

A digest of text and answer reads the same in corpus, pool and any part of them, so that a diagnosis can be passed on as
numbers and words. A microsecond a row.
"""

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

NEAREST = "nearness to failed items of"
"""Key of the condition. Its value names the failing slice; its rows are those of `Slice.contents`."""


def content_digest(text: str, answer: str) -> str:
    """Digest of the prompt, or the whole of a plain text, and of the completion; spaces between words do not count."""
    said = f"{' '.join(text.split())}\x00{' '.join(answer.split())}"
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def are_listed(contents: Collection[str], texts: Sequence[str], answers: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text with its answer is among these contents, [num_texts]."""
    known = frozenset(contents)
    if not known:
        return np.zeros(len(texts), bool)
    found = (content_digest(text, answer) in known for text, answer in zip(texts, answers, strict=True))
    return np.fromiter(found, bool, len(texts))
