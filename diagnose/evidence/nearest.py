"""Find the training rows nearest to failed items where no predicate joins them: a data slice of soft members.

Natural text shares no word that names its skill. Rows are ranked by how near they lie to the failed items
(`diagnose.slices.data.nearness`): by words (BM25), by the measured model's hidden states, and by attribution, as the
absolute cosine of gradients, for a wrong answer works against the items and is of their kind all the same. Members are
determined in corpus and pool apart, so that a corpus without any has none while the pool has all of them. What all
prompts begin and end with is the evaluation's form, or the corpus's, and is removed.

Costs BM25 of the failed items (0.2 ms each for 50,000 rows) and a forward pass over the rows that words put nearest, as
many as are attributed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, compress, pairwise

import numpy as np
from numpy.typing import NDArray

from diagnose.case import Case, Scope
from diagnose.model.asked_model import Trained
from diagnose.model.hidden_states import mean_hidden_states
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import evenly_spaced, select_rows, text_pairs
from diagnose.slices.data.data_slice import DataSlice, Nearness
from diagnose.slices.data.effects import SliceQuery, slice_effects
from diagnose.slices.data.find import MIN_ROWS, DataJoin, data_slice
from diagnose.slices.data.nearness import NEIGHBOURS, by_states, by_words, least_degree, shares
from diagnose.slices.data.parts import ScoredParts
from diagnose.slices.listed import NEAREST, content_digest
from diagnose.slices.predicate import Slice
from evals.items import ItemResult
from evals.leaks.near_copies import without_template
from evals.leaks.resemblance import is_open

MIN_ITEMS = 20
"""Fewest failed items from which it can be estimated how near they lie to each other."""
MOST_ROWS = 200_000
"""Most rows of the corpus, and of the pool, that are considered, evenly spaced; they are held in memory."""
_CORE = 0.5
"""Smallest degree, by the other views, of rows that cosines are compared with: those as near as half of the items."""

Texts = Sequence[tuple[str, str]]
"""Prompt and completion of each text."""


@dataclass
class StatesOf:
    """Computes mean hidden states of texts and counts the tokens that go through the model."""

    trained: Trained
    delimiter: str
    num_tokens: int = 0
    """Tokens through a forward pass."""

    def __call__(self, texts: Texts) -> NDArray[np.float32]:
        """Compute mean hidden states, [num_texts, hidden_size]."""
        rows = self.trained.encode(texts, self.delimiter)
        self.num_tokens += rows.num_tokens
        return mean_hidden_states(self.trained.model, rows, self.trained.batch_tokens)


@dataclass(frozen=True, slots=True)
class _Side:
    """Rows of the corpus or of the pool that are considered."""

    numbers: NDArray[np.int64]
    """Row numbers, ascending, through the corpus and then the pool, [num_rows]."""
    texts: Texts
    """Texts without what all prompts have in common."""


@dataclass(frozen=True, slots=True)
class _Degrees:
    rows: Sequence[NDArray[np.float64]]
    """Degree of each row of each side, [num_rows]; -1 for rows that words alone put too far for hidden states."""
    items: NDArray[np.float64]
    views: tuple[str, ...]


@dataclass
class NearestRows:
    """Joins failing slices to the rows nearest to their failed items."""

    states_of: StatesOf | None
    """Computes hidden states; None where the model may not be used."""
    max_encoded: int | None
    """Most rows of either side whose hidden states are computed; None means all."""
    num_shown: int
    """Number of nearest rows that are shown, and of farthest."""

    def join(self, case: Case, scope: Scope, joins: Sequence[DataJoin], rows: ScoredParts) -> list[DataJoin]:
        """Find the data slices of each failing slice; for natural text that no predicate joins, the nearest rows.

        A run of words that most items share is in natural text a template or a word of grammar, and joins nothing
        unless other evidence supports it. In a closed grammar the words name the skill, and near rows need another one.

        Args:
            case: Case with corpus and pool.
            scope: The failing slices with their failed items.
            joins: Data slices of each by predicates.
            rows: As for `find_data_slices`; the first columns are those of the failing slices.
        """
        unjoined = [
            k
            for k, join in enumerate(joins)
            if (join.is_by_words or (not join.slices and join.unconfirmed is None))
            and len(scope.queries[k]) >= MIN_ITEMS
            and _is_natural(scope, k)
        ]
        if not unjoined:
            return list(joins)
        sides = [_side(case.corpus, 0)]
        if case.pool is not None:
            sides.append(_side(case.pool, len(case.corpus)))
        found = list(joins)
        for query in unjoined:
            degrees = self._degrees(_items(scope.queries[query]), sides, _cosines(rows, query))
            near = self._near(case, scope.failing[query].slice, query, sides, degrees, rows)
            if near is not None:
                found[query] = DataJoin((near,), None, None, sources=joins[query].sources)
        return found

    def _near(
        self, case: Case, failing: Slice, query: int, sides: Sequence[_Side], degrees: _Degrees, rows: ScoredParts
    ) -> DataSlice | None:
        """Make the data slice of the nearest rows; None where neither side has `MIN_ROWS` of them."""
        inside = [_members(of_rows, degrees.items) for of_rows in degrees.rows]
        members = np.concatenate([side.numbers[own] for side, own in zip(sides, inside, strict=True)])
        if not len(members):
            return None
        degree = np.concatenate([of_rows[own] for of_rows, own in zip(degrees.rows, inside, strict=True)])
        order = np.argsort(-degree, kind="stable")
        members, degree = members[order], degree[order]
        where = Slice(((NEAREST, str(failing)),), _contents(case, members))
        (effect,) = slice_effects(rows, [SliceQuery(where, query)])
        ranked = list(zip(members.tolist(), degree.tolist(), strict=True))
        nearness = Nearness(
            nearest=case.examples(ranked, self.num_shown),
            farthest=case.examples(ranked[::-1], self.num_shown),
            views=degrees.views,
        )
        return data_slice(effect, abs(effect.mean) or 1.0, nearness)

    def _degrees(self, items: Texts, sides: Sequence[_Side], cosines: NDArray[np.float64]) -> _Degrees:
        """Compute how near rows and items are, by all views."""
        texts = [text for side in sides for text in side.texts]
        numbers = np.concatenate([side.numbers for side in sides])
        ends = np.cumsum([0, *(len(side.texts) for side in sides)]).tolist()
        degree, of_items = _shares(by_words(_joined(texts), _joined(items), NEIGHBOURS), len(texts))
        views, is_encoded = ["words"], np.ones(len(texts), bool)
        if self.states_of is not None:
            is_encoded = np.concatenate([_first(degree[a:b], self.max_encoded) for a, b in pairwise(ends)])
            encoded = np.flatnonzero(is_encoded)
            states = self.states_of([texts[k] for k in encoded.tolist()])
            of_encoded, own = _shares(by_states(states, self.states_of(items), NEIGHBOURS), len(encoded))
            degree[encoded] = (degree[encoded] + of_encoded) / 2
            degree[~is_encoded] = -1
            of_items = (of_items + own) / 2
            views.append("hidden states")
        cosine = np.abs(cosines[numbers])
        is_known = np.isfinite(cosine) & is_encoded
        core = cosine[is_known & (degree >= _CORE)]
        if len(core) >= MIN_ITEMS:
            # An item has no cosine to itself: it stands where the other views put it, as do rows that were not scored.
            degree[is_known] += (shares(cosine[is_known], core) - degree[is_known]) / (len(views) + 1)
            views.append("attribution")
        return _Degrees([degree[a:b] for a, b in pairwise(ends)], of_items, tuple(views))


def _is_natural(scope: Scope, query: int) -> bool:
    texts = compress(scope.items.texts, scope.items.members(scope.failing[query].slice).tolist())
    return is_open(" ".join(filter(str.isalpha, text.split())) for text in texts)


def _shares(near: NDArray[np.float64], num_rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of rows, [num_rows], and of items, [num_items]."""
    return shares(near[:num_rows], near[num_rows:]), shares(near[num_rows:], near[num_rows:])


