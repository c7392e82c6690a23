"""Variants: the evaluation's form, the parent's label, and nothing that the evaluation or the corpus has already."""

import json
from dataclasses import replace

import pytest
from builders.findings import JUMP, Prompts, diagnosis, finding, planned, pool_of, proposed, share_of
from builders.pools import train_pool
from pydantic import TypeAdapter

from diagnose.finding.finding import Cause, Finding
from diagnose.finding.forms import Form, Frame, How, Reading
from diagnose.rows.pool import TrainPool
from interventions.fixes.reformat import Reformat
from interventions.mix.mix import TrainingMix
from interventions.plan.step import Made
from interventions.planner import Auto
from interventions.proposal import NothingToDo

DRESSED = Form(answers=Reading(How.UNWRAP, "it is", "here"))
WORDINGS = {"jump": ["jump {how} {number}", "please jump {number} , {how}", "{how} {number} : jump"]}


def shifted(*forms: Form, cause: Cause = Cause.FORMAT) -> Finding:
    return replace(finding(cause), forms=forms)


def dressed(num_jump: int = 200, num_plain: int = 300) -> TrainPool:
    """Jumps are answered in another form; beside the first ten stand rows that have the evaluation's."""
    prompts = [f"jump old {k}" for k in range(num_jump)]
    plain = [f"walk old {k}" for k in range(num_plain)]
    rows = [
        *((prompt, f"it is did {k} here") for k, prompt in enumerate(prompts)),
        *((prompt, f"it is did {prompt} here") for prompt in plain),
        *((prompt, f"did {k}") for k, prompt in enumerate(prompts[:10])),
    ]
    return train_pool(rows, name="row", level=[k % 3 for k in range(len(rows))])


def added(mix: TrainingMix) -> list[tuple[str, dict[str, object]]]:
    """Added rows with the ids of their parents."""
    return [(parent, mix.examples.rows[place]) for place, parent in mix.parents.items()]


def test_rows_of_the_slice_stand_in_the_evaluations_form_beside_their_parents() -> None:
    old = dressed()
    done = proposed(Reformat(num_examples=100), diagnosis(shifted(DRESSED)), old=old)
    rows = added(done.mix)
    assert len(rows) == 100
    assert len(done.mix.weights) == 510 + 100
    assert share_of(done.mix, "reformat") == pytest.approx(0.5)
    for key, row in rows:
        parent = old.rows[int(key.removeprefix("row-"))]
        assert (row["prompt"], row["level"]) == (parent["prompt"], parent["level"])
        assert f"it is {row['completion']} here" == parent["completion"]
    assert done.plan.keys == [f"reformat: {JUMP}"]
    assert len({row["id"] for _, row in rows}) == 100


def test_another_seed_writes_other_rows_and_the_same_seed_the_same() -> None:
    resources = proposed(Reformat(), diagnosis(shifted(DRESSED)), old=dressed()).resources

    def drawn(seed: int) -> set[str]:
        steps = Reformat(num_examples=50).steps(shifted(DRESSED), replace(resources, seed=seed))
        assert isinstance(steps, tuple)
        return {parent for step in steps if isinstance(step, Made) for parent in step.parents}

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_what_the_corpus_has_in_that_form_is_not_added_again() -> None:
    done = proposed(Reformat(num_examples=None), diagnosis(shifted(DRESSED)), old=dressed())
    assert {key for key, _ in added(done.mix)} == {f"row-{k}" for k in range(10, 200)}
    assert set(done.plan.blocked) == {f"row-{k}~reformat-1" for k in range(10)}


def test_a_variant_that_repeats_an_evaluation_item_does_not_enter() -> None:
    frame = Form(frame=Frame(("jump ", ""), ("please jump ", " now")))
    free = proposed(Reformat(num_examples=None), diagnosis(shifted(frame)), old=dressed())
    items = Prompts([str(row["prompt"]) for _, row in added(free.mix)][:25])
    assert all(prompt.startswith("please jump old") for prompt in items.prompts)
    done = proposed(Reformat(num_examples=None), diagnosis(shifted(frame)), old=dressed(), index=items)
    assert not items.prompts & set(done.mix.examples.rows["prompt"][:])
    assert {key for key, row in added(free.mix) if row["prompt"] not in items.prompts} == {
        key for key, _ in added(done.mix)
    }


