"""`interventions=auto`: the cheapest fix that fits the cause of each finding.

wrong_labels    clean, and retrieve where the pool has rows
shortcut        counter-examples, and retrieve where the pool has rows without the cue
duplicates      clean; else retrieve
underweighted   reweight where the cap allows the fair share; else retrieve; else reweight as far as it goes
missing_data    retrieve; else rows written by programs, where some are registered
unknown         retrieve, if attribution says that the data slice's rows help
anything else   no change of data here, but the advice that belongs to the cause

A plan that was judged on this model is not proposed again: the next fix in the row takes its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from diagnose.finding.finding import Cause, Finding
from interventions.fixes.clean import cleaned
from interventions.fixes.counter_examples import counter_examples
from interventions.fixes.programs import WithPrograms, written
from interventions.fixes.retrieve import supply
from interventions.fixes.reweight import check_factor, factor_needed, raised
from interventions.plan.advice import advice
from interventions.plan.step import Declined, Resources, Steps


@dataclass
class Auto(WithPrograms):
    """Settings of the planner; every field is a key `interventions.<field>`."""

    max_factor: float = 8.0
    """A raised row is drawn at most this many times as often as before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_factor(self.max_factor)

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if advised := advice(finding):
            return Declined(advised)
        if finding.cause is Cause.UNKNOWN and finding.data_slices and finding.data_slices[0].ci.low <= 0:
            return Declined(
                f"its cause is not known, and attribution does not say that {finding.data_slice} would help"
            )
        added = partial(supply, finding, resources, self.num_examples)
        clean = partial(cleaned, finding, resources)
        match finding.cause:
            case Cause.WRONG_LABELS:
                return _all(clean, added)
            case Cause.SHORTCUT:
                return _all(partial(counter_examples, finding, resources, self.synthetic_share), added)
            case Cause.DUPLICATES:
                return _first(clean, added)
            case Cause.UNDERWEIGHTED:
                weighed = partial(raised, finding, resources, share=None, max_factor=self.max_factor)
                reweight_first = factor_needed(finding) <= self.max_factor
                return _first(weighed, added) if reweight_first else _first(added, weighed)
            case Cause.MISSING_DATA:
                return _first(added, partial(written, finding, resources, self.programs, self.num_examples))
            case _:
                return added()


def _first(*options: Callable[[], Steps]) -> Steps:
    """First option that is not declined; later ones are not called."""
    declined = []
    for option in options:
        steps = option()
        if not isinstance(steps, Declined):
            return steps
        declined.append(steps)
    return _none_of(declined)


def _all(*options: Callable[[], Steps]) -> Steps:
    """Steps of all options that are not declined."""
    made = [option() for option in options]
    return tuple(step for steps in made if not isinstance(steps, Declined) for step in steps) or _none_of(made)


def _none_of(options: Sequence[Steps]) -> Declined:
    return Declined("; ".join(steps.reason for steps in options if isinstance(steps, Declined)))
