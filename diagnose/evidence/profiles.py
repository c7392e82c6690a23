"""Profile slices: features of each slice's data, beside how the model behaves on its items.

A slice that can be read on both sides has features of its training rows (how many, how long, how rare their words, how
likely under the model, how many copies, how far they agree) and a failure rate of its items. A ridge regression over
slices shows which features go with failing; with few slices it shows little, and its error on slices left out shows how
little. It describes; causes are found by tests (`diagnose.evidence`).

Costs seconds for 20,000 rows, and no model beyond what attribution computed.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from diagnose.evidence.subject import Rows, share_against
from diagnose.finding.finding import FeatureWeight, Profile, Profiles
from diagnose.rows.ngrams import word_grams
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, SliceTable
from evals.items import ItemResult
from evals.statistics.intervals import Interval, wilson

FEATURES = ("rows", "length", "rarity", "loss", "copies", "disagreement")
"""Features of a slice's corpus rows: log10 of their share of the corpus; mean words; mean negative log10 frequency of
their words; mean loss at the last checkpoint, nats per token; share that are copies; share of absolute effect on all
failed items that is against them."""
MOST_SLICES = 20
_LEAST_ITEMS = 20
_LEAST_SLICES = 6
"""Fewest slices for a fit."""
_STRENGTHS = np.logspace(-2, 3, 16)
_DRAWS = 200
_MOST_TEXTS = 2000
"""Most rows of a slice whose words are counted."""


def join_profiles(results: Sequence[ItemResult], items: SliceTable, rows: Rows, table: SliceTable) -> Profiles:
    """Profile the frequent slices that items and rows share.

    Args:
        results: Results of all probe items.
        items: The probe items as slices read them.
        rows: A sample of the training rows.
        table: The sample as slices read it.
    """
    corpus = ~rows.in_pool
    failed = np.array([result.is_failed for result in results])
    frequency = _word_frequencies(table, corpus)
    profiles = []
    for where in _shared(items, table):
        inside, own = items.members(where), table.members(where) & corpus
        rate = wilson(int(failed[inside].sum()), int(inside.sum()))
        profiles.append(
            Profile(
                slice=where,
                num_items=int(inside.sum()),
                failure_rate=rate.mean,
                ci=rate.interval,
                num_rows=int(own.sum()),
                features=_features(rows, table, own, corpus, frequency),
            )
        )
    profiles.sort(key=lambda profile: (-profile.failure_rate, str(profile.slice)))
    return Profiles(tuple(profiles), *_fitted(profiles))


def _shared(items: SliceTable, table: SliceTable) -> list[Slice]:
    """List values of fields, then words, most frequent first: none holds for all items, no two for the same items."""
    named: list[Slice] = []
    for name in items.fields:
        if name in table.fields and name != "task":
            counts = Counter(value for value in items.fields[name].tolist() if value is not None)
            named += [Slice(((name, value),)) for value, count in counts.most_common() if count >= _LEAST_ITEMS]
    grams = word_grams(items.texts, _LEAST_ITEMS)
    holds = np.asarray(grams.holds.sum(axis=0)).ravel()
    words = [k for k in np.argsort(-holds, kind="stable").tolist() if " " not in grams.grams[k]]
    named += [Slice(((PROMPT_CONTAINS, grams.grams[k]),)) for k in words if holds[k] < 0.9 * len(items)]
    kept: list[Slice] = []
    seen: set[bytes] = set()
    for where in named:
        members = items.members(where)
        key = np.packbits(members).tobytes()
        if len(kept) < MOST_SLICES and key not in seen and not members.all():
            seen.add(key)
            kept.append(where)
    return kept


def _word_frequencies(table: SliceTable, corpus: NDArray[np.bool_]) -> Mapping[str, float]:
    counts = Counter(word for k in np.flatnonzero(corpus).tolist() for word in table.texts[k].split())
    total = max(counts.total(), 1)
    return {word: count / total for word, count in counts.items()}


def _features(
    rows: Rows, table: SliceTable, own: NDArray[np.bool_], corpus: NDArray[np.bool_], frequency: Mapping[str, float]
) -> dict[str, float]:
    share = (own.sum() + 0.5) / (corpus.sum() + 1)
    features = {"rows": math.log10(share)}
    if not own.any():
        return features
    places = np.flatnonzero(own)
    words = [table.texts[k].split() for k in places[:_MOST_TEXTS].tolist()]
    rarity = [np.mean([-math.log10(frequency[word]) for word in each]) for each in words if each]
    return features | {
        "length": float(np.mean([len(each) for each in words])),
        "rarity": float(np.mean(rarity)) if rarity else 0.0,
        "loss": float(rows.losses[own, -1].mean()),
        "copies": float(1 - (1 / rows.copies.counts[own[corpus]]).mean()),
        "disagreement": share_against(rows.effect[own]),
    }


def _fitted(profiles: Sequence[Profile]) -> tuple[tuple[FeatureWeight, ...], float | None]:
    whole = [profile for profile in profiles if len(profile.features) == len(FEATURES)]
    if len(whole) < _LEAST_SLICES:
        return (), None
    x = np.array([[profile.features[name] for name in FEATURES] for profile in whole])
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    failed = np.array([profile.failure_rate * profile.num_items for profile in whole])
    items = np.array([profile.num_items for profile in whole], np.float64)
    odds = np.log((failed + 0.5) / (items - failed + 0.5))
    weights = _ridge(x, odds, items)
    left_out = cross_val_predict(RidgeCV(_STRENGTHS), x, odds, cv=LeaveOneOut(), params={"sample_weight": items})
    mean = np.average(odds, weights=items)
    variance = np.average((odds - mean) ** 2, weights=items)
    error = np.average((odds - left_out) ** 2, weights=items)
    explained = float(1 - error / variance) if variance > 0 else 0.0
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(whole), size=len(whole)) for _ in range(_DRAWS)]
    low, high = np.quantile([_ridge(x[k], odds[k], items[k]) for k in drawn], (0.025, 0.975), axis=0)
    found = [
        FeatureWeight(name, float(weights[k]), Interval(float(low[k]), float(high[k])))
        for k, name in enumerate(FEATURES)
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.weight))), explained


def _ridge(x: NDArray[np.float64], odds: NDArray[np.float64], items: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(RidgeCV(_STRENGTHS).fit(x, odds, sample_weight=items).coef_)
