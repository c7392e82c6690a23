"""The gate: each reason for which a row is kept out, and how much of a mix may be synthetic."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from planted import NO_ITEMS, Prompts, corpus, diagnosis, finding, pool_of, proposed, share_of
from test_counter_examples import hinted

from diagnose.finding import Cause
from diagnose.pool import TrainPool
from interventions.counter_examples import CounterExamples
from interventions.quality import (
    EVALUATION_ITEM,
    IN_CORPUS,
    LICENCE,
    NO_ANSWER,
    OTHER_SCRIPT,
    REPEATED,
    TOO_LONG,
    admit,
    contents,
    make_gate,
)
from interventions.retrieve import Retrieve


def test_each_blocked_row_is_told_its_reason_and_the_others_enter() -> None:
    rows = [
        ("jump asked", "did it"),
        ("jump old 3", "did jump old 3"),
        ("jump new 1", "did jump new 1"),
        ("Jump new 1", "did  jump new 1"),
        ("jump new 2", "  "),
        ("jump new 3", "word " * 200),
        ("прыгай дважды налево", "сделано"),
        ("jump 3 4 5", "7"),
        ("jump naïve café", "did jump naïve café"),
    ]
    new = TrainPool(
        Dataset.from_dict(
            {
                "id": [f"row-{k}" for k in range(len(rows))],
                "source": ["pool"] * len(rows),
                "prompt": [prompt for prompt, _ in rows],
                "completion": [completion for _, completion in rows],
            }
        ),
        " ",
    )
    old = corpus()
    gate = make_gate(old, Prompts(["jump asked"]))
    admitted = admit(new, np.arange(len(rows)), gate, frozenset(contents(old, np.arange(len(old)))))
    assert dict(admitted.blocked) == {
        "row-0": EVALUATION_ITEM,
        "row-1": IN_CORPUS,
        "row-3": REPEATED,
        "row-4": NO_ANSWER,
        "row-5": TOO_LONG,
        "row-6": OTHER_SCRIPT,
    }
    assert admitted.rows.tolist() == [2, 7, 8]
    assert admitted.num_blocked == Counter(admitted.blocked.values())


def test_a_licence_that_was_not_allowed_stays_out_and_rows_that_name_none_enter() -> None:
    named = ["MIT", "mit", "CC-BY-NC-4.0", None, "apache-2.0", None]
    new = pool_of([f"jump new {k}" for k in range(6)], "pool", license=named)
    found = diagnosis(finding(Cause.MISSING_DATA))
    free = proposed(Retrieve(), found, new=new)
    assert free.plan.actions[0].num_added == 6
    kept = proposed(Retrieve(licences=["mit", "Apache-2.0"]), found, new=new)
    assert kept.mix.examples.rows["id"][500:] == ["pool-0", "pool-1", "pool-3", "pool-4", "pool-5"]
    assert dict(kept.plan.blocked) == {"pool-2": LICENCE}


def test_a_corpus_of_two_scripts_takes_rows_of_both() -> None:
    old = pool_of(["прыгай налево", "jump to the left", "иди прямо вперёд"], "train")
    gate = make_gate(old, NO_ITEMS)
    assert gate.scripts == {"CYRILLIC", "LATIN"}
    new = pool_of(["беги и прыгай направо", "walk and jump", "跳跃跳跃跳跃跳跃跳跃跳跃跳跃跳跃跳跃跳跃"], "pool")
    assert admit(new, np.arange(3), gate, frozenset()).rows.tolist() == [0, 1]


@pytest.mark.parametrize(("most", "least", "given"), [(0.5, 0.25, 0.4), (0.2, 0.25, 0.2), (0.5, 0.9, 0.1)])
def test_synthetic_rows_get_no_more_of_the_draws_than_allowed_and_people_no_less(
    most: float, least: float, given: float
) -> None:
    kind = CounterExamples(share=0.4, max_synthetic_share=most, min_human_share=least)
    done = proposed(kind, diagnosis(finding(Cause.SHORTCUT)), old=hinted())
    assert share_of(done.mix, "counter_examples") == pytest.approx(given)
    assert share_of(done.mix, "original") == pytest.approx(1 - given)


def test_settings_that_no_mix_can_have_are_refused() -> None:
    with pytest.raises(ValueError, match=r"interventions.max_synthetic_share must be between 0 and 1, got 1.5"):
        replace(Retrieve(), max_synthetic_share=1.5)
