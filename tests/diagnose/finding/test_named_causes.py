"""A finding names every cause whose repair small trainings show to work, if other evidence leaves it open."""

from dataclasses import replace

import pytest
from builders.findings import experiment, finding

from diagnose.finding.finding import Cause, Experiment, Finding


def tried(*made: Experiment) -> Finding:
    causes = {Cause.WRONG_LABELS: 0.9, Cause.MISSING_DATA: 0.1}
    return replace(finding(Cause.WRONG_LABELS), causes=causes, experiments=made)


def made(
    cause: Cause, *, works: float = 1.0, effect: float = 0.3, before: float = 0.3, length: float = 0.1
) -> Experiment:
    return replace(experiment(cause, works, effect), before=before, length=length)


def test_two_repairs_that_work_name_two_causes_in_the_order_of_what_they_do() -> None:
    cleaned = made(Cause.WRONG_LABELS, effect=0.2)
    assert tried(cleaned, made(Cause.MISSING_DATA)).named == (Cause.MISSING_DATA, Cause.WRONG_LABELS)
    assert tried(cleaned, made(Cause.MISSING_DATA, effect=0.1)).named == (Cause.WRONG_LABELS, Cause.MISSING_DATA)


def test_what_a_longer_training_closes_is_compared_at_its_rate() -> None:
    """.2 of the gap in a tenth of an arm is .89 in a whole one, .3 in three tenths .70."""
    short, long = made(Cause.WRONG_LABELS, effect=0.2), made(Cause.MISSING_DATA, effect=0.3, length=0.3)
    assert short.closes == pytest.approx(1 - 0.8**10)
    assert long.closes == pytest.approx(1 - 0.7 ** (1 / 0.3))
    assert tried(short, long).named == (Cause.WRONG_LABELS, Cause.MISSING_DATA)
    assert made(Cause.MISSING_DATA, effect=1.2).closes == 1


@pytest.mark.parametrize(
    "other",
    [
        made(Cause.MISSING_DATA, works=0.8),
        made(Cause.MISSING_DATA, before=0.01),  # right rows help against wrong ones, and lack of them is not why
        made(Cause.UNDERWEIGHTED),  # the same rows again
    ],
)
def test_a_repair_that_is_not_shown_or_that_evidence_excludes_or_that_repeats_rows_names_no_second_cause(
    other: Experiment,
) -> None:
    assert tried(made(Cause.WRONG_LABELS), other).named == (Cause.WRONG_LABELS,)


def test_rows_are_missing_as_well_where_less_than_half_of_the_fair_share_is_there() -> None:
    """What is known of labels excludes nothing then: .4 of the rows, half of them wrong, are a fifth that is right."""
    both = tried(made(Cause.WRONG_LABELS, effect=0.2), made(Cause.MISSING_DATA, before=0.005))
    lacking = replace(both, evidence={"distinct_scarcity": 0.6})
    assert lacking.named == (Cause.MISSING_DATA, Cause.WRONG_LABELS)
    assert replace(both, evidence={"distinct_scarcity": 0.4}).named == (Cause.WRONG_LABELS,)


def test_where_nothing_was_tried_or_nothing_works_one_cause_is_named() -> None:
    assert tried().named == (Cause.WRONG_LABELS,)
    nothing = replace(tried(made(Cause.MISSING_DATA, works=0.95)), causes={Cause.UNKNOWN: 1.0})
    assert nothing.named == (Cause.UNKNOWN,)
