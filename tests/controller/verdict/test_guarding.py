"""Nothing unguarded: what an endpoint leaves of the tasks, classes and fields, and when random rows are enough."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from builders.findings import finding
from builders.items import item, scored, select_report

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from controller.results.verdict_json import Decision, VerdictRecord
from controller.verdict.arm_scores import Arm
from controller.verdict.enough import with_random
from controller.verdict.guards import REST, OutsideGuard
from controller.verdict.judge import Contest, judge
from controller.verdict.promise import Guarded, Promise, promise
from controller.verdict.settings import Verify
from controller.verdict.steps import Candidate, choose
from diagnose.finding.finding import Cause, Finding
from diagnose.slices.predicate import Slice
from evals.items import EvalReport
from interventions.arms.reductions import OptionalStep
from interventions.plan.plan import Action, Plan

CLASSES = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")
NUM_ITEMS = 300
"""Of each class."""
FAILING = Slice((("gold answer", "ABBR"),))
SETTINGS = Verify(seeds=3)
RIGHT = dict.fromkeys(CLASSES, 0.8)
BEFORE = RIGHT | {"ABBR": 0.2}
GUARDED = Guarded(("questions",), (), True)


def report(scores: Mapping[str, float], seed: int, falsely: str = "?") -> EvalReport:
    """Each class answered right with its probability, and `falsely` where it is not."""
    rng = np.random.default_rng(seed)
    results = []
    for gold, score in scores.items():
        right = rng.random(NUM_ITEMS) < score
        for k, is_right in enumerate(right.tolist()):
            document = {"half": "even" if k % 2 == 0 else "odd"}
            asked = item(
                f"{gold} {k}?", gold, "questions", id=f"{gold}{k}-0", split_key=f"{gold}{k}", document=document
            )
            results.append(scored(asked, float(is_right), gold if is_right else falsely))
    return select_report(results)


def arm(name: str, scores: Mapping[str, float], seed: int, falsely: str = "?") -> Arm:
    reports = tuple(report(scores, 100 * seed + k, falsely) for k in range(SETTINGS.seeds))
    return Arm(name, reports, tokens=1000, flops=1e6, steps=10)


def agreed(guarded: Guarded = GUARDED, slices: tuple[Slice, ...] = (FAILING,)) -> Promise:
    actions = tuple(Action("retrieve", where, where, 400, 0, 0, 0.5, "it fails") for where in slices)
    return promise(Plan(actions, "it fails", {}), report(BEFORE, 1), ("half",), guarded, SETTINGS, 0.015)


def verdict(fix: Arm, random: Arm, made: Promise | None = None, settings: Verify = SETTINGS) -> VerdictRecord:
    made, controls, before = made or agreed(), [arm(CONTINUE, BEFORE, 3), random], report(BEFORE, 1)
    contest = Contest(made, fix, controls, before, settings)
    return with_random(judge(contest), contest)


WEAK = arm(RANDOM, BEFORE, 4)
RUINED = {"ABBR": 0.9, "ENTY": 0.15, "DESC": 0.1, "HUM": 0.2, "LOC": 0.2, "NUM": 0.3}
"""What happens when every question is answered with the starved class."""


def test_a_recall_that_is_bought_with_all_other_classes_is_rejected_and_the_losses_stand_first() -> None:
    result = verdict(arm(CHALLENGER, RUINED, 2), WEAK)
    assert result.decision is Decision.REJECTED
    assert [guard.task for guard in result.guards if not guard.ok] == [REST]
    assert result.reason.startswith("shown to lose more than 0.06: ")
    assert [group.is_harmed for group in result.groups[:5]] == [True] * 5
    assert result.groups[0].change == pytest.approx(-0.7, abs=0.06)
    assert result.groups[-1].slice == {"task": "questions", "gold answer": "ABBR"}


def test_one_ruined_class_of_six_is_seen_where_the_rest_as_a_whole_gains() -> None:
    scores = dict.fromkeys(CLASSES, 0.95) | {"ABBR": 0.8, "LOC": 0.5}
    result = verdict(arm(CHALLENGER, scores, 2), WEAK)
    assert all(guard.ok for guard in result.guards)
    assert [dict(group.slice) for group in result.groups if group.is_harmed] == [
        {"task": "questions", "gold answer": "LOC"}
    ]
    assert result.decision is Decision.REJECTED


def test_a_gain_that_leaves_the_rest_as_it_was_is_accepted() -> None:
    result = verdict(arm(CHALLENGER, RIGHT | {"ABBR": 0.8}, 2), WEAK)
    assert result.decision is Decision.ACCEPTED
    assert result.champion_arm == CHALLENGER
    assert not any(group.is_harmed for group in result.groups)
    # Every class, both halves, and the task.
    assert len(result.groups) == len(CLASSES) + 2 + 1


def test_without_the_guard_of_the_rest_false_alarms_are_still_guarded_and_the_verdict_says_so() -> None:
    made = agreed(Guarded(("questions",), (), False))
    assert [guard.name for guard in made.guards] == ["items of questions falsely answered 'ABBR'"]
    false_alarms = arm(CHALLENGER, RIGHT | {"HUM": 0.74, "NUM": 0.74}, 2, falsely="ABBR")
    result = verdict(replace(false_alarms, name=CHALLENGER), WEAK, made)
    assert result.decision is Decision.REJECTED
    assert "evals.guard_rest=false" in result.reason
    other = verdict(arm(CHALLENGER, RIGHT | {"ABBR": 0.8}, 2), WEAK, made)
    assert other.decision is Decision.ACCEPTED
    assert other.reason.endswith("the other items of the tasks are not guarded (evals.guard_rest=false)")


def test_a_rest_that_could_not_cost_the_margin_is_no_guard_and_that_is_told() -> None:
    most = Slice((("prompt words", "2"),))
    made = agreed(slices=(most,))
    assert made.guards == ()
    assert made.unguarded == ""  # nothing is left at all
    few = tuple(Slice((("gold answer", name),)) for name in CLASSES[:5])
    assert [guard.name for guard in agreed(slices=few).guards if not isinstance(guard, OutsideGuard)] == [REST]


def test_one_slice_of_an_endpoint_cannot_pay_for_another() -> None:
    """Pooled they gain .2; questions of the second slice are answered with the class that the first one is about."""
    second = Slice((("gold answer", "HUM"),))
    made = agreed(slices=(FAILING, second))
    paid = arm(CHALLENGER, RIGHT | {"ABBR": 0.8, "HUM": 0.6}, 2)
    result = verdict(paid, WEAK, made)
    assert result.gain is not None
    assert result.gain.mean == pytest.approx(0.2, abs=0.04)
    assert [guard.task for guard in result.guards if not guard.ok] == [f"all items but those of {FAILING}"]
    assert result.decision is Decision.REJECTED
    both = verdict(arm(CHALLENGER, RIGHT | {"ABBR": 0.8, "HUM": 0.9}, 2), WEAK, made)
    assert both.decision is Decision.ACCEPTED


def test_what_one_of_three_slices_loses_is_not_made_up_for_by_the_two_others() -> None:
    """Outside of each of them there is one that gains, so that no guard breaks."""
    slices = tuple(Slice((("half", name),)) for name in ("even", "odd"))
    three = (FAILING, Slice((("gold answer", "LOC"),)), Slice((("prompt contains", "HUM"),)))
    result = verdict(arm(CHALLENGER, RIGHT | {"ABBR": 0.8, "LOC": 0.98, "HUM": 0.6}, 2), WEAK, agreed(slices=three))
    assert {"prompt contains": "HUM"} in [group.slice for group in result.groups if group.is_harmed]
    assert result.decision is Decision.REJECTED
    assert not any(group.slice == where.as_dict() for group in result.groups for where in slices)


def test_what_an_earlier_round_mended_makes_up_for_no_loss_since_the_start() -> None:
    """The first round mended ABBR; the second is about HUM, and all other classes lose .025 in each."""
    others = ("ENTY", "DESC", "LOC", "NUM")
    start = BEFORE | {"HUM": 0.3}
    before = start | {"ABBR": 0.8} | dict.fromkeys(others, 0.78)
    after = before | {"HUM": 0.8} | dict.fromkeys(others, 0.75)
    hum = Slice((("gold answer", "HUM"),))
    made = agreed(slices=(hum,))
    fix, controls = arm(CHALLENGER, after, 2), [arm(CONTINUE, before | dict.fromkeys(others, 0.75), 3)]
    second = replace(made, start=report(start, 1), mended=(FAILING,))
    alone, beside = (judge(Contest(one, fix, controls, report(before, 1), SETTINGS)) for one in (made, second))
    assert [one.verdict.guards[0].ok for one in (alone, beside)] == [True, False]
    forgiving = judge(Contest(replace(second, mended=()), fix, controls, report(before, 1), SETTINGS))
    assert forgiving.verdict.guards[0].ok  # the gain of the first round would hide it


def test_random_rows_that_do_as_well_are_enough_and_their_model_is_taken() -> None:
    mended = RIGHT | {"ABBR": 0.8}
    result = verdict(arm(CHALLENGER, mended, 2), arm(RANDOM, mended, 6))
    assert result.decision is Decision.RANDOM_IS_ENOUGH
    assert result.champion_arm == RANDOM
    kept = verdict(arm(CHALLENGER, mended, 2), arm(RANDOM, mended, 6), settings=replace(SETTINGS, take_random=False))
    assert kept.decision is Decision.RANDOM_IS_ENOUGH
    assert kept.champion_arm == ""


def test_random_rows_are_taken_too_where_the_fix_ruins_the_rest() -> None:
    result = verdict(arm(CHALLENGER, RUINED, 2), arm(RANDOM, RIGHT | {"ABBR": 0.6}, 6))
    assert result.decision is Decision.RANDOM_IS_ENOUGH
    assert "shown to lose more than 0.06" in result.reason


def test_a_fix_that_beat_random_rows_and_does_harm_waits_for_a_trial_less_far() -> None:
    fix, random = arm(CHALLENGER, RUINED, 2), arm(RANDOM, RIGHT | {"ABBR": 0.6}, 6)
    made, controls, before = agreed(), [arm(CONTINUE, BEFORE, 3), random], report(BEFORE, 1)
    contest = Contest(made, fix, controls, before, SETTINGS)
    judged = judge(contest)
    assert judged.ruling is not None
    assert judged.ruling.gate.is_accepted
    waits = with_random(judged, contest, comes_back=True)
    assert (waits.decision, waits.champion_arm) == (Decision.REJECTED, "")
    assert with_random(judged, contest).champion_arm == RANDOM


def test_where_only_random_rows_ruin_the_rest_the_model_of_the_fix_is_taken() -> None:
    result = verdict(arm(CHALLENGER, RIGHT | {"ABBR": 0.8}, 2), arm(RANDOM, RUINED, 6))
    assert result.decision is Decision.RANDOM_IS_ENOUGH
    assert result.champion_arm == CHALLENGER
    assert result.reason.startswith("the fix beats the old data")
    assert all(guard.ok for guard in result.guards)


def test_random_rows_that_ruin_the_rest_are_never_taken() -> None:
    result = verdict(arm(CHALLENGER, RUINED, 2), arm(RANDOM, RUINED, 4))
    assert result.decision is Decision.REJECTED
    assert result.champion_arm == ""


# Steps

OTHER = Slice((("gold answer", "HUM"),))
HELPED = RIGHT | {"ABBR": 0.8}


TRIED = finding(Cause.WRONG_LABELS, items=OTHER)
"""A small training showed that other labels mend the step's items."""


