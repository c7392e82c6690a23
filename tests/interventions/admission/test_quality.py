"""The gate: each reason for which a row is kept out, and how much of a mix may be synthetic."""

from dataclasses import replace

import numpy as np
import pytest
from builders.findings import NO_ITEMS, Prompts, corpus, diagnosis, finding, hinted, pool_of, proposed, share_of
from builders.pools import train_pool

from diagnose.finding.finding import Cause
from interventions.admission.gate import (
    EVALUATION_ITEM,
    IN_CORPUS,
    LICENCE,
    NO_ANSWER,
    OTHER_SCRIPT,
    REPEATED,
    TOO_LONG,
    admit,
    admit_edited,
    contents,
    make_gate,
)
from interventions.fixes.counter_examples import CounterExamples
from interventions.fixes.retrieve import Retrieve


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
    new = train_pool(rows, "pool", name="row")
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


def long_prompts(number: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(f"w{k}" for k in rng.permutation(5_000)[:60]) for _ in range(number)]


def with_another_word(prompt: str, place: int) -> str:
    """55 of 61 runs of three words stay: .9."""
    words = prompt.split()
    return " ".join([*words[:place], "another", *words[place + 1 :]])


def every_tenth_word_another(prompt: str) -> str:
    """40 of 76 runs of three words stay: .53."""
    return " ".join(f"{word}x" if k % 10 == 5 else word for k, word in enumerate(prompt.split()))


def test_near_copies_of_long_rows_stay_out_and_the_same_question_with_another_answer_enters() -> None:
    prompts = long_prompts(20)
    old = train_pool([(prompt, "seven") for prompt in prompts[:10]], "old")
    rows = [
        (with_another_word(prompts[0], 20), "Seven."),
        (with_another_word(prompts[1], 20), "eight"),
        (prompts[10], "seven"),
        (with_another_word(prompts[10], 30), "seven"),
        (with_another_word(prompts[10], 30), "nine"),
        (with_another_word(with_another_word(prompts[2], 10), 40), "seven"),
        (every_tenth_word_another(prompts[3]), "seven"),
        (prompts[11], "seven"),
    ]
    new = train_pool(rows, "new")
    known = frozenset(contents(old, np.arange(10)))
    admitted = admit(new, np.arange(len(rows)), make_gate(old, NO_ITEMS), known)
    assert dict(admitted.blocked) == {"new-0": IN_CORPUS, "new-3": REPEATED, "new-5": IN_CORPUS}
    assert admitted.rows.tolist() == [1, 2, 4, 6, 7]


def test_what_is_blocked_for_another_reason_keeps_no_near_copy_out() -> None:
    prompt = long_prompts(1)[0]
    new = train_pool([(prompt, "seven"), (with_another_word(prompt, 20), "seven"), *filling()], "new")
    admitted = admit(new, np.arange(len(new)), make_gate(new, Prompts([prompt])), frozenset())
    assert dict(admitted.blocked) == {"new-0": EVALUATION_ITEM}


def filling() -> list[tuple[str, str]]:
    """Rows that make a vocabulary open."""
    return [(" ".join(f"f{20 * k + j}" for j in range(20)), "x") for k in range(30)]


def test_as_many_of_near_copies_enter_in_any_order_and_the_first_that_is_asked_for() -> None:
    rows = [(p, "seven") for prompt in long_prompts(12) for p in (prompt, with_another_word(prompt, 25))]
    new = train_pool(rows, "new")
    gate = make_gate(new, NO_ITEMS)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        admitted = admit(new, order, gate, frozenset()).rows
        first = {row // 2: row for row in reversed(order.tolist())}
        assert sorted(admitted.tolist()) == sorted(first.values())


def test_rows_edited_by_intent_are_only_held_against_what_is_equal() -> None:
    prompts = long_prompts(10)
    old = train_pool([(prompt, "seven") for prompt in prompts], "old")
    twins = train_pool(
        [(with_another_word(prompt, 20), "seven") for prompt in prompts] + [(prompts[0], "seven")], "new"
    )
    known = frozenset(contents(old, np.arange(10)))
    gate = make_gate(old, NO_ITEMS)
    assert admit_edited(twins, np.arange(11), gate, known).rows.tolist() == list(range(10))
    assert not len(admit(twins, np.arange(11), gate, known).rows)


def test_rows_of_a_closed_grammar_enter_however_alike_they_are() -> None:
    commands = [
        f"{a} {b} twice and {c} left thrice after you {d} right and then look around again"
        for a in "abc"
        for b in "defg"
        for c in "hij"
        for d in "klmn"
    ]
    new = train_pool([(command, "done") for command in commands], "new")
    assert len(admit(new, np.arange(len(new)), make_gate(new, NO_ITEMS), frozenset()).rows) == len(commands) == 144


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
