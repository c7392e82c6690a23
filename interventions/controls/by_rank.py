"""Controls that rank rows without attribution: by words shared with the failures, by the model's own loss."""

import numpy as np

from diagnose.rows.bm25 import in_turn
from diagnose.rows.selection import text_pairs
from interventions.controls.contest import Chosen, Contest, Side


def nearest_by_words(contest: Contest, side: Side, number: int, rng: np.random.Generator) -> Chosen:
    """Take rows nearest to the failed probe items by BM25, the items taking turns so that each gets its neighbours."""
    del rng
    queries = [query for finding in contest.acted_on for query in finding.queries]
    texts = [f"{prompt} {completion}" for prompt, completion in text_pairs(side.pool.select(side.rows))]
    order = in_turn(queries, texts, depth=2 * number)
    return Chosen(side.first(side.rows[order], number), f"nearest to {len(queries):,} failed items by BM25")


def of_highest_loss(contest: Contest, side: Side, number: int, rng: np.random.Generator) -> Chosen:
    """Take rows of the highest loss under the champion, among at most `diagnose.max_rows` drawn at random."""
    order = rng.permutation(side.rows)
    most = len(order) if contest.max_rows is None else contest.max_rows
    drawn, rest = order[:most], order[most:]
    losses = contest.row_losses(side.pool.select(drawn))
    ranked = drawn[np.argsort(-losses.per_token, kind="stable")]
    rows = side.first(np.concatenate([ranked, rest]), number)
    return Chosen(rows, f"of the highest loss among {len(drawn):,}", losses.num_tokens)
