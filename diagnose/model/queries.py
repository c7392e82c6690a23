"""Queries of attribution: items whose outcome each training row may have changed.

An item is a function of the model in nats, lower is better: the loss of its gold answer; where another of its answers
won, the loss of the gold answer less the loss of that one, so that what lowers both alike has no effect. A query is a
weighted mean of items, one for each failing slice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.rows.tokens import TokenRows, encode
from evals.items import Item, ItemResult, OutputType


@dataclass(frozen=True, slots=True)
class Queries:
    """Weighted means of items, each a signed sum of the losses of token rows."""

    rows: TokenRows
    item: NDArray[np.int64]
    """Index of the item that the row belongs to, [num_rows]."""
    is_gold: NDArray[np.bool_]
    """Whether the row is a gold answer, [num_rows]; the loss of the other rows is subtracted."""
    weights: NDArray[np.float64]
    """Weight of each item in each query, [num_queries, num_items]; each query's sum is 1, or 0 if it has none."""

    def __post_init__(self) -> None:
        if self.weights.size == 0 or len(self.rows) == 0:
            raise ValueError(
                f"attribution needs a query, got {self.weights.shape[0]} queries of {len(self.rows)} rows; "
                "give at least one failed item"
            )
        assert len(self.item) == len(self.is_gold) == len(self.rows), "each row has an item and a sign"
        assert self.weights.shape[1] == self.item.max() + 1, "each item has a column of weights"

    def __len__(self) -> int:
        return len(self.weights)

    def only(self, number: int) -> "Queries":
        """Keep one of the queries, with its own items."""
        own = np.flatnonzero(self.weights[number])
        rows = np.flatnonzero(np.isin(self.item, own))
        item = np.searchsorted(own, self.item[rows])
        return Queries(self.rows.select(rows), item, self.is_gold[rows], self.weights[[number]][:, own])

    def without(self, items: Collection[int] | NDArray[np.int64]) -> "Queries":
        """Leave out items, whose weight goes to the others of their query; a query of these alone has no weight."""
        weights = self.weights * ~np.isin(np.arange(self.weights.shape[1]), list(items))
        total = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total != 0)
        return Queries(self.rows, self.item, self.is_gold, weights)


def weighted_rows(rows: TokenRows, weights: NDArray[np.float64]) -> Queries:
    """Make each row an item; `weights` is [num_queries, num_rows], the identity for a query of each row."""
    return Queries(rows, np.arange(len(rows)), np.ones(len(rows), bool), weights)


def failed_items(
    groups: Sequence[Sequence[ItemResult]], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Queries:
    """Make one query of each group of failed items, all of its items with equal weight; what stands in several groups
    has its rows once.

    An item is taken as the harness scored it: a generation as the gold answer after the prompt, a multiple choice as
    the gold answer against the one that won, a rolling likelihood as the whole text.

    Args:
        groups: At least one group, each with an item.
        tokenizer: Tokenizer of the model.
        max_length: Most tokens of a row; longer ones lose tokens at the front.
    """
    places = {key: k for k, key in enumerate(dict.fromkeys(r.item.key for group in groups for r in group))}
    results = list({result.item.key: result for group in groups for result in group}.values())
    answers = [(k, True, result.item.target) for k, result in enumerate(results)]
    answers += [(k, False, result.answer) for k, result in enumerate(results) if has_rival(result)]
    items = [results[k].item for k, _, _ in answers]
    rows = encode_answers(items, [answer for _, _, answer in answers], tokenizer, max_length)
    weights = np.zeros((len(groups), len(results)))
    for k, group in enumerate(groups):
        weights[k, [places[result.item.key] for result in group]] = 1 / len(group)
    return Queries(rows, np.array([k for k, _, _ in answers]), np.array([gold for _, gold, _ in answers]), weights)


def encode_answers(
    items: Sequence[Item], answers: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> TokenRows:
    """Encode an answer to each item."""
    # Delimiters differ between tasks, so each stands at the front of its answer.
    completions = [(one.delimiter if one.prompt else "") + answer for one, answer in zip(items, answers, strict=True)]
    return encode([item.prompt for item in items], completions, tokenizer, "", max_length)


def has_rival(result: ItemResult) -> bool:
    """Whether another answer of a multiple choice won."""
    return result.item.output_type is OutputType.MULTIPLE_CHOICE and result.answer not in ("", result.item.target)
