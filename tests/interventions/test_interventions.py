"""Plans and mixes: what enters training, with which share, and what never does."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from builders.findings import (
    JUMP,
    NO_ITEMS,
    TASK,
    Prompts,
    corpus,
    diagnosis,
    finding,
    kinds_of,
    planned,
    pool,
    pool_of,
    proposed,
    share_of,
)

from diagnose.finding.finding import Cause, Diagnosis
from diagnose.rows.pool import Rendering, TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, row_members
from interventions.admission.gate import IN_CORPUS, admit, make_gate
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.plan.allocate import divided
from interventions.plan.step import Intervention
from interventions.planner import Auto
from interventions.proposal import NothingToDo


def reason_for_nothing(
    intervention: Intervention, found: Diagnosis, new: TrainPool | None = None, judged: Iterable[str] = ()
) -> str:
    done = planned(intervention, found, new=new, judged=judged)
    assert isinstance(done, NothingToDo)
    assert done.plan.actions == ()
    return done.plan.reason


def test_retrieved_rows_get_their_share_and_the_corpus_keeps_the_rest() -> None:
    done = proposed(Retrieve(num_examples=100, share=0.4), diagnosis(finding(Cause.MISSING_DATA)), new=pool())
    assert done.mix.weights.sum() == pytest.approx(1)
    assert share_of(done.mix, "retrieve") == pytest.approx(0.4)
    assert share_of(done.mix, "original") == pytest.approx(0.6)
    assert kinds_of(done.mix).tolist() == ["original"] * 500 + ["retrieve"] * 100
    (action,) = done.plan.actions
    assert (action.kind, action.num_added, action.share) == ("retrieve", 100, 0.4)
    assert (action.slice, action.items) == (JUMP, TASK)
    added = done.mix.examples.select(range(500, 600))
    assert row_members(JUMP, added).all()
    assert len(set(added.rows["prompt"][:])) == 100


def test_a_slice_with_fewer_rows_gives_what_it_has_and_says_so() -> None:
    done = proposed(Retrieve(num_examples=400), diagnosis(finding(Cause.MISSING_DATA)), new=pool(num_jump=30))
    assert done.plan.actions[0].num_added == 30
    assert "400 were wanted" in done.plan.reason


def test_planted_evaluation_items_never_enter_a_fix() -> None:
    items = Prompts([f"jump new {i}" for i in range(0, 300, 3)] + ["walk new 5", "walk old 7", "jump old 3"])
    new = pool()
    done = proposed(Retrieve(num_examples=None), diagnosis(finding(Cause.MISSING_DATA)), new=new, index=items)
    assert done.plan.actions[0].num_added == 200
    assert set(done.plan.blocked) == {f"pool-{i}" for i in range(0, 300, 3)} | {"train-17", "train-3"}
    assert "2 rows of the corpus repeat evaluation items" in done.plan.reason
    assert not items.prompts & set(done.mix.examples.rows["prompt"][:])


def test_near_copies_and_rows_of_the_corpus_are_not_added_again() -> None:
    new = pool_of(["jump a", "Jump  A", "jump, a", "jump old 0", "jump b"], "pool")
    admitted = admit(new, np.arange(5), make_gate(corpus(), NO_ITEMS), frozenset())
    assert admitted.rows.tolist() == [0, 3, 4]
    done = proposed(Retrieve(), diagnosis(finding(Cause.MISSING_DATA)), new=new)
    assert done.mix.examples.rows["prompt"][500:] == ["jump a", "jump b"]
    assert dict(done.plan.blocked) == {"pool-3": IN_CORPUS}  # the others do not contain the word as it is written


def test_reweighting_raises_the_rows_to_the_fair_share_up_to_its_cap() -> None:
    found = diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.3))
    full = proposed(Reweight(max_factor=20), found)
    assert share_of(full.mix, "reweight") == pytest.approx(0.3)
    assert full.plan.actions[0].num_reweighted == 10
    capped = proposed(Reweight(max_factor=4), found)
    assert share_of(capped.mix, "reweight") == pytest.approx(4 * 10 / 500)
    assert len(capped.mix.examples) == 500
    assert capped.mix.weights.sum() == pytest.approx(1)
    in_slice = row_members(JUMP, capped.mix.examples)
    assert np.allclose(capped.mix.weights[in_slice], 4 / 500)


def test_a_slice_with_its_fair_share_is_not_raised() -> None:
    found = diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.021))
    assert "a fair share" in reason_for_nothing(Reweight(), found)


def test_auto_reweights_within_the_cap_and_retrieves_beyond_it() -> None:
    near = diagnosis(finding(Cause.UNDERWEIGHTED, corpus_share=0.02, fair_share=0.1))
    far = diagnosis(finding(Cause.UNDERWEIGHTED, corpus_share=0.02, fair_share=0.3))
    assert proposed(Auto(), near, new=pool()).plan.keys == ["reweight: prompt contains 'jump'"]
    assert proposed(Auto(), far, new=pool()).plan.keys == ["retrieve: prompt contains 'jump'"]
    assert proposed(Auto(), far).plan.keys == ["reweight: prompt contains 'jump'"]


def test_a_judged_plan_is_not_proposed_again() -> None:
    found = diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.1))
    first = proposed(Auto(), found, new=pool())
    second = proposed(Auto(), found, new=pool(), judged=first.plan.keys)
    assert not set(first.plan.keys) & set(second.plan.keys)
    judged = [*first.plan.keys, *second.plan.keys]
    assert "judged already" in reason_for_nothing(Auto(), found, pool(), judged)


def test_auto_retrieves_for_an_unknown_cause_only_if_attribution_says_it_helps() -> None:
    helps = diagnosis(finding(Cause.UNKNOWN, effect_low=0.2))
    assert proposed(Auto(), helps, new=pool()).plan.keys == ["retrieve: prompt contains 'jump'"]
    does_not = diagnosis(finding(Cause.UNKNOWN, effect_low=-0.2))
    assert "cause is not known" in reason_for_nothing(Auto(), does_not, pool())


@pytest.mark.parametrize("cause", [Cause.CAPACITY, Cause.TRAINING_SETUP, Cause.WRONG_GOLD, Cause.CONTAMINATION])
@pytest.mark.parametrize("intervention", [Auto(), Retrieve(), Reweight()])
def test_where_data_is_not_the_cause_no_data_is_changed(cause: Cause, intervention: Intervention) -> None:
    assert reason_for_nothing(intervention, diagnosis(finding(cause)), pool())


def test_beside_a_wrong_setting_what_is_not_known_is_left_alone_and_what_is_known_is_not() -> None:
    setting = finding(Cause.TRAINING_SETUP)
    walk = Slice((("task", "walk"),))
    unknown = finding(Cause.UNKNOWN, Slice(((PROMPT_CONTAINS, "walk"),)), walk)
    assert "a setting of the training is wrong that may explain it" in reason_for_nothing(
        Auto(), diagnosis(setting, unknown), pool()
    )
    missing = finding(Cause.MISSING_DATA, Slice(((PROMPT_CONTAINS, "walk"),)), walk)
    assert proposed(Auto(), diagnosis(setting, missing), new=pool()).plan.keys == ["retrieve: prompt contains 'walk'"]


def test_no_findings_mean_no_actions() -> None:
    assert "no slice fails" in reason_for_nothing(Auto(), diagnosis(), pool())


def test_several_findings_divide_rows_and_share_by_their_failures() -> None:
    run = Slice(((PROMPT_CONTAINS, "walk"),))
    found = diagnosis(
        finding(Cause.MISSING_DATA, num_failed=75),
        finding(Cause.MISSING_DATA, run, Slice((("task", "walk"),)), num_failed=25),
    )
    done = proposed(Auto(num_examples=200, share=0.5), found, new=pool())
    assert [action.num_added for action in done.plan.actions] == [150, 50]
    assert [action.share for action in done.plan.actions] == pytest.approx([0.375, 0.125])
    assert done.mix.weights.sum() == pytest.approx(1)


def test_rows_that_one_finding_cannot_use_go_to_the_others() -> None:
    assert divided(200, [75, 25], [300, 300]) == [150, 50]
    assert divided(200, [75, 25], [100, 300]) == [100, 100]
    assert divided(10, [1, 1, 1], [9, 9, 9]) == [4, 3, 3]
    assert divided(100, [8, 1, 1], [50, 10, 90]) == [50, 10, 40]
    assert divided(None, [8, 1], [50, 10]) == divided(70, [8, 1], [50, 10]) == [50, 10]
    assert divided(5, [0, 0], [9, 9]) == [3, 2]


def test_a_finding_that_is_likely_not_the_data_gets_fewer_of_the_rows() -> None:
    walk = finding(Cause.MISSING_DATA, Slice(((PROMPT_CONTAINS, "walk"),)), Slice((("task", "walk"),)))
    likely = replace(walk, causes={Cause.MISSING_DATA: 0.5, Cause.CAPACITY: 0.3, Cause.FORMAT: 0.2})
    assert likely.expected_gain == pytest.approx(25)
    done = proposed(Auto(num_examples=120), diagnosis(finding(Cause.MISSING_DATA), likely), new=pool())
    assert [action.num_added for action in done.plan.actions] == [80, 40]


def test_a_fix_that_broke_a_guard_leaves_the_corpus_more_of_the_draws() -> None:
    found = diagnosis(finding(Cause.MISSING_DATA))
    done = proposed(Retrieve(num_examples=100), found, new=pool(), scale=0.5)
    assert share_of(done.mix, "original") == pytest.approx(0.75)
    assert done.plan.taken == pytest.approx(0.25)
    assert "with 50.0% of the draws that it would take, for with more the rest loses" in done.plan.reason
    low = diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.1))
    for scale, share in ((1, 0.1), (0.5, 0.06), (0.25, 0.04)):
        raised = proposed(Reweight(), low, scale=scale)
        assert share_of(raised.mix, "reweight") == pytest.approx(share)
        assert raised.plan.taken == pytest.approx(share - 0.02)


def test_steps_that_do_not_fit_are_named() -> None:
    walk = Slice(((PROMPT_CONTAINS, "walk"),))
    of_each = {"jump": 30, "walk": 30, "run": 40}
    old = pool_of([f"{verb} {i}" for verb, number in of_each.items() for i in range(number)], "train")
    two = diagnosis(
        finding(Cause.UNDERWEIGHTED, corpus_share=0.3, fair_share=0.45),
        finding(Cause.UNDERWEIGHTED, walk, Slice((("task", "walk"),)), fair_share=0.45),
    )
    done = proposed(Auto(), two, old=old)
    assert [action.share for action in done.plan.actions] == pytest.approx([0.45])
    told = "no action on task = walk: rows with prompt contains 'walk' have 30.0% of the draws, and what is raised may"
    assert f"{told} have 50.0% in all" in done.plan.reason
    beside = diagnosis(two.findings[0], finding(Cause.MISSING_DATA, walk, Slice((("task", "walk"),))))
    done = proposed(Auto(num_examples=20), beside, old=old, new=pool())
    assert [action.kind for action in done.plan.actions] == ["retrieve"]
    assert "no action on task = scan_jump: rows with prompt contains 'jump' have 30.0% of the draws" in done.plan.reason


def test_two_reweightings_that_ask_for_too_much_are_both_raised() -> None:
    walk = Slice(((PROMPT_CONTAINS, "walk"),))
    of_each = {"jump": 10, "walk": 30, "run": 60}
    old = pool_of([f"{verb} {i}" for verb, number in of_each.items() for i in range(number)], "train")
    found = diagnosis(
        finding(Cause.UNDERWEIGHTED, fair_share=0.4),
        finding(Cause.UNDERWEIGHTED, walk, Slice((("task", "walk"),)), fair_share=0.4),
    )
    done = proposed(Auto(share=0.5), found, old=old)
    # Of the draws .1 and .3 are theirs; what is left of the half is divided as they ask: .3 and .1.
    assert [action.share for action in done.plan.actions] == pytest.approx([0.175, 0.325])


def test_rows_are_raised_as_far_as_their_predicted_effect_is_sure() -> None:
    sure = proposed(Reweight(), diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.1)))
    assert sure.plan.actions[0].share == pytest.approx(0.1)
    unsure = proposed(Reweight(), diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.1, effect_low=-0.5)))
    assert unsure.plan.actions[0].share == pytest.approx((0.02 + 0.1) / 2)
    assert "predicted effect +0.50 [-0.50, +1.50]" in unsure.plan.reason
    harm = planned(Reweight(), diagnosis(finding(Cause.UNDERWEIGHTED, effect_low=-0.5, effect_high=-0.1)))
    assert isinstance(harm, NothingToDo)
    assert "would do harm by attribution" in harm.plan.reason


def test_a_reweighting_and_a_retrieval_together_leave_the_corpus_its_half() -> None:
    walk = Slice(((PROMPT_CONTAINS, "walk new"),))
    found = diagnosis(
        finding(Cause.UNDERWEIGHTED, fair_share=0.1),
        finding(Cause.MISSING_DATA, walk, Slice((("task", "walk"),))),
    )
    done = proposed(Auto(num_examples=100, share=0.5), found, new=pool())
    assert [action.kind for action in done.plan.actions] == ["reweight", "retrieve"]
    assert share_of(done.mix, "reweight") == pytest.approx(0.1)
    assert share_of(done.mix, "retrieve") == pytest.approx(0.4)
    assert share_of(done.mix, "original") == pytest.approx(0.5)


def test_the_same_plan_comes_of_the_same_diagnosis() -> None:
    found = diagnosis(finding(Cause.MISSING_DATA))
    plans = [proposed(Retrieve(num_examples=50), found, new=pool(), seed=seed) for seed in (1, 1, 2)]
    assert len({tuple(done.mix.examples.rows["id"][:]) for done in plans}) == 1


def test_corpus_and_pool_with_other_metadata_are_joined() -> None:
    old = pool_of([f"jump old {i}" for i in range(5)], "train", level=[1] * 5, skill=["a"] * 5)
    new = pool_of([f"jump new {i}" for i in range(5)], "pool", level=["hard"] * 5, page=[7] * 5)
    mix = proposed(Retrieve(), diagnosis(finding(Cause.MISSING_DATA)), old=old, new=new).mix
    assert mix.examples.rows["level"][:] == ["1"] * 5 + ["hard"] * 5
    assert mix.examples.rows["skill"][:] == ["a"] * 5 + [None] * 5
    assert mix.examples.rows["page"][:] == [None] * 5 + [7] * 5


def test_pools_with_another_delimiter_are_refused() -> None:
    new = TrainPool(pool().rows, Rendering("\n"))
    with pytest.raises(ValueError, match="rows of one training need the same"):
        planned(Retrieve(), diagnosis(finding(Cause.MISSING_DATA)), new=new)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"interventions.share must be between 0 and 1, got 1"):
        Retrieve(share=1.0)
    with pytest.raises(ValueError, match=r"interventions.num_examples must be at least 1, got 0"):
        Auto(num_examples=0)
    with pytest.raises(ValueError, match=r"interventions.max_factor must be above 1 and finite, got 1"):
        Reweight(max_factor=1.0)
