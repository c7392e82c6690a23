"""Leave single steps out of a plan, to test whether each contributes.

Steps that take rows out of the corpus, or give them other labels, can do harm that the gain of the others hides. Each
of them is optional: the plan without it is trained beside the whole one, and a step that is not shown to be worth its
trainings is dropped. A step without which nothing would be left is not optional: whether it helps is what the verdict
asks anyway.
"""

from dataclasses import dataclass

from diagnose.slices.predicate import Slice
from interventions.plan.step import Made, Remove
from interventions.proposal import NothingToDo, Proposal, carry_out

MOST_OPTIONAL = 3
"""Most optional steps; each costs `verify.seeds` more trainings. The first ones explain most failures."""


@dataclass(frozen=True, slots=True)
class OptionalStep:
    """A part of a plan that can be left out."""

    kind: str
    items: Slice
    """Evaluation items that the step should fix."""
    steps: frozenset[int]
    """Places in `Proposal.steps` that belong to the part."""

    @property
    def what(self) -> str:
        return f"{self.kind} for {self.items}"


@dataclass(frozen=True, slots=True)
class Reduction:
    """A plan without some of its optional steps."""

    left_out: tuple[int, ...]
    """Places among the optional steps of those left out."""
    proposal: Proposal


def optional_steps(proposal: Proposal) -> tuple[OptionalStep, ...]:
    """Parts of a plan that can be left out, at most `MOST_OPTIONAL`; steps of one kind for one finding go together."""
    carried_out = {(action.kind, action.items) for action in proposal.plan.actions}
    parts: dict[tuple[str, Slice], list[int]] = {}
    for place, step in enumerate(proposal.steps):
        if isinstance(step, Remove) or (isinstance(step, Made) and step.is_in_place):
            what = (step.kind, step.finding.slice)
            if what in carried_out:
                parts.setdefault(what, []).append(place)
    found = [OptionalStep(kind, items, frozenset(places)) for (kind, items), places in parts.items()]
    return tuple(step for step in found if len(step.steps) < len(proposal.steps))[:MOST_OPTIONAL]


def reductions(proposal: Proposal, optional: tuple[OptionalStep, ...]) -> tuple[Reduction, ...]:
    """Plans without each optional step, and without all of them; those without any action are omitted."""
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
    return carry_out(kept, proposal.resources, proposal.limits)
