"""A finding names the most probable cause, and those that are true at once with it, by what their repairs did."""

from dataclasses import replace

import pytest
from builders.findings import experiment, finding

from diagnose.finding.finding import Cause, Experiment, Finding


def tried(*made: Experiment, also: tuple[Cause, ...] = (Cause.MISSING_DATA,)) -> Finding:
    causes = {Cause.WRONG_LABELS: 0.9, Cause.MISSING_DATA: 0.1}
    return replace(finding(Cause.WRONG_LABELS), causes=causes, experiments=made, also=also)


def made(cause: Cause, *, effect: float = 0.3, length: float = 0.1) -> Experiment:
    return replace(experiment(cause, 1.0, effect), length=length)


def test_two_causes_are_named_in_the_order_of_what_their_repairs_do() -> None:
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


def test_the_most_probable_cause_comes_first_where_its_repair_was_not_tried() -> None:
    assert tried(made(Cause.MISSING_DATA)).named == (Cause.WRONG_LABELS, Cause.MISSING_DATA)


def test_a_repair_that_works_names_no_second_cause_by_itself() -> None:
    """Right rows help against wrong ones as well."""
    assert tried(made(Cause.WRONG_LABELS), made(Cause.MISSING_DATA), also=()).named == (Cause.WRONG_LABELS,)
