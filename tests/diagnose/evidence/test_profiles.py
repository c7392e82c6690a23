"""Slices on both sides: features of planted rows, and the regression that joins them to behaviour."""

import numpy as np
import pytest
from builders.items import item, scored
from builders.pools import train_pool

from diagnose.evidence.profiles import join_profiles
from diagnose.evidence.subject import Copies, Rows
from diagnose.finding.finding import Profiles
from diagnose.slices.predicate import Slice, item_table, row_table
from evals.items import ItemResult

KINDS = [f"k{number}" for number in range(12)]


def results(failure_rate: dict[str, float]) -> list[ItemResult]:
    found = []
    for kind in KINDS:
        for number in range(50):
            is_failed = number < round(50 * failure_rate[kind])
            asked = item(f"ask w{number}", "x", id=f"{kind}{number}", document={"kind": kind})
            found.append(scored(asked, float(not is_failed)))
    return found


def joined(num_rows: dict[str, int], losses: dict[str, float], failure_rate: dict[str, float]) -> Profiles:
    kinds = [kind for kind in KINDS for _ in range(num_rows[kind])]
    pool = train_pool([(f"ask w{k % 50}", "x") for k in range(len(kinds))], kind=kinds)
    rows = Rows(
        prompts=pool.rows["prompt"][:],
        completions=pool.rows["completion"][:],
        numbers=np.arange(len(kinds)),
        in_pool=np.zeros(len(kinds), bool),
        copies=Copies(np.array([2 if kind == "k0" else 1 for kind in kinds]), "", (), 0),
        losses=np.array([[losses[kind]] for kind in kinds], np.float32),
        effect=np.ones((len(kinds), 1), np.float32),
    )
    asked = results(failure_rate)
    return join_profiles(asked, item_table([r.item for r in asked], ["kind"]), rows, row_table(pool, ["kind"]))


def test_a_slice_has_the_failures_and_the_features_that_were_planted() -> None:
    sizes = dict.fromkeys(KINDS, 40) | {"k0": 60}
    found = joined(sizes, dict.fromkeys(KINDS, 0.5) | {"k0": 2.0}, dict.fromkeys(KINDS, 0.1) | {"k0": 0.8})
    first = found.profiles[0]
    assert first.slice == Slice((("kind", "k0"),))
    assert (first.num_items, first.failure_rate, first.num_rows) == (50, 0.8, 60)
    assert first.features["loss"] == pytest.approx(2.0)
    assert first.features["copies"] == pytest.approx(0.5)
    assert first.features["length"] == pytest.approx(2.0)
    assert 10 ** first.features["rows"] == pytest.approx(60 / 500, rel=0.02)
    assert first.features["disagreement"] == 0.0


def test_the_feature_that_failing_was_made_of_has_the_largest_weight_and_its_interval_excludes_zero() -> None:
    sizes = {kind: 20 + 7 * (number * 5 % 12) for number, kind in enumerate(KINDS)}
    losses = {kind: 0.2 + 0.15 * number for number, kind in enumerate(KINDS)}
    rates = {kind: float(np.round(1 / (1 + np.exp(2 - 2 * losses[kind])), 2)) for kind in KINDS}
    found = joined(sizes, losses, rates)
    assert found.weights[0].feature == "loss"
    assert found.weights[0].weight > 0
    assert found.weights[0].ci.low > 0
    assert found.explained is not None
    assert found.explained > 0.6


def test_with_few_slices_nothing_is_fitted() -> None:
    sizes = dict.fromkeys(KINDS, 0) | {"k0": 50, "k1": 50}
    found = joined(sizes, dict.fromkeys(KINDS, 0.5), dict.fromkeys(KINDS, 0.1))
    assert found.weights == ()
    assert found.explained is None
