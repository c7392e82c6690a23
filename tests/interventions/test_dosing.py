"""The same plan with another number of added rows: which rows, how many, and that all else stays."""

from itertools import pairwise

import numpy as np
import pytest
from builders.findings import NO_ITEMS, TASK, corpus, diagnosis, finding, hinted, kinds_of, pool, share_of

from diagnose.finding.finding import Cause, Diagnosis
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from interventions.admission.gate import take_stock
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.plan.step import Intervention, Resources
from interventions.planner import Auto
from interventions.proposal import Proposal, plan_fix

WALK = Slice(((PROMPT_CONTAINS, "walk"),))
MISSING = diagnosis(finding(Cause.MISSING_DATA))


def dosed(fix: Intervention, found: Diagnosis, new: TrainPool, dose: float, old: TrainPool | None = None) -> Proposal:
    done = plan_fix(fix, found, Resources(take_stock(old or corpus(), new, NO_ITEMS)), dose)
    assert isinstance(done, Proposal), done.plan.reason
    return done


def added(done: Proposal) -> set[str]:
    ids = done.mix.examples.rows["id"][:]
    return {row for row, kind in zip(ids, kinds_of(done.mix), strict=True) if kind == "retrieve"}


@pytest.mark.parametrize("num_examples", [40, 400])
def test_the_rows_of_a_dose_are_among_those_of_every_larger_one(num_examples: int) -> None:
    fix = Retrieve(num_examples=num_examples)
    doses = [added(dosed(fix, MISSING, pool(), dose)) for dose in (0.1, 0.5, 1, 2, 5)]
    sizes = [len(rows) for rows in doses]
    assert sizes == ([4, 20, 40, 80, 200] if num_examples == 40 else [30, 150, 300, 300, 300])
    for fewer, more in pairwise(doses):
        assert fewer <= more


def test_a_dose_counts_from_the_rows_that_were_added_not_from_those_that_were_allowed() -> None:
    fix, new = Retrieve(num_examples=400), pool(num_jump=198)
    assert [dosed(fix, MISSING, new, dose).num_added for dose in (0.5, 1, 2)] == [99, 198, 198]


def test_every_finding_gets_its_dose_also_where_one_has_too_few_rows() -> None:
    found = diagnosis(
        finding(Cause.MISSING_DATA, num_failed=75),
        finding(Cause.MISSING_DATA, WALK, Slice((("task", "walk"),)), num_failed=25),
    )
    new = pool(num_jump=40, num_plain=300)
    counts = {
        dose: [action.num_added for action in dosed(Retrieve(num_examples=200), found, new, dose).plan.actions]
        for dose in (0.5, 1, 1.2, 4)
    }
    assert counts == {0.5: [20, 80], 1: [40, 160], 1.2: [40, 192], 4: [40, 300]}


@pytest.mark.parametrize("dose", [0.25, 1, 3])
def test_the_added_rows_have_the_same_share_of_the_draws_at_every_dose(dose: float) -> None:
    done = dosed(Retrieve(num_examples=60, share=0.4), MISSING, pool(), dose)
    assert share_of(done.mix, "retrieve") == pytest.approx(0.4)
    assert share_of(done.mix, "original") == pytest.approx(0.6)


def test_a_dose_of_one_is_the_fix() -> None:
    fix = Auto(num_examples=60)
    plain = plan_fix(fix, MISSING, Resources(take_stock(corpus(), pool(), NO_ITEMS)))
    assert isinstance(plain, Proposal)
    once = dosed(fix, MISSING, pool(), 1)
    assert (once.plan, once.mix.origins) == (plain.plan, plain.mix.origins)
    assert once.mix.examples.rows["id"][:] == plain.mix.examples.rows["id"][:]
    assert np.array_equal(once.mix.weights, plain.mix.weights)


def test_rows_in_the_place_of_others_are_all_there_at_every_dose_and_count_for_none() -> None:
    found = diagnosis(finding(Cause.SHORTCUT))
    for dose, num_added in ((0.5, 20), (1, 40), (2, 80)):
        done = dosed(Auto(num_examples=40), found, pool(), dose, old=hinted())
        assert done.num_added == len(added(done)) == num_added
        assert kinds_of(done.mix).tolist().count("counter_examples") == 60
        assert [action.num_removed for action in done.plan.actions if action.num_removed] == [60]


def test_a_reweighting_adds_no_rows_at_any_dose() -> None:
    found = diagnosis(finding(Cause.UNDERWEIGHTED, fair_share=0.1))
    one, two = (dosed(Reweight(), found, pool(), dose) for dose in (1, 2))
    assert one.num_added == two.num_added == 0
    assert np.array_equal(one.mix.weights, two.mix.weights)
    assert one.plan.actions[0].items == TASK
