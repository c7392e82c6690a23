"""`interventions=auto`: the cheapest fix that fits the cause of each finding.

wrong_labels    clean, if shown, and retrieve where the pool has rows
shortcut        counter-examples, if shown, and retrieve where the pool has rows without the cue
duplicates      clean, if shown; else retrieve
underweighted   reweight where the cap allows the fair share; else retrieve; else reweight as far as it goes
missing_data    retrieve; else rows written by programs, where some are registered
unknown         retrieve, if small trainings show that added rows help; where none were made, if attribution says so
anything else   no change of data here, but the advice that belongs to the cause

Naming a cause and touching data are two decisions: rows leave or change only where small trainings showed that this
helps (`Finding.experiments`). Who wants rows to leave without them chooses that fix (`interventions=clean`).

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
        if finding.cause is Cause.UNKNOWN and (reason := _no_help(finding)):
            return Declined(f"its cause is not known, and {reason}")
        added = partial(supply, finding, resources, self.num_examples)
        clean = _if_shown(finding, partial(cleaned, finding, resources), "that rows leave")
        match finding.cause:
            case Cause.WRONG_LABELS:
                return _all(clean, added)
            case Cause.SHORTCUT:
                twins = partial(counter_examples, finding, resources, self.synthetic_share)
                return _all(_if_shown(finding, twins, "that twins stand in the place of rows"), added)
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


def _no_help(finding: Finding) -> str:
    """Reason why nothing is known to help a finding whose cause is unknown; empty where added rows may."""
    if finding.experiments:
        if finding.shows(Cause.MISSING_DATA):
            return ""
        return "; ".join(f"{one.repair}: {one.effect.mean:+.2f} of the gap" for one in finding.experiments)
    if finding.data_slices and finding.data_slices[0].ci.low <= 0:
        return f"attribution does not say that {finding.data_slice} would help"
    return ""


def _if_shown(finding: Finding, option: Callable[[], Steps], what: str) -> Callable[[], Steps]:
    """The option, where small trainings showed that it helps; else one that is declined."""
    if finding.shows(finding.cause):
        return option
    return lambda: Declined(
        f"no small training shows {what} helps (diagnose.pilots; interventions=clean or counter_examples does it "
        "without)"
    )


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
