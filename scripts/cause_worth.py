"""How often causes are told right, and how far their probabilities can be believed: tables."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from cause_examples import Example
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from diagnose.finding.finding import Cause

SURE = 0.9
"""Probability from which a cause counts as sure."""

Said = tuple[Example, Mapping[Cause, float]]
"""A finding, and the probability of each cause."""


def first(shares: Mapping[Cause, float]) -> Cause:
    """Most probable cause."""
    return max(shares, key=lambda cause: shares[cause])


def print_worth(what: str, found: Sequence[Said]) -> None:
    """Print how often the named cause is a true one, how far probabilities can be believed, and where it is wrong."""
    confidence, right, is_named = _judged(found)
    named = [first(shares) for _, shares in found]
    truth = [name if ok else example.cause for name, ok, (example, _) in zip(named, right, found, strict=True)]
    print(
        f"{what}: {right.mean():.3f} of {len(found)} findings right, {right[is_named].mean():.3f} of "
        f"{is_named.sum()} named ones, unknown {1 - is_named.mean():.3f}, macro-F1 "
        f"{f1_score(truth, named, average='macro'):.3f}, calibration error {calibration_error(confidence, right):.3f}"
    )
    for low, high in pairwise((0.0, 0.5, 0.7, SURE, 1.01)):
        inside = (confidence >= low) & (confidence < high) & is_named
        if inside.any():
            share = f"{right[inside].mean():.3f}"
            print(f"  named with {low:.1f} to {min(high, 1):.1f}: {right[inside].sum()} of {inside.sum()}, {share}")


def print_worlds(found: Sequence[Said]) -> None:
    """Print the same by world, and every finding whose named cause is not a true one."""
    for world in dict.fromkeys(example.world for example, _ in found):
        _, right, is_named = _judged([one for one in found if one[0].world == world])
        print(f"  {world}: {right[is_named].sum()} of {is_named.sum()} named ones right, {(~is_named).sum()} unknown")
    for example, shares in found:
        if first(shares) not in (*example.true, Cause.UNKNOWN):
            print(
                f"  {example.run} {example.slice}: {example.cause} called {first(shares)} ({max(shares.values()):.2f})"
            )


def worth(found: Sequence[Said]) -> tuple[float, float]:
    """Share of findings whose first cause is a true one, and calibration error."""
    if not found:
        return float("nan"), float("nan")
    confidence, right, _ = _judged(found)
    return float(right.mean()), calibration_error(confidence, right)


def calibration_error(confidence: NDArray[np.float64], is_right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error over equal bins of confidence."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(
        sum(
            (place == k).mean() * abs(confidence[place == k].mean() - is_right[place == k].mean())
            for k in range(bins)
            if (place == k).any()
        )
    )


def _judged(found: Sequence[Said]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Probability of each first cause, whether it is a true one, and whether it names one."""
    confidence = np.array([max(shares.values()) for _, shares in found])
    right = np.array([first(shares) in example.true for example, shares in found], bool)
    return confidence, right, np.array([first(shares) is not Cause.UNKNOWN for _, shares in found], bool)