def chosen(
    whole: Mapping[str, float],
    without: Mapping[str, float],
    control: Arm = WEAK,
    *findings: Finding,
    kind: str = "clean",
) -> tuple[Candidate, bool]:
    """The candidate that is judged, and whether the step was kept."""
    optional = [OptionalStep(kind, OTHER, frozenset((1,)))]
    candidates = (
        Candidate(CHALLENGER, (), agreed(slices=(FAILING, OTHER))),
        Candidate("without-clean", (0,), agreed()),
    )
    arms = {CHALLENGER: arm(CHALLENGER, whole, 2), "without-clean": arm("without-clean", without, 5)}
    choice = choose(
        candidates, optional, arms, [arm(CONTINUE, BEFORE, 3), control], report(BEFORE, 1), SETTINGS, findings
    )
    return choice.candidate, choice.steps[0].is_kept


def test_a_step_that_helps_its_own_items_is_kept() -> None:
    candidate, is_kept = chosen(HELPED | {"HUM": 0.95}, HELPED)
    assert (candidate.name, is_kept) == (CHALLENGER, True)


def test_a_control_whose_trainings_go_far_apart_does_not_hide_what_a_step_does() -> None:
    """Three trainings of one control that answer .1, .5 and .9 of the step's items: their spread is not the plan's."""
    far_apart = tuple(report(BEFORE | {"HUM": score}, 40 + k) for k, score in enumerate((0.1, 0.5, 0.9)))
    candidate, is_kept = chosen(HELPED | {"HUM": 0.95}, HELPED, Arm("bm25", far_apart, 1000, 1e6, 10))
    assert (candidate.name, is_kept) == (CHALLENGER, True)


