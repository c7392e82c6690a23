"""What a person takes away from a proposal before approving it, and how far that may go.

A change only makes less of what was shown: it leaves out whole actions, or takes fewer draws from the corpus's other
rows. Whoever approves has read all that is trained, and nothing enters by the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    leave_out: tuple[int, ...] = ()
    """Places of actions of the proposal that are not carried out, from 0, ascending."""
    scale: float = 1.0
    """Multiplies the draws that the proposal takes from the corpus's other rows."""

    def __bool__(self) -> bool:
        return self != UNCHANGED

    @property
    def in_words(self) -> str:
        """Say what is taken away; empty where nothing is."""
        without = [f"without action {', '.join(map(str, self.leave_out))}"] if self.leave_out else []
        less = [f"with {self.scale:g} of the draws"] if self.scale != 1 else []
        return ", ".join(without + less)


@dataclass(frozen=True, slots=True)
class Changeable:
    """What of a proposal may be changed."""

    actions: tuple[str, ...] = ()
    """Each of its actions in a line."""
    least_scale: float = 1.0
    """Least `Change.scale`; 1 where it takes no draws that could be fewer."""

    def check(self, change: Change) -> None:
        """Raise a ValueError where a change is out of these bounds."""
        unknown = [place for place in change.leave_out if place not in range(len(self.actions))]
        listed = "; ".join(f"{place}: {action}" for place, action in enumerate(self.actions))
        if unknown:
            raise ValueError(
                f"leave_out names action {unknown[0]}, and the proposal has {listed or 'none that is known'}"
            )
        if change.leave_out and len(change.leave_out) == len(self.actions):
            raise ValueError(f"leave_out leaves nothing of {listed}; reject the proposal instead")
        if not self.least_scale <= change.scale <= 1:
            least = f"{self.least_scale:.3g}"
            why = "; with fewer draws it is hardly trained on" if self.least_scale < 1 else "; it takes none"
            raise ValueError(f"scale must be from {least} to 1, got {change.scale:g}{why}")


UNCHANGED, FIXED = Change(), Changeable()
"""A proposal as it is, and one that cannot be changed."""


def change_of(leave_out: Sequence[int] = (), scale: float = 1.0) -> Change:
    """Make a change of places in any order."""
    return Change(tuple(sorted(set(leave_out))), float(scale))


def read_changeable(record: Mapping[str, Any]) -> Changeable:
    """Read bounds that were written as JSON; none where an earlier version has asked."""
    return Changeable(tuple(record.get("actions", ())), float(record.get("least_scale", 1.0)))
