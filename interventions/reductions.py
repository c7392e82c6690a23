"""A plan without one of its steps: what shows whether that step was worth it.

Steps that take rows out of the corpus, or give them other labels, can do harm that the gain of the others hides. Each
of them is optional: the plan without it is trained beside the whole one, and a step that is not shown to be worth its
trainings is left out. Rows that come back in the place of others go with those. A step without which nothing would be
left is not optional: whether it helps is what the verdict asks anyway.
"""

from dataclasses import dataclass

from diagnose.slices import Slice
from interventions.proposal import NothingToDo, Proposal, carry_out
from interventions.step import Made, Remove, Step

MOST_OPTIONAL = 3
"""Steps that are tried without; each is `verify.seeds` more trainings. The first ones, which explain most failures."""


@dataclass(frozen=True, slots=True)
class OptionalStep:
    """A part of a plan that can be left out."""

    kind: str
    items: Slice
    """Evaluation items that it should mend."""
    steps: frozenset[int]
    """Places in `Proposal.steps` that go with it."""

    @property
    def what(self) -> str:
        return f"{self.kind} for {self.items}"


@dataclass(frozen=True, slots=True)
class Reduction:
    """A plan without some of its optional steps."""

    left_out: tuple[int, ...]
    """Places among the optional steps."""
    proposal: Proposal


def optional_steps(proposal: Proposal) -> tuple[OptionalStep, ...]:
    """The parts that can be left out, at most `MOST_OPTIONAL`."""
    carried_out = {(action.kind, action.items) for action in proposal.plan.actions}
    found: list[OptionalStep] = []
    for place, step in enumerate(proposal.steps):
        if not isinstance(step, Remove | Made) or (step.kind, step.finding.slice) not in carried_out:
            continue
        if isinstance(step, Remove):
            back = (k for k, other in enumerate(proposal.steps) if _comes_back(other, step))
            part = OptionalStep(step.kind, step.finding.slice, frozenset((place, *back)))
        elif step.is_in_place and not step.is_raised:
            part = OptionalStep(step.kind, step.finding.slice, frozenset((place,)))
        else:
            continue
        if len(part.steps) < len(proposal.steps):
            found.append(part)
    return tuple(found[:MOST_OPTIONAL])


def reductions(proposal: Proposal, optional: tuple[OptionalStep, ...]) -> tuple[Reduction, ...]:
    """The plan without each optional step, and without all of them; those that would change nothing are left out."""
    sets: list[tuple[int, ...]] = [(k,) for k in range(len(optional))]
    if len(optional) > 1:
        sets.append(tuple(range(len(optional))))
    made = ((left_out, _without(proposal, left_out, optional)) for left_out in sets)
    return tuple(Reduction(left_out, other) for left_out, other in made if isinstance(other, Proposal))


def _without(
    proposal: Proposal, left_out: tuple[int, ...], optional: tuple[OptionalStep, ...]
) -> Proposal | NothingToDo:
    gone = frozenset[int]().union(*(optional[k].steps for k in left_out))
    kept = [step for place, step in enumerate(proposal.steps) if place not in gone]
    return carry_out(kept, proposal.resources, proposal.limits, proposal.seed)


def _comes_back(step: Step, removal: Remove) -> bool:
    return isinstance(step, Made) and step.is_in_place and step.finding is removal.finding