def test_a_step_that_harms_is_left_out_and_the_helping_one_is_accepted_alone() -> None:
    candidate, is_kept = chosen(HELPED | {"HUM": 0.5}, HELPED)
    assert (candidate.name, is_kept) == ("without-clean", False)
    fix = arm(CHALLENGER, HELPED, 5)
    assert verdict(fix, WEAK, candidate.agreed).decision is Decision.ACCEPTED


def test_a_step_that_does_nothing_is_left_out() -> None:
    candidate, is_kept = chosen(HELPED, HELPED)
    assert (candidate.name, is_kept) == ("without-clean", False)


def test_a_step_that_helps_its_items_and_ruins_others_is_left_out() -> None:
    candidate, is_kept = chosen(HELPED | {"HUM": 0.95, "NUM": 0.3}, HELPED)
    assert (candidate.name, is_kept) == ("without-clean", False)


@pytest.mark.parametrize("kind", ["clean", "relabel"])
def test_a_step_that_a_small_training_showed_is_kept_though_the_others_leave_it_nothing_to_mend(kind: str) -> None:
    candidate, is_kept = chosen(HELPED, HELPED, WEAK, TRIED, kind=kind)
    assert (candidate.name, is_kept) == (CHALLENGER, True)


@pytest.mark.parametrize(
    "tried",
    [
        finding(Cause.WRONG_LABELS, items=FAILING),
        finding(Cause.MISSING_DATA, items=OTHER),
        finding(Cause.WRONG_LABELS, items=OTHER, is_shown=False),
    ],
    ids=["for other items", "of another repair", "and showed nothing"],
)
def test_a_small_training_keeps_no_step_but_its_own(tried: Finding) -> None:
    assert chosen(HELPED, HELPED, WEAK, tried)[1] is False


@pytest.mark.parametrize("loses", [{"HUM": 0.7}, {"HUM": 0.95, "NUM": 0.3}], ids=["its own items", "others"])
def test_a_step_that_a_small_training_showed_is_left_out_where_the_whole_plan_loses(loses: Mapping[str, float]) -> None:
    candidate, is_kept = chosen(HELPED | loses, HELPED, WEAK, TRIED)
    assert (candidate.name, is_kept) == ("without-clean", False)
