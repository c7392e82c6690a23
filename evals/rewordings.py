"""Long items in other words: what no run of 13 words tells, from signatures that give no item away.

A text is a rewording where at least half of its runs of three words are the item's (estimated Jaccard similarity .5;
`evals.resemblance`) and its numbers, in digits or words, are the item's: the same question with other numbers is
another question. Only items of 13 words and more of tasks with an open vocabulary have any, and runs that belong to a
task's template do not count (`near_copies.item_ngrams`). Higher thresholds tell nothing new: one word that is changed
takes three runs, so texts with a similarity of .8 have nearly always a run of 13 words in common (docs/LOG.md,
2026-11-22).

Cost: 25 microseconds for a text of 25 words against 20,000 items, nothing for short ones; 1.2 kB for each long item.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.near_copies import ItemText, item_ngrams, ngrams, normalise
from evals.resemblance import RUN, band_keys, is_long, is_open, short_runs, signatures, similarity

NEAR = 0.5
"""Estimated Jaccard similarity of rewordings."""
_BAND = 3
"""Numbers of a signature in each of 21 bands: of pairs with a similarity of .5 one agrees in 94 %, of .6 in 99 %."""
_NUMBER = re.compile(
    r"\d+|\b(?:zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen"
    r"|half|halves|third|thirds|quarter|quarters|once|twice|thrice|double|triple|[b-hj-z])\b"
)
"""And single letters, which name what is asked. Not "one" and "second", nor the words "a" and "i"."""
_MOST_ALIKE = 32
"""Items that share a band; more of them share a template, and the band tells nothing."""
_COMPARED = 65_536
"""Pairs compared at once: bounds the memory."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Rewordings:
    """What long items say, as numbers. Build it with `make_rewordings`."""

    template_runs: NDArray[np.uint64]
    """Sorted; runs of three words that do not count."""
    signed: NDArray[np.uint32]
    """[num_signatures, NUM_HASHES]."""
    owners: NDArray[np.int64]
    """Index of the item that each signature is of, [num_signatures]."""
    _keys: NDArray[np.uint64]
    """Sorted; of the bands of all signatures."""
    _signatures: NDArray[np.int64]
    """Index of the signature that each key is of."""

    def pairs(self, normal: Sequence[str]) -> NDArray[np.int64]:
        """Texts, normalised, that are rewordings, [num_pairs, 2]: index of the text, index of the item."""
        if not len(self.signed) or not any(map(is_long, normal)):
            return np.zeros((0, 2), np.int64)
        runs = short_runs(normal, [_numbers(text) for text in normal], self.template_runs)
        texts, signed = np.unique(runs.owners), signatures(runs)
        keys = band_keys(signed, _BAND)
        first = np.searchsorted(self._keys, keys.ravel(), side="left")
        counts = np.searchsorted(self._keys, keys.ravel(), side="right") - first
        counts[counts > _MOST_ALIKE] = 0
        met = np.repeat(np.arange(len(texts)), counts.reshape(keys.shape).sum(axis=1))
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        other = self._signatures[np.repeat(first, counts) + within]
        both = np.stack(np.divmod(np.unique(met * len(self.signed) + other), len(self.signed)), axis=1)
        is_near = np.zeros(len(both), np.bool_)
        for start in range(0, len(both), _COMPARED):
            one, item = both[start : start + _COMPARED].T
            is_near[start : start + _COMPARED] = similarity(signed[one], self.signed[item]) >= NEAR
        near = both[is_near]
        return np.stack([texts[near[:, 0]], self.owners[near[:, 1]]], axis=1)


def make_rewordings(texts: Sequence[ItemText]) -> Rewordings:
    """Of the questions, which prompts of rows may repeat, and of questions with answers, which plain text may."""
    by_task: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        by_task.setdefault(text.task, []).append(index)
    owners = [
        index
        for indices in by_task.values()
        if is_open(filter(is_long, (normalise(texts[index].text) for index in indices)))
        for index in indices
    ]
    questions = [normalise(texts[index].text) for index in owners]
    wholes = [f"{words} {normalise(texts[index].target)}" for index, words in zip(owners, questions, strict=True)]
    counting = item_ngrams([texts[index] for index in owners], RUN).hashes
    template_runs = np.setdiff1d(ngrams(questions, RUN).hashes, counting)
    normal = [*questions, *wholes]
    runs = short_runs(normal, [_numbers(text) for text in normal], template_runs)
    kept = np.array([*owners, *owners], np.int64)[np.unique(runs.owners)]
    return from_signatures(template_runs, signatures(runs), kept)


def from_signatures(
    template_runs: NDArray[np.uint64], signed: NDArray[np.uint32], owners: NDArray[np.int64]
) -> Rewordings:
    """What `make_rewordings` made, of its parts."""
    keys = band_keys(signed, _BAND)
    order = np.argsort(keys, axis=None, kind="stable")
    return Rewordings(template_runs, signed, owners, keys.ravel()[order], order // keys.shape[1])


def _numbers(text: str) -> str:
    """Of a question: those that it gives."""
    return " ".join(sorted(set(_NUMBER.findall(text)))) if is_long(text) else ""