def test_a_change_of_case_alone_is_a_new_row() -> None:
    old = pool_of([f"jump old {k}" for k in range(100)], "train")
    done = proposed(Reformat(), diagnosis(shifted(Form(answers=Reading(How.UPPER)))), old=old)
    assert {row["completion"] for _, row in added(done.mix)} == {f"DID JUMP OLD {k}" for k in range(100)}


def test_a_form_is_applied_where_attribution_confirms_no_rows_of_that_form() -> None:
    bare = replace(shifted(DRESSED), data_slices=(), unconfirmed=JUMP)
    done = proposed(Reformat(num_examples=100), diagnosis(bare), old=dressed())
    assert all(str(row["prompt"]).startswith("jump") for _, row in added(done.mix))
    assert done.plan.keys == [f"reformat: {bare.slice}"]
    nowhere = planned(Reformat(), diagnosis(replace(bare, unconfirmed=None)), old=dressed())
    assert "no training data could be told" in nowhere.plan.reason


@pytest.mark.parametrize(
    ("kind", "found", "reason"),
    [
        (Reformat(), shifted(), "no form of prompts or answers was found"),
        (
            Reformat(),
            shifted(Form(answers=Reading(How.UNWRAP, "so", ""))),
            "none of the rows with prompt contains 'jump'",
        ),
        (Reformat(), shifted(DRESSED, cause=Cause.TRAINING_SETUP), "a setting of the training is wrong"),
        (Reformat(max_synthetic_share=0.0), shifted(DRESSED), "allow no synthetic row"),
        (Auto(), shifted(DRESSED), "or interventions=reformat"),
    ],
)
def test_without_a_form_that_rows_can_take_nothing_is_added(kind: Reformat | Auto, found: Finding, reason: str) -> None:
    done = planned(kind, diagnosis(found), old=dressed())
    assert isinstance(done, NothingToDo)
    assert reason in done.plan.reason


def test_a_form_that_was_judged_is_not_proposed_again() -> None:
    done = planned(Reformat(), diagnosis(shifted(DRESSED)), old=dressed(), judged=[f"reformat: {JUMP}"])
    assert isinstance(done, NothingToDo)
    assert "judged already" in done.plan.reason


def test_a_finding_that_was_kept_before_forms_were_told_is_read_without_any() -> None:
    reader = TypeAdapter(Finding)
    kept = json.loads(reader.dump_json(shifted(DRESSED)))
    assert reader.validate_python(kept).forms == (DRESSED,)
    del kept["forms"], kept["unconfirmed"]
    assert reader.validate_python(kept) == finding(Cause.FORMAT)


# Wordings


def slots(prompt: str) -> tuple[str, str]:
    """How and number, in whichever wording."""
    words = prompt.split()
    if words[0] == "please":
        return words[4], words[2]
    return (words[1], words[2]) if words[0] == "jump" else (words[0], words[1])


def test_wordings_keep_slots_and_answers() -> None:
    old = pool_of([*(f"jump old{k} {k}" for k in range(100)), *(f"walk {k}" for k in range(400))], "train")
    found = diagnosis(finding(Cause.MISSING_DATA))
    done = proposed(Reformat(num_examples=None, wordings=WORDINGS), found, old=old)
    rows = added(done.mix)
    assert len(rows) == 200
    assert len({row["id"] for _, row in rows}) == 200
    for key, row in rows:
        number = key.removeprefix("train-")
        assert slots(str(row["prompt"])) == (f"old{number}", number)
        assert row["completion"] == f"did jump old{number} {number}"


