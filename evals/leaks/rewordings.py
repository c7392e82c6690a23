"""Find items in other words, which share no run of 13 words, from sets of hashed terms that reveal no item.

The nearness of a text to an item is the square root of the cosine of their content words, each weighted by its rarity
among the task's items (inverse document frequency; Sparck Jones 1972), times the overlap of their numbers. A text is a
rewording of the item that it is nearest to where it is nearer to it than to every other item by more than different
items are, and where the two share more than two texts share by chance. Both bounds come from the evaluation itself:
each of its items is compared with the others, and the tail of these leads gives the bound that one text in a thousand
that asks something else exceeds. So questions of one template, which differ in the values of its slots alone, and
sentences of a closed grammar are no rewordings of each other: they are near many items at once.

Cost: 60 microseconds for a text of 30 words against 20,000 items; 200 bytes for each item.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from evals.leaks.contents import NUM_BUCKETS, NUM_TERMS, contents, of_terms, question_of, question_with_options
from evals.leaks.near_copies import NUM_WORDS, ItemText

FALSE_ALARMS = 1e-3
"""Share of texts of a task's kind that ask something else and may be reported; also the chance at which a text whose
words were drawn one by one would share as much with any of the items."""
LEAST = (1 / 3) ** 1.5
"""Smallest lead of a rewording: the nearness of texts without numbers at a cosine of a third."""
QUESTION, ANSWERED, OPTIONS = range(3)
"""Parts of an item that are compared: its text; text and answer, where answers are long, because a row of plain text
does not show where its own begins; the question with its options alone, where a passage stands before it."""

_TAIL = 0.1
"""Share of the items, those with the largest leads, that make up the tail."""
_TRUSTED = 0.5
"""Share of the tail that is measured, the lower part: the upper part may be items that an evaluation asks twice."""
_PSEUDO = 0.5
"""Pseudo-count added to the numbers of two texts, which agree as far as their words do: so six of six agreeing numbers
count more than one of one, and texts without numbers are compared by their words."""
_POSTINGS = 512
"""Most texts, counted once per term, in which the rarest terms of a text are looked up."""
_CANDIDATES = 32
"""Most texts of a kind that a text is compared with, those that share most."""
_IS_WORD = np.arange(NUM_TERMS) < NUM_BUCKETS


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Kind:
    """Texts that are compared with each other: one part (`view`) of the items of one task. `make_kind` makes it of the
    first four fields."""

    view: int
    owners: NDArray[np.int64]
    """Index of the item that each text belongs to, [num_texts]."""
    terms: csr_array
    """Terms of each text (`evals.leaks.contents`), [num_texts, NUM_TERMS]."""
    least: float
    """Bound on the lead: a text with a larger one is a rewording."""
    same: NDArray[np.int64]
    """Number of each text's set of terms, equal where the sets are, [num_texts]."""
    num_texts: NDArray[np.float32]
    """Number of texts that have each term, [NUM_TERMS]."""
    rarity: NDArray[np.float32]
    """Surprise at each term in nats, [NUM_TERMS]."""
    texts_of: csr_array
    """The terms transposed, [NUM_TERMS, num_texts]."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Nearest:
    """The nearest text of a kind to each text that is near any; [num_found] each."""

    texts: NDArray[np.int64]
    """Index of the text that was compared, increasing."""
    found: NDArray[np.int64]
    """Index of the nearest text of the kind."""
    lead: NDArray[np.float64]
    """How much nearer that text is than the nearest one of other terms, [0, 1]."""
    shared: NDArray[np.float64]
    """Surprise at the terms that the two share, nats."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Rewordings:
    """Contents of items as hashed terms. Build it with `make_rewordings`."""

    kinds: tuple[Kind, ...]

    def pairs(self, texts: Sequence[str], is_plain: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Pairs of a text and an item that it rewords, [num_pairs, 2]: index of the text, index of the item.

        Args:
            texts: Questions, or whole rows of plain text.
            is_plain: Which of them are whole rows, and may hold an answer beside the question.
        """
        pairs = [np.zeros((0, 2), np.int64)]
        for kind, near in self._near(texts, is_plain):
            is_reworded = _strength(kind, near) > 1
            places, same = near.texts[is_reworded], kind.same[near.found[is_reworded]]
            rank, items = np.nonzero(same[:, np.newaxis] == kind.same)
            pairs.append(np.stack([places[rank], kind.owners[items]], axis=1))
        return np.unique(np.concatenate(pairs), axis=0)

    def strength(self, texts: Sequence[str], is_plain: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Lead of each text over its bound, [num_texts]: above 1 for rewordings, 0 where too little is shared."""
        strength = np.zeros(len(texts))
        for kind, near in self._near(texts, is_plain):
            strength[near.texts] = np.maximum(strength[near.texts], _strength(kind, near))
        return strength

    def _near(self, texts: Sequence[str], is_plain: NDArray[np.bool_]) -> Iterator[tuple[Kind, Nearest]]:
        questions = [question_of(text) if plain else text for text, plain in zip(texts, is_plain, strict=True)]
        is_whole = [plain and text == own for plain, text, own in zip(is_plain, questions, texts, strict=True)]
        terms, whole = contents(questions), np.flatnonzero(is_whole)
        for kind in self.kinds:
            if kind.view == ANSWERED:
                near = nearest(kind, contents([texts[k] for k in whole.tolist()]))
                yield kind, replace(near, texts=whole[near.texts])
            elif kind.view == OPTIONS:
                yield kind, nearest(kind, contents(list(map(question_with_options, questions))))
            else:
                yield kind, nearest(kind, terms)


def make_rewordings(texts: Sequence[ItemText]) -> Rewordings:
    """Index items, as a rule those of all splits: the more of a task, the better its bound is known."""
    by_task: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        by_task.setdefault(text.task, []).append(index)
    kinds = []
    for indices in by_task.values():
        own = [texts[index] for index in indices]
        views = {
            QUESTION: [text.text for text in own],
            ANSWERED: [
                f"{text.text} {text.target}" if text.target.count(" ") >= NUM_WORDS - 1 else text.text for text in own
            ],
            OPTIONS: [question_with_options(text.text) for text in own],
        }
        for view, compared in views.items():
            if view == QUESTION or compared != views[QUESTION]:
                kinds.append(bounded(view, np.array(indices, np.int64), contents(compared)))
    return Rewordings(tuple(kinds))


def bounded(view: int, owners: NDArray[np.int64], terms: csr_array) -> Kind:
    """Make a kind with the bound that follows from its own texts.

    Beyond the tenth of them that have the largest leads, leads fall off exponentially (Pickands 1975, with
    shape 0). The scale is that of the lower half of those, the upper half censored (Epstein and Sobel 1953), and the
    bound the one that a further draw exceeds with the given probability, whatever the scale is: the fewer texts,
    the higher it lies.
    """
    kind = make_kind(view, owners, terms, math.inf)
    near = nearest(kind, terms, but_same=True)
    leads = np.zeros(len(owners))
    leads[near.texts] = near.lead
    leads = np.sort(leads)[::-1]
    num_tail = max(int(_TAIL * len(leads)), 1)
    start = leads[num_tail] if num_tail < len(leads) else 0.0
    above = np.sort(leads[:num_tail] - start)
    num_trusted = math.ceil(_TRUSTED * num_tail)
    total = above[:num_trusted].sum() + (num_tail - num_trusted) * above[num_trusted - 1]
    least = start + total * ((num_tail / len(leads) / FALSE_ALARMS) ** (1 / num_trusted) - 1)
    return make_kind(view, owners, terms, max(float(least), LEAST))


def make_kind(view: int, owners: NDArray[np.int64], terms: csr_array, least: float) -> Kind:
    num_texts = np.asarray(terms.sum(axis=0), np.float32)
    rarity = np.log((len(owners) + 1) / (num_texts + 0.5)).astype(np.float32)
    _, same = np.unique([row.tobytes() for row in np.split(terms.indices, terms.indptr[1:-1])], return_inverse=True)
    return Kind(view, owners, terms, least, same, num_texts, rarity, csr_array(terms.T))


def nearest(kind: Kind, terms: csr_array, but_same: bool = False) -> Nearest:
    """Find the text of a kind that each text is nearest to.

    Args:
        kind: Texts to search.
        terms: Terms of the texts, [num_texts, NUM_TERMS].
        but_same: Leaves out texts of the same terms, where the texts are the kind's own.
    """
    one, other = _candidates(kind, terms)
    if but_same:
        one, other = np.stack([one, other])[:, kind.same[one] != kind.same[other]]
    shared = terms[one].multiply(kind.terms[other])
    words, numbers = kind.rarity**2 * _IS_WORD, ~_IS_WORD * np.float32(1)
    sizes = np.maximum((terms @ words)[one] * (kind.terms @ words)[other], 1e-12)
    cosine = np.minimum((shared @ words) / np.sqrt(sizes), 1)
    common = shared @ numbers
    either = (terms @ numbers)[one] + (kind.terms @ numbers)[other] - common
    near = np.sqrt(cosine) * (common + _PSEUDO * cosine) / (either + _PSEUDO)
    order = np.lexsort((other, -near, one))
    one, other, near = one[order], other[order], near[order]
    texts, first = np.unique(one, return_index=True)
    if not len(texts):
        return Nearest(texts, texts, np.zeros(0), np.zeros(0))
    is_other = kind.same[other] != np.repeat(kind.same[other[first]], np.diff(np.append(first, len(one))))
    second = np.maximum.reduceat(np.where(is_other, near, 0), first)
    return Nearest(texts, other[first], near[first] - second, (shared @ kind.rarity)[order][first])


def _strength(kind: Kind, near: Nearest) -> NDArray[np.float64]:
    return np.where(near.shared >= _evidence(kind), near.lead / kind.least, 0)


def _evidence(kind: Kind) -> float:
    """Fewest nats to share: of texts of independent words, one in a thousand shares as much with any of the items."""
    return math.log(len(kind.owners) / FALSE_ALARMS)


def _candidates(kind: Kind, terms: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ordered pairs of a text and one of the kind that share half of the evidence in the text's rarest terms."""
    owners = np.repeat(np.arange(terms.shape[0]), np.diff(terms.indptr))
    sizes = kind.num_texts[terms.indices]
    order = np.lexsort((sizes, owners))
    total = np.cumsum(sizes[order], dtype=np.float64)
    before = np.append(0, total)[terms.indptr[owners]]
    kept = np.sort(order[(total - before <= _POSTINGS) & (sizes[order] > 0)])
    starts = np.searchsorted(owners[kept], np.arange(terms.shape[0] + 1))
    rare = of_terms(starts, terms.indices[kept])
    rare.data = kind.rarity[rare.indices]
    met = (rare @ kind.texts_of).tocoo()
    is_much = met.data >= _evidence(kind) / 2
    one, other, shares = met.coords[0][is_much], met.coords[1][is_much], met.data[is_much]
    order = np.lexsort((other, -shares, one))
    one, other = one[order], other[order]
    rank = np.arange(len(one)) - np.searchsorted(one, one)
    return one[rank < _CANDIDATES].astype(np.int64), other[rank < _CANDIDATES].astype(np.int64)


def to_arrays(rewordings: Rewordings) -> dict[str, NDArray[np.generic]]:
    """Arrays to store, which `from_arrays` reads."""
    kinds = rewordings.kinds
    columns = [np.zeros(0, np.uint32), *(kind.terms.indices.astype(np.uint32) for kind in kinds)]
    return {
        "kind_views": np.array([kind.view for kind in kinds], np.int64),
        "kind_sizes": np.array([len(kind.owners) for kind in kinds], np.int64),
        "kind_bounds": np.array([kind.least for kind in kinds], np.float64),
        "kind_items": np.concatenate([np.zeros(0, np.int64), *(kind.owners for kind in kinds)]),
        "kind_num_terms": np.concatenate([np.zeros(0, np.int64), *(np.diff(kind.terms.indptr) for kind in kinds)]),
        "kind_terms": np.concatenate(columns),
    }


def from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> Rewordings:
    """Rebuild what `to_arrays` stored."""
    ends = np.cumsum(arrays["kind_sizes"].astype(np.int64))
    starts = np.append(0, np.cumsum(arrays["kind_num_terms"].astype(np.int64)))
    columns = arrays["kind_terms"].astype(np.int64)
    kinds = []
    for view, size, end, least in zip(
        arrays["kind_views"], arrays["kind_sizes"], ends, arrays["kind_bounds"], strict=True
    ):
        own = slice(end - int(size), end)
        places = starts[own.start : own.stop + 1]
        terms = of_terms(places - places[0], columns[places[0] : places[-1]])
        kinds.append(make_kind(int(view), arrays["kind_items"][own].astype(np.int64), terms, float(least)))
    return Rewordings(tuple(kinds))
