"""Rows that no predicate tells from others, told by what they say: the condition `NEAREST` of a slice.

A digest of text and answer reads the same in corpus, pool and any part of them, so that a diagnosis can be handed on
as numbers and words. A microsecond a row.
"""

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

NEAREST = "nearness to failed items of"
"""The value names the failing slice; the rows are those of `Slice.contents`, and others are far."""


def content_digest(text: str, answer: str) -> str:
    """Of the prompt, or the whole of a plain text, and of the completion; spaces between words do not count."""
    said = f"{' '.join(text.split())}\x00{' '.join(answer.split())}"
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


def are_listed(contents: Collection[str], texts: Sequence[str], answers: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts with their answers are among these contents, [num_texts]."""
    known = frozenset(contents)
    if not known:
        return np.zeros(len(texts), bool)
    found = (content_digest(text, answer) in known for text, answer in zip(texts, answers, strict=True))
    return np.fromiter(found, bool, len(texts))