def test_the_wording_that_the_failed_items_use_comes_first() -> None:
    old = pool_of([f"jump old{k} {k}" for k in range(100)], "train")
    asked = tuple(f"new{k} {k} : jump did jump" for k in range(5))
    found = replace(finding(Cause.MISSING_DATA), queries=asked)
    done = proposed(Reformat(num_examples=100, wordings=WORDINGS), diagnosis(found), old=old)
    assert {str(row["prompt"]).split()[-1] for _, row in added(done.mix)} == {"jump"}


def test_rows_that_ask_the_same_are_found_where_the_slice_is_told_by_the_items_own_words() -> None:
    old = pool_of([*(f"hop {k} times" for k in range(90)), *(f"walk {k}" for k in range(90))], "train")
    asked = tuple(f"jump {k} did jump" for k in range(5))
    found = replace(finding(Cause.MISSING_DATA), queries=asked, data_slices=())
    kind = Reformat(num_examples=40, wordings={"jump": ["hop {k} times", "jump {k}"], "walk": ["walk {k}", "go {k}"]})
    done = proposed(kind, diagnosis(found), old=old)
    assert {str(row["prompt"]).split()[0] for _, row in added(done.mix)} == {"jump"}
    assert len(added(done.mix)) == 40
    assert "40 variants of rows that ask the same, in other wordings" in done.plan.reason
    unlike = replace(found, queries=("climb 3 did climb",) * 5)
    assert isinstance(planned(kind, diagnosis(unlike), old=old), NothingToDo)


def test_a_prompt_that_fits_a_wording_in_two_ways_has_no_variants() -> None:
    old = pool_of(["jump very old 1", *(f"jump old {k}" for k in range(60))], "train")
    found = diagnosis(finding(Cause.MISSING_DATA))
    done = proposed(Reformat(num_examples=None, wordings=WORDINGS), found, old=old)
    assert "train-0" not in {key for key, _ in added(done.mix)}
    assert len(added(done.mix)) == 120


def test_of_wordings_that_fit_the_fuller_one_is_meant() -> None:
    old = pool_of([*(f"Q: jump {k} A:" for k in range(50)), *(f"jump {k}x" for k in range(50))], "train")
    kind = Reformat(num_examples=None, wordings={"question": ["{question}", "Q: {question} A:"]})
    rows = dict(added(proposed(kind, diagnosis(finding(Cause.MISSING_DATA)), old=old).mix))
    assert rows["train-7"]["prompt"] == "jump 7"
    assert rows["train-57"]["prompt"] == "Q: jump 7x A:"


def test_forms_and_wordings_divide_the_rows_and_both_are_answered_in_the_evaluations_form() -> None:
    kind = Reformat(num_examples=100, wordings={"jump": ["jump old {k}", "jump , old {k}"]})
    rows = added(proposed(kind, diagnosis(shifted(DRESSED)), old=dressed()).mix)
    assert len(rows) == 100
    assert sum("," in str(row["prompt"]) for _, row in rows) == 50
    assert all(str(row["completion"]).startswith("did ") for _, row in rows)


@pytest.mark.parametrize(
    ("wordings", "named"),
    [
        ({"jump": ["jump {x}"]}, r"interventions.wordings.jump needs at least two wordings, got \['jump \{x\}'\]"),
        ({"jump": ["jump {x}", "jump {x}"]}, "at least two wordings"),
        ({"jump": ["jump {x}", "leap {y}"]}, "the same slots in each wording, got x in 'jump {x}' and y in 'leap {y}'"),
        ({"jump": ["jump", "leap"]}, "needs a slot for what differs between prompts, got 'jump'"),
        ({"jump": ["jump {x", "leap {x}"]}, "holds no format string: 'jump {x'"),
        ({"jump": ["jump {0}", "leap {0}"]}, "slots must be plain names"),
        ({"jump": ["jump {x:>3}", "leap {x}"]}, "slots must be plain names"),
    ],
)
def test_wordings_that_cannot_ask_the_same_are_refused_beforehand(wordings: dict[str, list[str]], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Reformat(wordings=wordings)
