"""Diversity of a mix against its corpus: numbers known beforehand, and an alarm that stops a collapse."""

import numpy as np
import pytest
from builders.findings import corpus, diagnosis, finding, planned, pool, pool_of, proposed

from diagnose.finding.finding import Cause
from diagnose.rows.pool import TrainPool
from interventions.fixes.retrieve import Retrieve
from interventions.mix.diversity import diversity_change
from interventions.mix.mix import original_mix
from interventions.proposal import NothingToDo


def varied(num_rows: int, source: str = "train", vocabulary: int = 500) -> TrainPool:
    rng = np.random.default_rng(0)
    return pool_of([" ".join(f"w{k}" for k in rng.integers(vocabulary, size=10)) for _ in range(num_rows)], source)


def test_the_corpus_itself_keeps_everything() -> None:
    rows = varied(4_000)
    change = diversity_change(rows, original_mix(rows), 0)
    assert change.collapsed == ""
    assert change.after.entropy == pytest.approx(change.before.entropy, abs=0.02)
    assert change.after.distinct == pytest.approx(change.before.distinct, rel=0.03)
    # The prompt and "did" with the prompt again: 500 words at 20 of 21 places, "did" at the last.
    words = 20 / 21
    entropy = words * (np.log2(500) - np.log2(words)) - (1 - words) * np.log2(1 - words)
    assert change.before.entropy == pytest.approx(entropy, abs=0.04)
    assert change.before.tail == pytest.approx(0.1, abs=0.01)


def test_a_mix_of_a_few_rows_is_stopped_and_says_what_would_be_lost() -> None:
    few = pool_of([f"jump new {k}" for k in range(3)], "pool")
    found = diagnosis(finding(Cause.MISSING_DATA))
    done = planned(Retrieve(share=0.9), found, old=varied(2_000), new=few)
    assert isinstance(done, NothingToDo)
    assert "the mix would repeat itself, only" in done.plan.reason
    assert "of the words that the entropy is worth" in done.plan.reason
    assert done.plan.actions == ()


def test_half_of_the_draws_from_one_slice_is_no_collapse() -> None:
    done = proposed(Retrieve(num_examples=200), diagnosis(finding(Cause.MISSING_DATA)), old=corpus(), new=pool())
    assert done.plan.diversity is not None
    assert done.plan.diversity.collapsed == ""