def _members(rows: NDArray[np.float64], items: NDArray[np.float64]) -> NDArray[np.int64]:
    inside = np.flatnonzero(rows >= least_degree(rows, items))
    return inside if len(inside) >= MIN_ROWS else inside[:0]


def _first(degree: NDArray[np.float64], most: int | None) -> NDArray[np.bool_]:
    """Mark the rows with the highest degrees, at most `most`, [num_rows]."""
    kept = np.zeros(len(degree), bool)
    kept[np.argsort(-degree, kind="stable")[:most]] = True
    return kept


def _cosines(rows: ScoredParts, query: int) -> NDArray[np.float64]:
    """Cosine of the gradient of each row of corpus and pool with those of the failed items; nan where unknown."""
    found = np.full(rows.num_corpus + rows.num_pool, np.nan)
    start = 0
    for part in rows:
        found[start + part.scored] = part.retrieval[:, query]
        start += len(part.table)
    return found


def _side(rows: TrainPool, first: int) -> _Side:
    places = evenly_spaced(len(rows), MOST_ROWS)
    part = rows.select(places).rows
    prompts = _bare(part["prompt"][:])
    return _Side(first + places, list(zip(prompts, part["completion"][:], strict=True)))


def _items(results: Sequence[ItemResult]) -> Texts:
    """Question and gold answer of each item, without the template of its task."""
    texts = ["" if result.item.text == result.item.target else result.item.text for result in results]
    for task in {result.item.task for result in results}:
        own = [k for k, result in enumerate(results) if result.item.task == task]
        for k, bare in zip(own, _bare([texts[k] for k in own]), strict=True):
            texts[k] = bare
    return [(text, result.item.target) for text, result in zip(texts, results, strict=True)]


def _bare(prompts: Sequence[str]) -> list[str]:
    """Remove the words that all prompts begin and end with, and put single spaces between the others."""
    return without_template([" ".join(prompt.split()) for prompt in prompts])


def _joined(texts: Texts) -> list[str]:
    return [f"{prompt} {completion}".strip() for prompt, completion in texts]


def _contents(case: Case, numbers: NDArray[np.int64]) -> tuple[str, ...]:
    """Digests of rows, each once, in the order of their numbers."""
    ascending = np.sort(numbers)
    texts = chain.from_iterable(map(text_pairs, select_rows(case.corpus, case.pool, ascending)))
    of_row = {n: content_digest(p or c, c) for n, (p, c) in zip(ascending.tolist(), texts, strict=True)}
    return tuple(dict.fromkeys(of_row[number] for number in numbers.tolist()))
