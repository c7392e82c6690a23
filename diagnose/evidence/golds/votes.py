"""Votes: which answer each of several models gave to each item, beside the recorded gold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evals.items import ItemKey
from evals.leaks.near_copies import normalise

MIN_MODELS = 2
"""Fewest models that must answer an item, and fewest that must agree on another answer: one alone may just err."""


@dataclass(frozen=True, slots=True)
class AskedItem:
    """An item whose gold may be doubted."""

    key: ItemKey
    gold: str
    choices: tuple[str, ...]
    """Answers that could be chosen; empty where they were written."""
    group: str
    """Subject of the item: kinds of items and errors of golds are alike in one."""


@dataclass(frozen=True, slots=True)
class Votes:
    items: tuple[AskedItem, ...]
    models: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    """Answers of each item that can be voted for, the gold among them."""
    given: NDArray[np.int64] = field(repr=False)
    """Place among the options that each model chose, -1 without an answer, [num_items, num_models]."""
    gold: NDArray[np.int64] = field(repr=False)
    """Place of the recorded gold among the options, [num_items]."""
    num_options: NDArray[np.int64] = field(repr=False)
    """Number of answers that there are, [num_items]; of written ones one more than anybody gave."""

    def counts(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the weights of the models that chose each option, [num_items, most_options]; 0 where nobody did."""
        width = int(self.num_options.max(initial=0))
        chosen = self.given[:, :, None] == np.arange(width)
        return np.asarray((chosen * weights[:, None]).sum(axis=1), np.float64)


def count_votes(items: Sequence[AskedItem], answers: Mapping[str, Mapping[ItemKey, str]]) -> Votes:
    """Count who gave which answer; items without a gold, or answered by fewer than two models, are left out.

    Args:
        items: Items with their golds.
        answers: Answers by model and item. Written answers are the same where they are after normalising case, space
            and punctuation; one that is none of the choices is no answer.

    Raises:
        ValueError: fewer than two models answered.
    """
    if len(answers) < MIN_MODELS:
        raise ValueError(f"golds are doubted by the answers of at least {MIN_MODELS} models, got {len(answers)}")
    kept: list[AskedItem] = []
    options: list[tuple[str, ...]] = []
    rows: list[list[int]] = []
    golds: list[int] = []
    for item in items:
        said = [of_model.get(item.key) for of_model in answers.values()]
        of_item = _options(item, [answer for answer in said if answer is not None])
        place = {normalise(text): number for number, text in reversed(list(enumerate(of_item)))}
        row = [-1 if answer is None else place.get(normalise(answer), -1) for answer in said]
        if not item.gold or normalise(item.gold) not in place or sum(k >= 0 for k in row) < MIN_MODELS:
            continue
        kept.append(item)
        options.append(of_item)
        rows.append(row)
        golds.append(place[normalise(item.gold)])
    unseen = [0 if item.choices else 1 for item in kept]
    return Votes(
        items=tuple(kept),
        models=tuple(answers),
        options=tuple(options),
        given=np.array(rows, np.int64).reshape(len(kept), len(answers)),
        gold=np.array(golds, np.int64),
        num_options=np.array([len(one) + more for one, more in zip(options, unseen, strict=True)], np.int64),
    )


def model_weights(votes: Votes) -> NDArray[np.float64]:
    """Weight of each model, [num_models]: how far it agrees with the most frequent answer of the others beyond chance,
    as a share of what the best model does; a model that guesses has none. Golds are not looked at."""
    weights = np.zeros(len(votes.models))
    for model in range(len(votes.models)):
        others = np.ones(len(votes.models))
        others[model] = 0
        counts = votes.counts(others)
        usable = (votes.given[:, model] >= 0) & (counts.max(axis=1, initial=0) > 0)
        if not usable.any():
            continue
        agrees = float((counts.argmax(axis=1) == votes.given[:, model])[usable].mean())
        chance = float((1 / votes.num_options[usable]).mean())
        weights[model] = max(0.0, (agrees - chance) / (1 - chance))
    return weights / weights.max() if weights.max() > 0 else np.ones(len(votes.models))


def _options(item: AskedItem, said: Sequence[str]) -> tuple[str, ...]:
    """The choices, else the different answers with the gold first."""
    if item.choices:
        return item.choices
    return tuple({normalise(text): text for text in (*reversed(said), item.gold)}.values())[::-1]
