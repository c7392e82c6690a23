"""Doubtful golds, the most doubtful first, with who says otherwise: for a benchmark's maintainer, not for a fix.

No change of data is ever proposed from them: what many models answer is no truth, and a model that is trained towards
it would only learn to agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diagnose.evidence.golds.kinds import Counted, WrongGolds, find_wrong_golds
from diagnose.evidence.golds.votes import MIN_MODELS, AskedItem, Votes, count_votes, model_weights
from evals.items import ItemKey


@dataclass(frozen=True, slots=True)
class GoldDoubt:
    """An item on which more votes go to one other answer than to the gold, those of two models at least."""

    key: ItemKey
    recorded_gold: str
    suggested_gold: str
    """Answer with the most weighted votes beside the gold."""
    probability: float
    """Probability that the recorded gold is wrong."""
    probability_suggested: float
    """Probability that it is wrong and the suggested one is right."""
    models: tuple[str, ...]
    """Models that gave the suggested answer."""
    models_for_gold: tuple[str, ...]
    num_models: int
    """Number of models that answered."""


@dataclass(frozen=True, slots=True)
class GoldDoubts:
    doubts: tuple[GoldDoubt, ...]
    """Doubted items, the most probably wrong gold first."""
    num_items: int
    """Number of items whose golds were judged."""
    expected: float
    """Number of wrong golds among them that the probabilities add up to, doubted items and others."""
    weights: Mapping[str, float]
    """Weight of each model's vote, in [0, 1]."""


def doubt_golds(items: Sequence[AskedItem], answers: Mapping[str, Mapping[ItemKey, str]]) -> GoldDoubts:
    """Doubt the golds of items by the answers of several models.

    Args:
        items: Items with their recorded golds.
        answers: Answers by model and item.

    Raises:
        ValueError: fewer than two models answered, or no item by two.
    """
    votes = count_votes(items, answers)
    if not votes.items:
        raise ValueError(
            f"no item with a gold was answered by two of {', '.join(votes.models)}; golds are doubted by several "
            "models' answers to the same items: record them on the same tasks"
        )
    weights = model_weights(votes)
    counts = votes.counts(weights)
    _, groups = np.unique([item.group for item in votes.items], return_inverse=True)
    wrong = find_wrong_golds(Counted(counts, votes.gold, votes.num_options, groups))
    of_gold = counts[np.arange(len(counts)), votes.gold]
    order = np.argsort(-wrong.wrong, kind="stable").tolist()
    outvoted = [_doubt(votes, wrong, k, int(counts[k].argmax())) for k in order if counts[k].max() > of_gold[k]]
    return GoldDoubts(
        doubts=tuple(doubt for doubt in outvoted if len(doubt.models) >= MIN_MODELS),
        num_items=len(votes.items),
        expected=float(wrong.wrong.sum()),
        weights=dict(zip(votes.models, weights.tolist(), strict=True)),
    )


def _doubt(votes: Votes, wrong: WrongGolds, number: int, suggested: int) -> GoldDoubt:
    item, given = votes.items[number], votes.given[number].tolist()
    return GoldDoubt(
        key=item.key,
        recorded_gold=item.gold,
        suggested_gold=votes.options[number][suggested],
        probability=float(wrong.wrong[number]),
        probability_suggested=float(wrong.of_option[number, suggested]),
        models=tuple(name for name, place in zip(votes.models, given, strict=True) if place == suggested),
        models_for_gold=tuple(
            name for name, place in zip(votes.models, given, strict=True) if place == votes.gold[number]
        ),
        num_models=sum(place >= 0 for place in given),
    )
