"""Count what is trained on, source by source: rows, tokens, draws, and rows that teach less than they seem to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.batches import num_loss_tokens
from diagnose.rows.pool import TrainPool
from diagnose.rows.tokens import TokenRows

OTHERS = "other sources"
MOST_SOURCES = 20
"""Most sources that are counted for themselves, those of most draws; shards of a folder may be thousands."""


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Rows of one source of a corpus."""

    source: str
    num_rows: int
    num_tokens: int
    """Tokens of its rows, once each, as far as they are not truncated."""
    share: float
    """Share of the draws, in [0, 1]."""
    token_share: float
    """Share of the tokens that are drawn, in [0, 1]."""
    num_truncated: int
    """Rows longer than `train.max_length`, or than the model takes."""
    num_empty: int
    """Rows without a completion, which teach to answer nothing."""
    num_without_loss: int
    """Rows without a token in the loss, which teach nothing."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Rows of one source as they were drawn in a training."""

    source: str
    num_rows: int
    """Distinct rows that were drawn."""
    num_draws: int
    num_tokens: int
    """Tokens that were trained on, repeats counted."""


def count_sources(corpus: TrainPool, rows: TokenRows) -> tuple[SourceCounts, ...]:
    """Count the rows of each source of a corpus as it stands, that of most draws first.

    Args:
        corpus: Rows with the weights of their sources.
        rows: Their tokens.
    """
    sources, place = _sources(corpus, corpus.draws())
    draws = corpus.draws()
    tokens = draws * rows.lengths
    is_empty = np.array([not completion.strip() for completion in corpus.rows["completion"][:]], np.float64)

    def total(values: NDArray[np.float64]) -> list[float]:
        return [float(value) for value in np.bincount(place, values, minlength=len(sources))]

    columns = (
        total(np.ones(len(corpus))),
        total(rows.lengths.astype(np.float64)),
        total(draws),
        total(tokens / max(float(tokens.sum()), 1e-300)),
        total(rows.is_truncated.astype(np.float64)),
        total(is_empty),
        total((num_loss_tokens(rows) == 0).astype(np.float64)),
    )
    return tuple(
        SourceCounts(name, round(size), round(length), share, token_share, round(cut), round(empty), round(lossless))
        for name, size, length, share, token_share, cut, empty, lossless in zip(sources, *columns, strict=True)
    )


def count_draws(corpus: TrainPool, lengths: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[Drawn, ...]:
    """Count the draws of each source in a training, the most first.

    Args:
        corpus: Rows of the mix.
        lengths: Tokens of each, [num_rows].
        order: Rows as they are drawn, [num_draws].
    """
    times = np.bincount(order, minlength=len(corpus)).astype(np.float64)
    sources, place = _sources(corpus, times)
    columns = [
        np.bincount(place, values, minlength=len(sources)).tolist()
        for values in ((times > 0).astype(np.float64), times, times * lengths)
    ]
    return tuple(
        Drawn(name, round(size), round(draws), round(tokens))
        for name, size, draws, tokens in zip(sources, *columns, strict=True)
    )


def mean_drawn(trainings: Sequence[Sequence[Drawn]]) -> tuple[Drawn, ...]:
    """Average the draws of several trainings of one arm, source by source."""
    by_name: list[Mapping[str, Drawn]] = [{drawn.source: drawn for drawn in one} for one in trainings]
    names = dict.fromkeys(name for one in by_name for name in one)

    found = []
    for name in names:
        own = [one[name] for one in by_name if name in one]
        totals = sum(d.num_rows for d in own), sum(d.num_draws for d in own), sum(d.num_tokens for d in own)
        found.append(Drawn(name, *(round(total / len(by_name)) for total in totals)))
    return tuple(found)


def complaints(counts: Sequence[SourceCounts]) -> tuple[str, ...]:
    """Say which rows teach less than they seem to, a sentence with the way out for each kind."""
    what = (
        ("num_truncated", "are longer than train.max_length or the model's context and lose tokens; raise it"),
        ("num_empty", "have no completion and teach to answer nothing; leave them out, or check corpus.completion"),
        ("num_without_loss", "have no token in the loss and teach nothing; raise train.max_length, or leave them out"),
    )
    found = []
    for field, says in what:
        parts = [(one.source, getattr(one, field), one.num_rows) for one in counts if getattr(one, field)]
        if parts:
            listed = ", ".join(f"{number:,} of {size:,} of {source}" for source, number, size in parts)
            found.append(f"{sum(number for _, number, _ in parts):,} rows of corpus.train {says} ({listed})")
    return tuple(found)


def _sources(corpus: TrainPool, weights: NDArray[np.float64]) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the sources, those of most weight first and the rest as one, and the place of each row's among them."""
    names, place = np.unique(np.array(corpus.rows["source"][:], str), return_inverse=True)
    order = np.argsort(-np.bincount(place, weights, minlength=len(names)), kind="stable")
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    listed = names[order].tolist()
    if len(listed) > MOST_SOURCES:
        listed = [*listed[: MOST_SOURCES - 1], OTHERS]
    return listed, np.minimum(rank[place.reshape(-1)], len(listed) - 1)
