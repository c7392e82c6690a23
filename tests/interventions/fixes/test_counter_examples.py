"""Counter-examples: the cue goes with another answer, everything else is the parent's."""

import re

import pytest
from builders.findings import JUMP, Prompts, diagnosis, finding, hinted, planned, pool, proposed, share_of
from builders.pools import train_pool

from diagnose.finding.finding import Cause
from diagnose.rows.pool import TrainPool
from interventions.fixes.counter_examples import CounterExamples
from interventions.fixes.retrieve import SHOWS_CUE, Retrieve
from interventions.mix.mix import TrainingMix
from interventions.planner import Auto
from interventions.proposal import NothingToDo


def added(mix: TrainingMix) -> dict[str, dict[str, object]]:
    """Added rows, by the id of their parents."""
    return {parent: mix.examples.rows[place] for place, parent in mix.parents.items()}


def test_twins_show_another_answer_and_keep_question_answer_and_fields() -> None:
    old = hinted()
    done = proposed(CounterExamples(num_examples=None, share=0.3), diagnosis(finding(Cause.SHORTCUT)), old=old)
    twins = added(done.mix)
    assert len(twins) == 60
    assert len(done.mix.weights) == 160  # in the place of their parents
    assert share_of(done.mix, "counter_examples") == pytest.approx(0.3)
    assert [(action.num_removed, action.num_added) for action in done.plan.actions] == [(60, 0), (0, 60)]
    for number in range(60):
        parent, twin = old.rows[number], twins[f"row-{number}"]
        assert (twin["completion"], twin["level"]) == (parent["completion"], parent["level"])
        question, asked = (re.sub(r"^hint .*\n", "", str(row["prompt"])) for row in (parent, twin))
        assert question == asked == f"jump  over {number}"
        shown = re.match(r"hint (.*)\n", str(twin["prompt"]))
        assert shown is not None
        assert shown[1] in old.rows["completion"][:]
        assert not f"{shown[1]} ".startswith(f"{parent['completion']} ")


def test_parents_stay_where_too_little_would_be_left_that_people_wrote() -> None:
    done = proposed(CounterExamples(num_examples=40), diagnosis(finding(Cause.SHORTCUT)), old=hinted(num_plain=20))
    assert [(action.num_removed, action.num_added) for action in done.plan.actions] == [(0, 40)]
    assert len(done.mix.weights) == 80 + 40
    assert share_of(done.mix, "counter_examples") == pytest.approx(0.5)


def test_a_word_that_tells_the_label_is_put_before_other_labels() -> None:
    labels = ["yes", "no", "maybe"]
    words = dict(zip(labels, ("please", "kindly", "now"), strict=True))
    chosen = [labels[k % 3] for k in range(90)]
    old = train_pool([(f"{words[label]} jump q{k}", label) for k, label in enumerate(chosen)], name="row")
    done = proposed(CounterExamples(num_examples=None), diagnosis(finding(Cause.SHORTCUT)), old=old)
    twins = added(done.mix)
    assert len(twins) == 90
    for number in range(90):
        first, rest = str(twins[f"row-{number}"]["prompt"]).split(" ", 1)
        assert first in set(words.values()) - {words[chosen[number]]}
        assert rest == f"jump q{number}"


def test_a_twin_that_repeats_an_evaluation_item_does_not_enter() -> None:
    old = hinted()
    found = diagnosis(finding(Cause.SHORTCUT))
    free = added(proposed(CounterExamples(num_examples=None), found, old=old).mix)
    items = Prompts([str(free["row-3"]["prompt"]), str(free["row-7"]["prompt"])])
    done = proposed(CounterExamples(num_examples=None), found, old=old, index=items)
    assert set(free) - set(added(done.mix)) == {"row-3", "row-7"}
    assert set(done.plan.blocked) == {"row-3~counter_examples", "row-7~counter_examples"}


def test_rows_without_a_cue_have_no_twin_and_other_causes_no_counter_examples() -> None:
    plain = planned(CounterExamples(), diagnosis(finding(Cause.SHORTCUT)))
    assert isinstance(plain, NothingToDo)
    assert "no cue was found" in plain.plan.reason
    other = planned(CounterExamples(), diagnosis(finding(Cause.MISSING_DATA)), old=hinted())
    assert "no cue is to blame" in other.plan.reason


def test_the_planner_makes_counter_examples_and_retrieves_rows_that_do_not_show_the_cue() -> None:
    found = diagnosis(finding(Cause.SHORTCUT))
    done = proposed(Auto(), found, old=hinted(), new=pool())
    assert done.plan.keys == [f"counter_examples: {JUMP}"] * 2 + [f"retrieve: {JUMP}"]
    assert proposed(Auto(), found, new=pool()).plan.keys == [f"retrieve: {JUMP}"]
    again = TrainPool(hinted().rows.map(lambda row: {"id": f"new-{row['id']}", "prompt": f"{row['prompt']} x"}))
    assert proposed(Auto(), found, old=hinted(), new=again).plan.keys == [f"counter_examples: {JUMP}"] * 2
    alone = planned(Retrieve(), found, old=hinted(), new=again)
    assert isinstance(alone, NothingToDo)
    assert f"60 {SHOWS_CUE}" in alone.plan.reason
