"""`interventions=retrieve`: add rows of the pool that cover the data slice of each finding.

Of the rows inside the slice those are kept that pass the gate and are relevant to the failed items
(`interventions.selection.relevance`), and those that cover them are added (`interventions.selection.cover`). A slice
with more rows than can be compared with each other is reduced to an importance sample
(`interventions.selection.importance`); where more than that are wanted, they are drawn at random.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.finding import Cause, Finding
from diagnose.rows.cues import Pair, giving_away
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import text_pairs
from diagnose.slices.predicate import row_members
from evals.leaks.near_copies import normalise
from interventions.admission.gate import admit, contents
from interventions.plan.limits import Additions
from interventions.plan.step import RETRIEVE, Declined, Resources, Steps, Supply, action_key, unfit
from interventions.selection.cover import MOST_ROWS, covering, similarity
from interventions.selection.importance import importance_sample, log_weights
from interventions.selection.relevance import is_relevant

SHOWS_CUE = "shows the cue beside its answer"


@dataclass
class Retrieve(Additions):
    """Settings of the retrieval; every field is a key `interventions.<field>`."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return supply(finding, resources, self.num_examples)


def supply(finding: Finding, resources: Resources, num_examples: int | None) -> Steps:
    """Supply new rows of the pool in the finding's data slice, at most `num_examples`, in the order that covers it."""
    if reason := unfit(finding):
        return Declined(reason)
    where = finding.data_slice
    if action_key(RETRIEVE, where) in resources.judged:
        return Declined(f"adding rows of the pool with {where} was judged already")
    stock = resources.stock
    if stock.pool is None:
        return Declined("there is no pool to add rows from; set corpus.pool")
    is_inside = row_members(where, stock.pool)
    if not is_inside.any():
        return Declined(f"the pool has no row with {where}")
    own = stock.kept[row_members(where, stock.corpus.select(stock.kept))]
    inside = np.flatnonzero(is_inside).astype(np.int64)
    cued = _cued(stock.pool, inside, stock.corpus, own) if finding.cause is Cause.SHORTCUT else inside[:0]
    admitted = admit(stock.pool, np.setdiff1d(inside, cued), stock.gate, stock.said)
    blocked = {**admitted.blocked, **dict.fromkeys(stock.pool.rows.select(cued)["id"][:], SHOWS_CUE)}
    if not len(admitted.rows):
        counts = ", ".join(f"{count} {reason}" for reason, count in Counter(blocked.values()).items())
        return Declined(f"every row of the pool with {where} is blocked: {counts}")
    most = len(admitted.rows) if num_examples is None else num_examples
    rows, how = _chosen(finding, resources, admitted.rows, is_inside, most)
    return (Supply(finding=finding, rows=rows, why=f"new rows of the pool with {where}, {how}", blocked=blocked),)


def _chosen(
    finding: Finding,
    resources: Resources,
    rows: NDArray[np.int64],
    is_inside: NDArray[np.bool_],
    most: int,
) -> tuple[NDArray[np.int64], str]:
    """Choose at most `most` of the rows, in the order in which they cover the slice, and say how."""
    pool, items = resources.stock.pool, [normalise(query) for query in finding.queries]
    assert pool is not None, "rows of a pool are chosen"
    how, rng = [f"of {len(rows):,}"], np.random.default_rng(resources.seed)
    if len(rows) > max(most, MOST_ROWS):
        rows = rows[importance_sample(_texts(pool, rows), items, max(most, MOST_ROWS), rng)]
        how.append(f"{len(rows):,} of them an importance sample")
    texts, is_few = _texts(pool, rows), len(rows) <= MOST_ROWS
    states = None
    if resources.states is not None and items and is_few:
        states = resources.states(finding, pool.select(rows))
    known = resources.pool_effects(finding) if resources.pool_effects is not None and items else None
    row_effects = np.full(len(pool), np.nan, np.float32) if known is None else known
    elsewhere = row_effects[~is_inside]
    near = np.flatnonzero(is_relevant(texts, items, states, row_effects[rows], elsewhere[np.isfinite(elsewhere)]))
    if len(near) < len(rows):
        how.append(f"{len(near):,} of them near the failed items")
        rows, texts = rows[near], [texts[k] for k in near.tolist()]
    if not is_few:  # so many cover a slice by themselves
        return rng.permutation(rows)[:most], ", ".join(how)
    alike = similarity(texts, None if states is None else states.rows[near])
    return rows[covering(alike, np.exp(log_weights(texts, items)), most)], ", ".join([*how, "chosen to cover it"])


def _cued(pool: TrainPool, rows: NDArray[np.int64], corpus: TrainPool, own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the pool in which a cue gives the answer away, which would teach the shortcut once more."""
    gives = giving_away(_pairs(pool, rows), _pairs(corpus, own))
    return np.array([row for row, does in zip(rows.tolist(), gives, strict=True) if does], np.int64)


def _pairs(pool: TrainPool, rows: NDArray[np.int64]) -> list[Pair]:
    return [(prompt.split(), completion.split()) for prompt, completion in text_pairs(pool.select(rows))]


def _texts(pool: TrainPool, rows: NDArray[np.int64]) -> list[str]:
    return [text.replace("\x00", " ") for text in contents(pool, rows)]
