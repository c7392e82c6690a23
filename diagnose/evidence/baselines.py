"""Controls that name data slices without gradients: BM25, hidden states, plain loss.

Attribution is expensive and these are not, so each names a data slice of its own for every failing slice, by the same
rule. Where one of them names the same slice, attribution was not needed to name it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diagnose.attribution.shards import ScoredRows
from diagnose.case import Case, Scope
from diagnose.rows.bm25 import mean_scores
from diagnose.rows.selection import select_rows, text_pairs

CONTROLS = ("bm25", "hidden", "loss")
_SHARD_ROWS = 8192
"""Rows in one BM25 index, whose word frequencies are counted among these alone."""


def beside(case: Case, scope: Scope, parts: Iterator[ScoredRows]) -> Iterator[ScoredRows]:
    """Append columns for each control to effect and retrieval, as many as there are queries.

    The loss is per token, at the last checkpoint, and the same for every query.
    """
    for part in parts:
        loss = part.losses[-1] / np.maximum(part.num_loss_tokens, 1)
        columns = [bm25(case, scope, part.rows), part.hidden, np.repeat(loss[:, None], len(scope.failing), axis=1)]
        yield replace(
            part,
            effect=np.concatenate([part.effect, *columns], axis=1),
            retrieval=np.concatenate([part.retrieval, *columns], axis=1),
        )


def by_words(case: Case, scope: Scope) -> Iterator[ScoredRows]:
    """Give BM25 scores in the place of effect and retrieval; uses no model."""
    for start in range(0, len(scope.scored), _SHARD_ROWS):
        places = np.arange(start, min(start + _SHARD_ROWS, len(scope.scored)))
        scores = bm25(case, scope, places)
        yield ScoredRows(
            start=start,
            effect=scores,
            retrieval=scores,
            hidden=np.zeros_like(scores),
            losses=np.zeros((0, len(places)), np.float32),
            num_loss_tokens=np.zeros(len(places), np.int64),
            is_left_out=np.zeros(len(places), bool),
            num_truncated=0,
            num_tokens=0,
        )


def bm25(case: Case, scope: Scope, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean BM25 score of the scored rows at `places` for the failed items of each slice, [num_places, num_slices]."""
    parts = select_rows(case.corpus, case.pool, scope.scored[places])
    texts = [f"{prompt} {completion}" for part in parts for prompt, completion in text_pairs(part)]
    return np.stack([mean_scores(queries, texts) for queries in scope.texts], axis=1)
